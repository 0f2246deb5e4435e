"""Models in GGUF files, the format of llama.cpp, as transformers reads them: each is read once and
kept as safetensors beside the models of scaling/pretrained.

It is kept in float32, in which the numbers of a file of four or eight bits a weight are what the
file says: `--precision float32` computes with them, `--precision bfloat16` with each rounded once,
and so does stock transformers on the folder when it is given the same dtype.
"""

import hashlib
import importlib.util
import os
import shutil
import warnings
from pathlib import Path

from filelock import FileLock

from loralab.code import home
from scaling.core.quiet import quiet, silence

MAGIC = b"GGUF"


def folder_of_file(file: Path) -> Path:
    """The folder in which the model of a user's file is kept, made where it is not there: another
    one after the file has changed. Raises ValueError for a file that is none."""
    try:
        about = file.stat()
        with file.open("rb") as stream:
            magic = stream.read(len(MAGIC))
    except OSError as error:
        raise ValueError(f"cannot load the model {file}: {error.strerror}") from error
    if magic != MAGIC:
        raise ValueError(f"cannot load the model {file}: it is no GGUF file")
    key = f"{file.resolve()}\0{about.st_size}\0{about.st_mtime_ns}"
    name = f"{file.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    folder = home() / "runs" / "pretrained" / name
    if not folder.exists():
        dequantised(file, folder, file.name)
    return folder


def dequantised(file: Path, folder: Path, name: str) -> None:
    """Write the model of a GGUF file, with its tokenizer and chat template, as a folder of
    transformers: whole, or not at all. Other processes wait for the first.

    Raises: ValueError for a file that cannot be read, or where there is no room for the folder.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ValueError(
            f"to read {name} needs the package gguf, which is not installed: "
            "pip install 'loralab[llm]'"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.partial")
    with FileLock(f"{folder}.lock"):
        if folder.exists():
            return
        print(f"reading {name}, once, into {folder}: a minute or more", flush=True)
        shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
        try:
            with silence(), quiet(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _write(file, partial)
            os.replace(partial, folder)
        except Exception as error:  # of several libraries, on a file that may hold anything
            shutil.rmtree(partial, ignore_errors=True)
            first = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ValueError(f"cannot load the model {file}: {first[:300]}") from error


def _write(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    given = {"gguf_file": file.name, "local_files_only": True}
    with torch.random.fork_rng():
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            **given,
        )
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **given)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

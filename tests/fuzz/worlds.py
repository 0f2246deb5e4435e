"""A folder in which commands are run: a tiny model, data, runs that have finished or were killed,
and every file damaged in some way. A user's own notes lie in most of its folders."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.finetuning import sentences, tiny_bert

NOTES = "my notes.txt"
# A run of two steps on the tiny model. Paths are relative, so that a copy of the folder is a world.
SIZES = ("--batch", "4", "--rank", "2", "--lr", "1e-3")
RUN = ["--model", "model", "--train", "train.jsonl", "--test", "test.jsonl", *SIZES]
FINETUNE = ["finetune", *RUN, "--limit", "4", "--store", "home/store.sqlite"]
FINISHED = [*FINETUNE, "--steps", "2", "--out", "finished"]
KILLED = [*FINETUNE, "--steps", "500", "--save-every", "2", "--out", "killed"]


def build(folder: Path, call: Callable[[list[str]], int]) -> None:
    """Make the world; `call` runs the command in the folder."""
    folder.mkdir()
    here = Path.cwd()
    os.chdir(folder)
    try:
        tiny_bert(_folder("model"))
        for name, count, seed in (("train", 24, 0), ("test", 8, 1)):
            _write(f"{name}.jsonl", *sentences(count, seed))
        if code := call(FINISHED):
            raise RuntimeError(f"a sound run ends with {code}")
        _kill(call)
        _data()
        _models()
        _runs()
        for place in (".", "finished", "killed", "notes", "data"):
            (_folder(place) / NOTES).write_text("do not lose me\n")
        _folder("hollow")
        Path("a file").write_text("a file\n")
    finally:
        os.chdir(here)


def _folder(name: str) -> Path:
    path = Path(name)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _write(name: str, *rows: object) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _kill(call: Callable[[list[str]], int]) -> None:
    """A run that was killed once it had a checkpoint."""
    if (child := os.fork()) == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os._exit(call(KILLED))
    until = time.monotonic() + 120
    while len(list(Path("killed").glob("checkpoint-*/trainer_state.json"))) < 1:
        if time.monotonic() > until or os.waitpid(child, os.WNOHANG)[0]:
            raise RuntimeError("a sound run writes no checkpoint")
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _data() -> None:
    rows = sentences(8, 2)
    _folder("data")
    _write("data/empty.jsonl")
    _write("data/one.jsonl", rows[0])
    _write("data/null.jsonl", *rows[:5], rows[5] | {"text": None}, *rows[6:])
    _write("data/null label.jsonl", *rows[:5], rows[5] | {"label": None}, *rows[6:])
    _write("data/no text.jsonl", *({"label": row["label"]} for row in rows))
    _write("data/no label.jsonl", *({"text": row["text"]} for row in rows))
    _write("data/one class.jsonl", *(row | {"label": "a"} for row in rows))
    _write("data/other class.jsonl", *(row | {"label": "neither"} for row in rows))
    _write("data/numbers in text.jsonl", *(row | {"text": i} for i, row in enumerate(rows)))
    _write("data/lists in text.jsonl", *(row | {"text": [1, [2]]} for row in rows))
    _write(
        "data/mixed labels.jsonl", *(row | {"label": (1, "a")[i % 2]} for i, row in enumerate(rows))
    )
    _write("data/infinite label.jsonl", *(row | {"label": 1e999} for row in rows))
    _write("data/other keys.jsonl", rows[0], {"bogus": 1}, *rows[1:])
    _write("data/lists.jsonl", [1, 2], [3, 4])
    _write("data/numbers.jsonl", 1, 2, 3)
    _write("data/strings.jsonl", "a", "b")
    text = Path("train.jsonl").read_text()
    for name, content in {
        "broken.jsonl": text[:200].encode() + b'\n{"text": "the\n' + text[200:].encode(),
        "cut.jsonl": text[:-9].encode(),
        "latin.jsonl": text.replace("red", "réd").encode("latin-1"),
        "utf-16.jsonl": text.encode("utf-16"),
        "zeros.jsonl": bytes(500),
        "deep.jsonl": b"[" * 100_000,
        "array.json": json.dumps(rows).encode(),
        "unknown.xyz": text.encode(),
        "no ending": text.encode(),
        "garbage.parquet": b"PAR1" + bytes(100),
        "empty.parquet": b"",
        "text.parquet": text.encode(),
        "empty.csv": b"",
        "header.csv": b"text,label\n",
        "ragged.csv": b'text,label\n"the red,colour\na,b,c,d\n',
        "binary.csv": bytes(range(256)),
        "blank.txt": b"\n\n\n",
    }.items():
        (Path("data") / name).write_bytes(content)
    _folder("data/hollow")
    os.mkfifo("data/fifo.jsonl")
    Path("data/loop.jsonl").symlink_to("loop.jsonl")


def _models() -> None:
    weights = Path("model/model.safetensors").read_bytes()
    config = json.loads(Path("model/config.json").read_text())
    changes: dict[str, dict[str, bytes | None]] = {
        "no config": {"config.json": None},
        "a list": {"config.json": b"[]"},
        "an object": {"config.json": b"{}"},
        "a null": {"config.json": b"null"},
        "no JSON": {"config.json": b"{"},
        "not UTF-8": {"config.json": b"\xff\xfe{}"},
        "unknown type": {"config.json": json.dumps(config | {"model_type": "berd"}).encode()},
        "type is a number": {"config.json": json.dumps(config | {"model_type": 3}).encode()},
        "wider": {"config.json": json.dumps(config | {"hidden_size": 64}).encode()},
        "negative": {"config.json": json.dumps(config | {"hidden_size": -1}).encode()},
        "heads": {"config.json": json.dumps(config | {"num_attention_heads": 3}).encode()},
        "width is a word": {"config.json": json.dumps(config | {"hidden_size": "a"}).encode()},
        "no weights": {"model.safetensors": None},
        "cut weights": {"model.safetensors": weights[: len(weights) // 2]},
        "empty weights": {"model.safetensors": b""},
        "weights of zeros": {"model.safetensors": bytes(1000)},
        "pickled weights": {"model.safetensors": None, "pytorch_model.bin": b"\x80\x04K\x01."},
        "no tokenizer": {"tokenizer.json": None, "vocab.txt": None, "tokenizer_config.json": None},
        "tokenizer is a list": {"tokenizer.json": b"[]", "tokenizer_config.json": b"[]"},
        "tokenizer is cut": {"tokenizer.json": b'{"version": "1.0"'},
        "own code": {
            "config.json": json.dumps(
                config | {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
            ).encode()
        },
    }
    for name, files in changes.items():
        folder = Path("models") / name
        shutil.copytree("model", folder)
        for file, content in files.items():
            if content is None:
                (folder / file).unlink(missing_ok=True)
            else:
                (folder / file).write_bytes(content)
    _folder("models/hollow")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "a list": lambda _: b"[]",
    "zeros": lambda content: bytes(len(content)),
}


def _runs() -> None:
    """Every file of a run of which one is damaged."""
    last = max(Path("killed").glob("checkpoint-*/trainer_state.json"), key=_step).parent
    inside = [path for path in last.iterdir() if path.is_file()]
    for how, damage in DAMAGE.items():
        for file in ("run.json", "metrics.json"):
            _damaged("finished", file, how, damage)
        for file in ("run.json", "before.json", *(f"{last.name}/{path.name}" for path in inside)):
            _damaged("killed", file, how, damage)


def _step(state: Path) -> int:
    return int(state.parent.name.removeprefix("checkpoint-"))


def _damaged(run: str, file: str, how: str, damage: Callable[[bytes], bytes]) -> None:
    if (Path(run) / file).is_file():
        folder = Path("runs") / f"{run} {Path(file).name} {how}"
        shutil.copytree(run, folder)
        (folder / NOTES).write_text("do not lose me\n")
        (folder / file).write_bytes(damage((folder / file).read_bytes()))

"""Fine-tune a transformers model with an adapter: `loralab finetune`, or `python -m
scaling.finetune`.

Without an argument MiniLM learns which installed package a docstring belongs to, with no network.
The folder of a run holds the adapter in PEFT's format, metrics.json, predictions.jsonl with one row
an example, curves.png, and until it has finished its last checkpoint, from which --resume goes on.
Exit code 0 when done, 1 when training failed, 2 when the input is wrong.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from loralab.code import fingerprint, home
from loralab.process import finish
from loralab.store import Store, run_key
from scaling.core import command, processes
from scaling.core.config import Config, peft_settings
from scaling.core.outputs import METRICS, write_json
from scaling.core.run_folder import mark, prepared
from scaling.tasks import find

FAMILY = "finetune"


@dataclass(frozen=True)
class Options:
    out: Path | None = None
    """Folder of the run; by default one of its own beside the run store."""
    resume: bool = False
    """Go on with a run that was killed, from its last checkpoint."""
    force: bool = False
    """Begin anew in a folder that holds a run."""
    store: Path | None = None
    """The run store, one SQLite file; runs/loralab.sqlite by default."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    return command.answer(command.form(Options), _finetuned, "loralab finetune", __doc__, arguments)


def _finetuned(config: Config, options: Options) -> None:
    result = _result(config, options)
    if not processes.is_first():
        return
    scores = ", ".join(f"{name} {value:.4g}" for name, value in result["metrics"].items())
    before = ", ".join(f"{name} {value:.4g}" for name, value in result["before"].items())
    print(
        f"{config.task}: {scores} on {result['examples']} examples held out (before training "
        f"{before})"
    )
    print(f"adapter: {Path(result['folder']) / 'adapter'}")


def _result(config: Config, options: Options) -> dict[str, Any]:
    """The result of the run: made now, or read where the folder holds it finished."""
    settings = json.loads(json.dumps(asdict(config), default=str))
    if config.peft is not None:
        # a run is of what the file holds, wherever it lies
        settings["peft"] = peft_settings(config)
    here = Path(__file__)
    find(config.task).options(config)
    code = fingerprint(here) + fingerprint(here.parent / "tasks" / f"{config.task}.py")
    folder = (
        options.out
        or home()
        / "runs"
        / FAMILY
        / f"{config.task}-{run_key(FAMILY, config.task, settings, '')[:12]}"
    )

    def look() -> dict[str, Any] | None:
        finished = prepared(folder, settings, options.resume, options.force)
        if finished is None:
            Store(options.store)  # one that cannot be used is told of before anything is trained
        return finished

    finished = processes.by_first(look)
    if finished is not None:
        return finished
    from scaling.training.running import train  # transformers, which takes seconds to load

    result = train(config, folder, lambda: mark(folder, settings))
    if processes.is_first():
        Store(options.store).put(FAMILY, config.task, settings, code, result["seconds"], result)
        write_json(folder / METRICS, result)
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    return result


if __name__ == "__main__":
    main()

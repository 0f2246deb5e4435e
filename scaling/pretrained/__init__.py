"""Small models that are pretrained on this machine once, from data that are on it: every file of
this folder is one.

A file defines make(folder), which trains the model and saves it there as transformers or diffusers
would. It runs in a process of its own, so that neither the generators nor the distributed state of
the caller take part, and the result is kept in runs/pretrained under a name that holds the code it
was made by.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from loralab.code import ROOT, fingerprint, home

if TYPE_CHECKING:  # `place` needs no torch
    from torch import Tensor, nn

    Loss = Callable[[nn.Module, dict[str, Tensor]], Tensor]
OF_A_LAUNCHER = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
)


def place(name: str) -> Path:
    """The folder of the model that scaling/pretrained/<name>.py makes, whether it is there or
    not."""
    code = fingerprint(Path(__file__).with_name(f"{name}.py"))
    return home() / "runs" / "pretrained" / f"{name}-{code[:12]}"


def folder_of(name: str) -> str:
    """The same; the first call makes the model."""
    folder = place(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # the other processes of a run wait for the first
        if not folder.exists():
            print(
                f"making a small {name} on this machine, once, in {folder}: up to two minutes",
                flush=True,
            )
            with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
                environment = {
                    key: value for key, value in os.environ.items() if key not in OF_A_LAUNCHER
                }
                command = [sys.executable, "-m", __name__, name, str(Path(partial) / name)]
                if subprocess.run(command, env=environment, cwd=ROOT).returncode:
                    raise RuntimeError(
                        f"the small {name} could not be made; what went wrong stands above"
                    )
                shutil.move(Path(partial) / name, folder)
    return str(folder)


def make(name: str, folder: Path) -> None:
    """Run the file's `make`."""
    importlib.import_module(f"{__name__}.{name}").make(folder)


def fit(
    model: "nn.Module",
    examples: Sequence[Any],
    collate: "Callable[[list[Any]], dict[str, Tensor]]",
    *,
    steps: int,
    lr: float,
    batch: int = 64,
    loss: "Loss | None" = None,
) -> float:
    """Train the whole model by transformers' Trainer with AdamW and a linearly falling rate, in
    place; gives the mean loss of the last tenth of the steps. `loss` is by default what the model
    gives."""
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    class Own(Trainer):
        def compute_loss(
            self, model: "nn.Module", inputs: dict[str, Any], *rest: Any, **named: Any
        ) -> Any:
            return (
                super().compute_loss(model, inputs, *rest, **named)
                if loss is None
                else loss(model, inputs)
            )

    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            max_steps=steps,
            learning_rate=lr,
            warmup_steps=steps // 20,
            per_device_train_batch_size=batch,
            save_strategy="no",
            logging_steps=1,
            report_to="none",
            disable_tqdm=True,  # with the bar comes a printer of its own, of every step
            remove_unused_columns=False,
            use_cpu=not torch.cuda.is_available(),
            dataloader_pin_memory=torch.cuda.is_available(),
        )
        trainer = Own(model, arguments, collate, train_dataset=examples)  # type: ignore[arg-type]
        trainer.pop_callback(PrinterCallback)
        trainer.train()
    model.cpu().eval()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    last = losses[-max(1, steps // 10) :]
    return sum(last) / len(last)

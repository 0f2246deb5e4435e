"""Write the start of an adapter for another tool to train: `loralab init`, or `python -m
scaling.init`.

    loralab init --model folder-or-hub-name --task causal_lm --train text.txt --scheme eva --rank 8
    --out start

The flags are those of loralab finetune, and the start is the one that it would begin at; of those
about training only the batch and the seed matter, which say what a start that learns from data is
shown. The folder is an ordinary PEFT adapter at which the model computes what the base does: PEFT
goes on from it by PeftModel.from_pretrained(base, folder, is_trainable=True), and so do the tools
that are made of PEFT. Exit code 0 when written, 2 when the input is wrong or the start cannot be
handed over.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor

import lora
from lora.initialization import statistics_for
from lora.testing import sample
from loralab.ledger import records_table, show
from loralab.process import finish
from scaling.core import command, processes
from scaling.core.config import Config

if TYPE_CHECKING:
    from scaling.training.preparation import Ready

Seen = Mapping[str, lora.Statistics]


@dataclass(frozen=True)
class Options:
    out: Path
    """The folder to write, which must be empty or not be there."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    return command.answer(command.form(Options), _written, "loralab init", __doc__, arguments)


def _written(config: Config, options: Options) -> None:
    check_portable(config)
    check_free(options.out)
    # transformers, which takes seconds to load
    from scaling.training.preparation import ready, shown

    job = ready(config)
    report, seen = shown(config, job, lambda batches: _attached(config, job, batches))
    layers = lora.adapters(job.loaded.model)
    if moved := [name for name, layer in layers.items() if layer.B0 is not None]:
        raise ValueError(f"{moved[0]}: {_not_zero(config.scheme)}")
    processes.share(job.loaded.model)
    if not processes.is_first():
        return
    lora.save(job.loaded.model, options.out)
    _tell(report, layers, seen)
    print(
        f'adapter: {options.out}; peft.PeftModel.from_pretrained(base, "{options.out}", '
        "is_trainable=True) goes on"
    )
    print("from it, as do axolotl (lora_model_dir) and LLaMA-Factory (adapter_name_or_path)")


def check_portable(config: Config) -> None:
    """Raise ValueError for a start, or a way of training, that a PEFT adapter cannot carry to
    another tool."""
    if config.peft is not None:
        raise ValueError(
            "peft is trained, by loralab finetune; a start is of a scheme of this library"
        )
    options: dict[str, Any] = dict(config.scheme_options)
    scheme = lora.SCHEMES[config.scheme]
    try:
        # run on a sample, so that an impossible option is refused before a model is loaded
        W, stats = sample((16, 8))
        scheme(W, 2, stats=stats, **options)
    except TypeError as error:
        raise ValueError(f"scheme {config.scheme!r}: {error}") from error
    if not scheme.zero_product:
        raise ValueError(_not_zero(config.scheme))
    if lora.VARIANTS[config.variant].exported_as != config.variant:
        raise ValueError(
            f"variant {config.variant!r} is a way of training that a PEFT adapter does not hold: "
            "another tool would "
            "train plain LoRA from it; use loralab finetune, or variant plain or dora"
        )
    if not (config.train_a and config.train_b):
        raise ValueError(
            "a PEFT adapter does not say which factor is frozen, so another tool would train "
            "both; leave train_a and "
            "train_b out and freeze the factor there, or use loralab finetune"
        )


def _not_zero(scheme: str) -> str:
    return (
        f"scheme {scheme!r} starts at B A != 0: another tool would add B A to the base at step 0, "
        "or train the pair "
        "B0 A0 that must stay frozen to cancel it; use loralab finetune or lora.attach, which "
        "carry the pair, or a "
        "scheme that starts at zero, such as eva"
    )


def check_free(folder: Path) -> None:
    """Raise ValueError where the folder holds something, or cannot be written: before a model is
    loaded."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not an empty folder; choose another --out")
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise ValueError(f"{folder} cannot be written, as {there} is no folder with permission to")


def _attached(config: Config, job: "Ready", batches: Iterator[Any]) -> tuple[lora.Report, Seen]:
    """`lora.attach`, with the statistics that it started from."""
    model, adapter = job.loaded.model, config.adapter(job.loaded.fresh)
    seen = statistics_for(model, adapter, batches, job.task.loss and job.task.loss(job.loaded))
    return lora.attach(model, adapter, stats=seen), seen


def explained(A: Tensor, stats: lora.Statistics) -> float | None:
    """The part of the variance of the inputs that lies in the row space of A; of a sketch, a lower
    bound. None where the inputs do not vary, or A is zero."""
    variance = stats.variance().item()
    if variance == 0 or not A.any():
        return None
    return stats.captured(torch.linalg.qr(A.detach().to(stats.mean).mT).Q) / variance


def _tell(report: lora.Report, layers: Mapping[str, lora.LoRALinear], seen: Seen) -> None:
    rows = []
    for row in report.layers:
        known = (
            {"variance explained": explained(layers[row.name].A, seen[row.name])} if seen else {}
        )
        size = "x".join(map(str, row.shape))
        rows.append(
            {"layer": row.name, "shape": size, "rank": row.rank, "scale": f"{row.scale:g}", **known}
        )
    print(str(report).splitlines()[0])
    show(records_table("", rows))
    for name, reason in report.skipped.items():
        print(f"skipped {name}: {reason}")


if __name__ == "__main__":
    main()

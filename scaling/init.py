"""Write the initialization of an adapter for another tool to train: `loralab init`, or `python -m
scaling.init`; in Python, `loralab.init`.

    loralab init --model folder-or-hub-name --task causal_lm --train text.txt --scheme eva --out eva

The flags are those of loralab finetune, and the initialization is the one that its run would begin
with; the help lists the flags that matter here. The batch, the steps and the seed say which data an
initialization that learns from data sees, no more than the run would train on; what that run would
hold out of them for its test is held out here too, and of no other use. The folder is an ordinary
PEFT adapter at which the model computes what the base model does: PEFT goes on from it by
PeftModel.from_pretrained(base, folder, is_trainable=True), and so do the tools that are made of
PEFT. Exit code 0 when written, 2 when the input is wrong or the initialization cannot be handed
over.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from loralab.flags import Group
from loralab.ledger import records_table, text_of
from loralab.process import finish
from scaling.core import processes, run_folder
from scaling.training import command
from scaling.training.objects import configured

if TYPE_CHECKING:
    from torch import Tensor

    import lora
    from scaling.core.config import Config
    from scaling.training.job import Job

# Of the settings of a run, those that its initialization does not depend on.
HIDDEN = (
    *("limit", "lr", "ratio", "weight_decay", "optimizer", "warmup", "clip"),
    *("launch_step", "patience", "peft", "train_a", "train_b"),
    *("gradient_checkpointing", "save_every", "report_to", "full_targets", "save", "remember"),
)


@dataclass(frozen=True)
class Options:
    """What is kept."""

    out: Path
    """The folder to write, which must be empty or not be there."""


GROUPS = {**command.groups(HIDDEN), "output": Group(Options)}


@dataclass(frozen=True, repr=False)
class Initialized:
    """An adapter that was written, by layer: its rank, and the part of the inputs' variance that
    its A explains where the initialization learnt from data."""

    folder: Path
    report: "lora.Report"
    explained: dict[str, float | None]

    @property
    def ranks(self) -> dict[str, int]:
        return {layer.name: layer.rank for layer in self.report.layers}

    def __repr__(self) -> str:
        rows = [
            {
                "layer": layer.name,
                "shape": "x".join(map(str, layer.shape)),
                "rank": layer.rank,
                "scale": f"{layer.scale:g}",
                **({"variance explained": self.explained[layer.name]} if self.explained else {}),
            }
            for layer in self.report.layers
        ]
        skipped = [f"skipped {name}: {reason}" for name, reason in self.report.skipped.items()]
        lines = [str(self.report).splitlines()[0], text_of(records_table("", rows)), *skipped]
        return "\n".join(
            [
                *lines,
                f'adapter: {self.folder}; peft.PeftModel.from_pretrained(base, "{self.folder}", '
                "is_trainable=True) goes on",
                "from it, as do axolotl (lora_model_dir) and LLaMA-Factory (adapter_name_or_path)",
            ]
        )


def init(
    config: "Config | None" = None, *, out: str | Path, tokenizer: Any = None, **settings: Any
) -> Initialized:
    """Write the initialization of a run's adapter as a PEFT adapter, for another tool to train.

    Args:
        config: the run; by default that of `loralab finetune` without flags.
        out: the folder to write, which must be empty or not be there.
        tokenizer: of a model that is an object, or its processor.
        settings: what differs from `config`, named as the flags are. `model` may also be a
            transformers model, and `train` and `test` a list of records, a datasets.Dataset or a
            pandas.DataFrame: they are written below runs/objects, once, under a name of their
            content, and are not changed by a bit.

    Raises: ValueError for wrong input, or an initialization that cannot be handed over.
    """
    folder = Path(out)
    with ExitStack() as held:

        def look() -> None:
            held.enter_context(run_folder.alone(folder))
            if not run_folder.is_free(folder):
                raise ValueError(f"{folder} is not an empty folder; choose another --out")

        processes.by_first(look)
        config = configured(config, settings, tokenizer)
        check_portable(config)
        return _written(config, folder)


def _written(config: "Config", folder: Path) -> Initialized:
    import lora
    from scaling.core.placement import share
    from scaling.training.job import on_batches
    from scaling.training.preparation import prepare

    job = prepare(config)
    report, seen = on_batches(job, lambda batches: _attached(job, batches))
    layers = lora.adapters(job.loaded.model)
    if moved := [name for name, layer in layers.items() if layer.B0 is not None]:
        raise ValueError(f"{moved[0]}: {_not_zero(config.adapter.scheme)}")
    share(job.loaded.model)
    if processes.is_first():
        lora.save(job.loaded.model, folder)
    shares = {name: explained(layers[name].A, stats) for name, stats in seen.items()}
    return Initialized(folder, report, shares)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    finish(lambda: run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command with these arguments."""
    return command.answer(init, GROUPS, "loralab init", __doc__, arguments)


def check_portable(config: "Config") -> None:
    """Raise ValueError for an initialization, or a way of training, that a PEFT adapter cannot
    carry to another tool."""
    import lora
    from scaling.core.config import check_adapter, check_scheme

    check_adapter(config, "init")
    adapter = config.adapter
    check_scheme(adapter)
    if not lora.SCHEMES[adapter.scheme].zero_product:
        raise ValueError(_not_zero(adapter.scheme))
    if lora.VARIANTS[adapter.variant].exported_as != adapter.variant:
        raise ValueError(
            f"variant {adapter.variant!r} is a way of training that a PEFT adapter does not hold: "
            "another tool would train plain LoRA from it; use loralab finetune, or variant plain "
            "or dora"
        )
    if not (adapter.train_a and adapter.train_b):
        raise ValueError(
            "a PEFT adapter does not say which factor is frozen, so another tool would train "
            "both; leave train_a and train_b out and freeze the factor there, or use loralab "
            "finetune"
        )


def _not_zero(scheme: str) -> str:
    return (
        f"scheme {scheme!r} starts at B A != 0: another tool would add B A to the base weight at "
        "step 0, or train the pair B0 A0 that must stay frozen to cancel it; use loralab finetune "
        "or lora.attach, which carry the pair, or a scheme that starts at zero, such as eva"
    )


def _attached(
    job: "Job", batches: Iterator[Any]
) -> "tuple[lora.Report, Mapping[str, lora.Statistics]]":
    """`lora.attach`, with the statistics that it started from."""
    import lora
    from lora.initialization import statistics_for
    from scaling.core.config import training_whole

    model, adapter = job.loaded.model, training_whole(job.config.adapter, job.loaded.fresh)
    loss = job.task.loss and job.task.loss(job.loaded)
    seen = statistics_for(model, adapter, batches, loss, also=("inputs",))  # for `explained`
    return lora.attach(model, adapter, stats=seen), seen


def explained(A: "Tensor", stats: "lora.Statistics") -> float | None:
    """The part of the variance of the inputs that lies in the row space of A; of a sketch, a lower
    bound. None where the inputs do not vary, or A is zero."""
    import torch

    variance = stats.variance().item()
    if variance == 0 or not A.any():
        return None
    return stats.captured(torch.linalg.qr(A.detach().to(stats.mean).mT).Q) / variance


if __name__ == "__main__":
    main()

"""One fine-tuning run as a value: what is trained, on what data, how, and where the results go."""

import json
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import lora

Option = int | float | bool | str
OPTIMIZERS = ("adamw", *lora.OPTIMIZERS)


@dataclass(frozen=True)
class Config:
    """Fields that bear the name of a field of `lora.Config` mean the same. Raises ValueError on
    impossible values."""

    task: str = "text_classification"
    """What is learnt: text_classification, causal_lm, seq2seq_lm, image_classification,
    vision_language, offline_rl or image_generation."""
    model: str | None = None
    """A transformers model: a folder, or a name on the hub; by default one that needs no
    network."""
    train: str | None = None
    """Training data: a file (.jsonl, .parquet, .csv, .txt), a folder that the library datasets
    reads, or a data set on the hub, name or name:subset; by default data that are on this machine,
    or made there."""
    test: str | None = None
    """Data to evaluate on, of the same kinds, or a split of the training data set; by default its
    split "test", else a tenth of the training data, held out."""
    hold_out: tuple[str, ...] = ()
    """A column and values of it: evaluate on the training data's records that have one of them,
    train on the rest."""
    columns: tuple[str, ...] = ()
    """The data's columns in the order of the task, e.g. text label, or text text label; prompt
    answer."""
    length: int = 64
    """Tokens of an example; the rest is cut off."""
    task_options: dict[str, Option] = field(default_factory=dict)
    """Of the task's own, as its file says."""
    limit: int | None = None
    """Evaluate on this many examples at most."""

    steps: int = 120
    """Optimiser steps."""
    batch: int = 32
    """Examples of a step, on all devices together with accumulation."""
    micro_batch: int | None = None
    """Examples at once on a device, a divisor of the batch; by default the device's share of the
    batch, halved whenever memory runs out."""
    sharded: bool = False
    """Under torchrun: every device holds a part of the base (FSDP2), not all of it."""
    lr: float = 2e-3
    """Learning rate, which falls linearly to zero."""
    ratio: float = 1.0
    """LoRA+: the learning rate of B over that of A."""
    weight_decay: float = 0.0
    optimizer: str = "adamw"
    """adamw, scaled_adamw or scaled_sgd."""
    warmup: int = 0
    """Steps over which the learning rate rises."""
    clip: float = 1.0
    """The largest norm of a gradient."""
    launch_step: int = 100
    """The step after which variants dash and tsd choose their directions."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the forward pass; adapters stay in float32."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time, the same numbers."""
    save_every: int = 50
    """Steps between checkpoints."""
    validate_every: int | None = None
    """Steps between validations on a tenth of the training data, which is then not trained on; what
    is kept in the end is the adapter of the lowest validation loss."""
    patience: int | None = None
    """Stop early, after this many validations in a row without a lower loss."""

    peft: str | None = None
    """A JSON file, the configuration of a method of PEFT with its peft_type, as in an
    adapter_config.json: that adapter is trained in place of one of this library, on every linear
    layer but the output head unless its target_modules say otherwise, with AdamW, in one process. A
    run that was killed begins anew on --resume."""

    rank: int = 8
    alpha: float = 16.0
    target_modules: tuple[str, ...] = ("all-linear",)
    exclude_modules: tuple[str, ...] = ()
    modules_to_save: tuple[str, ...] = ()
    """Trained whole; a head that the model does not bring is among them by itself."""
    scheme: str = "init_a"
    scheme_options: dict[str, Option] = field(default_factory=dict)
    variant: str = "plain"
    variant_options: dict[str, Option] = field(default_factory=dict)
    rank_stabilized: bool = False
    train_a: bool = True
    train_b: bool = True
    dropout: float = 0.0
    seed: int = 0
    """Of the start, the order of the data and whatever else is drawn."""
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    tie: bool = False

    trust_remote_code: bool = False
    """Run code that a model's folder brings."""
    allow_pickle: bool = False
    """Read weights that are not safetensors."""
    report_to: str = "none"
    """A service that the training is reported to: tensorboard, wandb, trackio."""

    def __post_init__(self) -> None:
        for name in ("length", "steps", "batch", "save_every", "launch_step"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name in ("lr", "ratio", "clip"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must be positive and finite, got {value}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"weight_decay must be non-negative and finite, got {self.weight_decay}"
            )
        if not 0 <= self.warmup <= self.steps:
            raise ValueError(
                f"warmup must be between 0 and steps = {self.steps}, got {self.warmup}"
            )
        if len(self.hold_out) == 1:
            raise ValueError(
                "hold_out must be a column and at least one value of it, got "
                f"{self.hold_out[0]!r} alone"
            )
        if self.hold_out and self.test is not None:
            raise ValueError("hold_out and test both say what to evaluate on: pass one of them")
        for name in ("limit", "validate_every", "patience"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.patience is not None and self.validate_every is None:
            raise ValueError("patience counts validations: set validate_every too")
        if self.validate_every is not None and self.validate_every > self.steps:
            raise ValueError(
                f"validate_every must be at most steps = {self.steps}, got {self.validate_every}"
            )
        if self.micro_batch is not None and (self.micro_batch < 1 or self.batch % self.micro_batch):
            raise ValueError(
                f"micro_batch must divide the batch of {self.batch}, got {self.micro_batch}"
            )
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"unknown optimizer {self.optimizer!r}; known: {', '.join(OPTIMIZERS)}"
            )
        if self.variant in ("dash", "tsd") and self.launch_step >= self.steps:
            raise ValueError(
                f"variant {self.variant!r} chooses its directions after step {self.launch_step} "
                "(launch_step), which "
                f"must be less than steps = {self.steps}"
            )
        self.adapter()
        if self.peft is not None:
            self._check_peft()

    def _check_peft(self) -> None:
        """Refuse the settings of this library's adapters beside a file that says all of
        another's."""
        default = Config()
        for name in (
            *(f.name for f in fields(lora.Config) if f.name != "seed"),
            "ratio",
            "optimizer",
            "sharded",
        ):
            if getattr(self, name) != getattr(default, name):
                raise ValueError(
                    f"{name} does not apply to an adapter of PEFT; its settings are those of "
                    f"{self.peft}"
                )

    def adapter(self, fresh: tuple[str, ...] = ()) -> lora.Config:
        """What `lora.attach` is told; the `fresh` modules of a model, which it does not bring, are
        trained whole."""
        values = {f.name: getattr(self, f.name) for f in fields(lora.Config)}
        if self.target_modules == ("all-linear",):
            values["target_modules"] = "all-linear"
        values["modules_to_save"] = tuple(dict.fromkeys((*self.modules_to_save, *fresh)))
        return lora.Config(**values)


def peft_settings(config: Config) -> dict[str, Any]:
    """What the file `peft` holds; raises ValueError where it is no JSON object."""
    try:
        values = json.loads(Path(str(config.peft)).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"peft: {config.peft} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"peft: {config.peft} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(
            f"peft: {config.peft} must hold a JSON object, got {type(values).__name__}"
        )
    return values

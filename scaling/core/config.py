"""One fine-tuning run as a value: what is trained, on what data, how, and where the results go.

`Config` nests what belongs together; flags, YAML files, JSON and keyword arguments name the same
settings without the groups. `Config.of`, `Config.replace` and `Config.flat` lead from one form to
the other.
"""

import json
import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import lora
from lora.kinds import parsed
from lora.patterns import suggestion
from lora.ranks import Sharing
from lora.variants.factored import FactoredLinear
from loralab.values import fits, wanted

Option = int | float | bool | str
OPTIMIZERS = ("adamw", *lora.OPTIMIZERS)
Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS = get_args(Precision)
ALL_LINEAR = ("all-linear",)
SEEDS = 2**32  # that numpy's generator takes


@dataclass(frozen=True)
class DataSettings:
    """The model, and the data that it is trained and evaluated on."""

    task: str = "text_classification"
    """What the model learns."""
    model: str | None = None
    """A transformers model: a folder, or a name on the hub; by default one that needs no
    network."""
    train: str | None = None
    """Training data: a file (.jsonl, .parquet, .csv, or .txt with one record a line), a folder that
    the library datasets reads, or a data set on the hub, name or name:subset; by default data that
    are on this machine, or made there."""
    test: str | None = None
    """Data to evaluate on, of the same kinds, or a split of the training data set; by default its
    split "test", else a tenth of the training data, held out."""
    hold_out: tuple[str, ...] = ()
    """A column and values of it: evaluate on the training data's records that have one of them,
    train on the rest."""
    columns: tuple[str, ...] = ()
    """The columns of the data, in the order of the task, for example: text label, or text text
    label, or prompt answer; by default the task's own names."""
    length: int = 64
    """Tokens of an example; the rest is cut off."""
    task_options: dict[str, Option] = field(default_factory=dict)
    """Options of the task, as its file in scaling/tasks lists them."""
    limit: int | None = None
    """Evaluate on this many examples at most; by default on all of them."""
    trust_remote_code: bool = False
    """Run code that a model's folder brings."""
    allow_pickle: bool = False
    """Read weights that are not safetensors."""

    def __post_init__(self) -> None:
        _at_least_one(self, "length", "limit")
        for name in ("model", "train", "test"):
            if (value := getattr(self, name)) is not None and not str(value).strip():
                raise ValueError(f"{name} must be a name or a path, got {value!r}")
        if len(self.hold_out) == 1:
            raise ValueError(
                "hold_out must be a column and at least one value of it, got "
                f"{self.hold_out[0]!r} alone"
            )
        if self.hold_out and self.test is not None:
            raise ValueError("hold_out and test both say what to evaluate on: pass one of them")


@dataclass(frozen=True)
class TrainingSettings:
    """The optimizer's steps, and what they depend on."""

    steps: int = 120
    """Optimizer steps."""
    batch: int = 32
    """Examples of a step, on all devices together with accumulation."""
    lr: float = 2e-3
    """Learning rate, which falls linearly to zero."""
    ratio: float = 1.0
    """LoRA+: the learning rate of B over that of A."""
    weight_decay: float = 0.0
    """Decoupled weight decay of the factors, as in AdamW."""
    optimizer: str = "adamw"
    """The optimizer; the scaled ones precondition each factor by the other."""
    warmup: int = 0
    """Steps over which the learning rate rises."""
    clip: float = 1.0
    """The largest norm of a gradient."""
    launch_step: int = 100
    """The step after which the variants dash and tsd choose their directions."""
    precision: Precision = "float32"
    """Of the forward pass; adapters stay in float32."""
    validate_every: int | None = None
    """Steps between validations on a tenth of the training data, which is then not trained on; the
    adapter of the lowest validation loss is kept. By default nothing is validated."""
    patience: int | None = None
    """Stop early, after this many validations in a row without a lower loss; by default never."""
    peft: str | None = None
    """A JSON file, the configuration of a method of PEFT with its peft_type, as in an
    adapter_config.json: that adapter is trained in place of one of this library, on every linear
    layer but the output head unless its target_modules say otherwise, with AdamW, in one process. A
    run that was killed begins anew on --resume."""

    def __post_init__(self) -> None:
        _at_least_one(self, "steps", "batch", "launch_step", "validate_every", "patience")
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
        if self.patience is not None and self.validate_every is None:
            raise ValueError("patience counts validations: set validate_every too")
        if self.validate_every is not None and self.validate_every > self.steps:
            raise ValueError(
                f"validate_every must be at most steps = {self.steps}, got {self.validate_every}"
            )
        if self.optimizer not in OPTIMIZERS:
            hint = suggestion(self.optimizer, OPTIMIZERS) or f"; known: {', '.join(OPTIMIZERS)}"
            raise ValueError(f"unknown optimizer {self.optimizer!r}{hint}")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}"
            )


@dataclass(frozen=True)
class RunSettings:
    """How the run uses the machine; the results do not depend on it, but for rounding."""

    micro_batch: int | None = None
    """Examples at once on a device, a divisor of the batch; by default the device's share of the
    batch, halved whenever memory runs out."""
    sharded: bool = False
    """Under torchrun: every device holds a part of the base model (FSDP2), not all of it."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time, the same numbers."""
    save_every: int = 50
    """Steps between checkpoints."""
    report_to: str = "none"
    """A service that the training is reported to: tensorboard, wandb, trackio."""

    def __post_init__(self) -> None:
        _at_least_one(self, "save_every")


def plain(value: Any) -> Any:
    """A setting as its field has it: a tuple for a list, which JSON has, a name for a path."""
    if isinstance(value, Path):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def _at_least_one(settings: Any, *names: str) -> None:
    for name in names:
        if (value := getattr(settings, name)) is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class Config:
    """A fine-tuning run. Raises ValueError on impossible values.

    Args:
        data: the task, its model and its data.
        training: steps, learning rate, optimizer.
        adapter: what `lora.attach` puts on the model; its seed is the run's, of the
            initialization, the order of the data and whatever else is drawn.
        run: micro-batches, checkpoints, reports.
    """

    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    adapter: lora.Config = field(default_factory=lora.Config)
    run: RunSettings = RunSettings()

    def __post_init__(self) -> None:
        micro, batch = self.run.micro_batch, self.training.batch
        if micro is not None and (micro < 1 or batch % micro):
            raise ValueError(f"micro_batch must divide the batch of {batch}, got {micro}")
        variant, launch, steps = (
            self.adapter.variant,
            self.training.launch_step,
            self.training.steps,
        )
        if self.seed >= SEEDS:
            raise ValueError(f"seed must be less than 2^32 = {SEEDS}, got {self.seed}")
        optimizer = self.training.optimizer
        if optimizer != "adamw" and not issubclass(lora.VARIANTS[variant], FactoredLinear):
            raise ValueError(
                f"the factors of variant {variant!r} are generated, and {optimizer} cannot "
                "precondition them: use adamw"
            )
        if variant in ("dash", "tsd") and launch >= steps:
            raise ValueError(
                f"variant {variant!r} chooses its directions after step {launch} (launch_step), "
                f"which must be less than steps = {steps}"
            )
        if self.training.peft is not None:
            default = Config().flat()
            for name, value in self.flat().items():
                if name in NOT_OF_PEFT and value != default[name]:
                    raise ValueError(
                        f"{name} does not apply to an adapter of PEFT; its settings are those of "
                        f"{self.training.peft}"
                    )

    @property
    def seed(self) -> int:
        """Of the initialization, the order of the data and whatever else is drawn."""
        return self.adapter.seed

    @classmethod
    def of(cls, **settings: Any) -> "Config":
        """The run of these settings, named as the flags are, with _ for -."""
        return cls().replace(**settings)

    def replace(self, **settings: Any) -> "Config":
        """The run with other values of these settings. Lists, which JSON has, count as tuples, and
        paths as their names.

        Raises: ValueError for an unknown name, or an impossible value.
        """
        changed: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
        for name, value in settings.items():
            if name not in GROUP_OF:
                raise ValueError(f"there is no setting {name!r}{suggestion(name, (*GROUP_OF,))}")
            changed[GROUP_OF[name]][name] = found = plain(value)
            if not fits(TYPES[name], found):
                raise ValueError(f"{name} must be {wanted(TYPES[name])}, got {value!r}")
        if changed["adapter"].get("target_modules") == ALL_LINEAR:
            changed["adapter"]["target_modules"] = ALL_LINEAR[0]
        return replace(
            self,
            **{group: replace(getattr(self, group), **own) for group, own in changed.items()},
        )

    def flat(self) -> dict[str, Any]:
        """Every setting by its name: the inverse of `of`."""
        found = {name: getattr(getattr(self, group), name) for name, group in GROUP_OF.items()}
        if found["target_modules"] == ALL_LINEAR[0]:
            found["target_modules"] = ALL_LINEAR
        return found

    def as_json(self) -> dict[str, Any]:
        """Every setting by its name, as JSON has it."""
        return json.loads(json.dumps(self.flat()))


GROUPS = {
    "data": DataSettings,
    "training": TrainingSettings,
    "adapter": lora.Config,
    "run": RunSettings,
}
GROUP_OF = {f.name: group for group, kind in GROUPS.items() for f in fields(kind)}
TYPES = {name: kind for group in GROUPS.values() for name, kind in get_type_hints(group).items()}
# Of the adapters of this library, and what their optimizers and FSDP2 alone have.
NOT_OF_PEFT = {f.name for f in fields(lora.Config)} - {"seed"} | {"ratio", "optimizer", "sharded"}


def training_whole(adapter: lora.Config, modules: tuple[str, ...]) -> lora.Config:
    """The adapter's config with these modules trained whole too: those that a model does not
    bring."""
    whole = dict.fromkeys((*adapter.modules_to_save, *modules))
    return replace(adapter, modules_to_save=tuple(whole))


def check_scheme(adapter: lora.Config) -> None:
    """Raise ValueError for options that the scheme does not have, or that are impossible: before a
    model is loaded."""
    lora.SCHEMES[adapter.scheme].check_options(adapter.scheme_options)
    Sharing.of(adapter)


def peft_settings(config: Config) -> dict[str, Any]:
    """What the file `peft` holds; raises ValueError where it is no JSON object."""
    file = config.training.peft
    try:
        text = Path(str(file)).read_bytes()
    except OSError as error:
        raise ValueError(f"peft: {file} cannot be read: {error.strerror}") from error
    return parsed(text, f"peft: {file}")

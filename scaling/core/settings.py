"""The settings of a run in the groups of its flags: names, defaults, what each does and may be.

Importing this file loads no torch, so that a command can show its help at once. What it says of
lora's tables and of `lora.Config` is read from their source, or held to them by a test.
"""

import ast
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from loralab.code import ROOT
from loralab.names import check_known

Option = int | float | bool | str
Precision = Literal["auto", "float32", "bfloat16", "float16"]
PRECISIONS = get_args(Precision)
Quantize = Literal["nf4", "int8"]
Targets = Literal["linear", "all"]
Saved = Literal["model", "difference"]
FULL = "full"  # the variant that is no adapter: the model's own weights are trained
LR = 2e-3  # of an adapter
AUTO = "auto"
SEEDS = 2**32  # that numpy's generator takes
ALL_LINEAR = ("all-linear",)


def _keys(file: str, table: str) -> Iterator[str]:
    """The keys of a table of lora/, from its source: to import it takes torch."""
    for node in ast.parse((ROOT / "lora" / file).read_text(encoding="utf-8")).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys))
            ) if name == table:
                yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))


def _with_own(table: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of a table of lora/, with those that the user's script has added, if it has."""
    return tuple(getattr(sys.modules.get(f"lora.{table.lower()}"), table, known))


def check_named(scheme: str) -> None:
    """Raise ValueError for an initialization that there is not."""
    more = "; one of your script is known in it alone"
    check_known("scheme", scheme, _with_own("SCHEMES", SCHEMES), more)


SCHEMES = tuple(_keys("schemes/__init__.py", "SCHEMES"))
VARIANTS = tuple(_keys("variants/__init__.py", "VARIANTS"))
OPTIMIZERS = ("adamw", *_keys("optimizers.py", "OPTIMIZERS"))


@dataclass(frozen=True)
class DataSettings:
    """The model, and the data that it is trained and evaluated on."""

    task: str = "text_classification"
    """What the model learns."""
    model: str | None = None
    """A transformers model: a folder, a GGUF file, a name on the hub, or one that loralab models
    lists, which wins over a folder ./NAME and the hub; by default one that needs no network."""
    train: str | None = None
    """Training data: a file (.jsonl, .json with a list of records, .parquet, .csv, .tsv, or .txt
    with one record a line), a folder that the library datasets reads, or a data set on the hub,
    name or name:subset; by default data that are on this machine, or made there."""
    test: str | None = None
    """Data to evaluate on, of the same kinds, or a split of the training data set; by default its
    split "test", else a tenth of the training data, held out."""
    hold_out: tuple[str, ...] = ()
    """A column and values of it: evaluate on the training data's records that have one of them,
    train on the rest."""
    streaming: bool = False
    """Read the training data of causal_lm while training, in bounded memory and over again when
    they end. Without --test the first --limit records, by default 200, are evaluated on."""
    shuffle_buffer: int = 10_000
    """With --streaming: how many records are held, to draw the next one from; as many as there are
    give any order, 1 that of the file."""
    columns: tuple[str, ...] = ()
    """The columns of the data, in the order of the task, for example: text label, or text text
    label, or prompt answer; by default the task's own names."""
    length: int = 64
    """Tokens of an example; the rest is cut off."""
    task_options: dict[str, Option] = field(default_factory=dict)
    """Options of the task, as its file in scaling/tasks lists them."""
    limit: int | None = None
    """Evaluate on this many examples at most; by default on all of them."""
    remember: str | None = None
    """Text of the kind that the base model knew, for causal_lm: the loss on it, in bits a byte, is
    measured before and after training, and on a small part of it at every validation. A .txt file,
    or another data file with the column text; by default English prose that comes with Python; none
    for nothing."""
    trust_remote_code: bool = False
    """Run code that a model's folder brings."""
    allow_pickle: bool = False
    """Read weights that are not safetensors."""

    def __post_init__(self) -> None:
        _at_least_one(self, "length", "limit", "shuffle_buffer")
        for name in ("model", "train", "test", "remember"):
            if (value := getattr(self, name)) is not None and not str(value).strip():
                raise ValueError(f"{name} must be a name or a path, got {value!r}")
        if len(self.hold_out) == 1:
            raise ValueError(
                "hold_out must be a column and at least one value of it, got "
                f"{self.hold_out[0]!r} alone"
            )
        if self.hold_out and self.test is not None:
            raise ValueError("hold_out and test both say what to evaluate on: pass one of them")
        if self.streaming and self.train is None:
            raise ValueError("streaming needs training data: pass train too")
        if self.streaming and self.hold_out:
            raise ValueError("streaming reads no record twice, as hold_out would: pass test")
        if not self.streaming and self.shuffle_buffer != DataSettings.shuffle_buffer:
            raise ValueError("shuffle_buffer is of streaming: set streaming too")


@dataclass(frozen=True)
class TrainingSettings:
    """The optimizer's steps, and what they depend on."""

    steps: int = 120
    """Optimizer steps."""
    batch: int = 32
    """Examples of a step, on all devices together with accumulation."""
    lr: float | None = None
    """Learning rate, which falls linearly to zero; by default 0.002 and, for --variant full, a
    tenth of that, a fifteenth below 100 steps."""
    ratio: float = 1.0
    """LoRA+: the learning rate of B over that of A."""
    weight_decay: float = 0.0
    """Decoupled weight decay of the factors, or of the weights that are trained, as in AdamW."""
    optimizer: str = "adamw"
    """The optimizer; the scaled ones precondition each factor by the other."""
    warmup: int = 0
    """Steps over which the learning rate rises."""
    clip: float = 1.0
    """The largest norm of a gradient."""
    launch_step: int = 100
    """The step after which the variants dash and tsd choose their directions."""
    precision: Precision = "auto"
    """float32; bfloat16, which holds the base model in it and adapters in float32; float16, which
    is for products alone. By default float32 but for a language model that is at least 512 wide,
    which is held in what is faster on this machine. The weights that full fine-tuning trains stay
    in float32, as bfloat16 loses updates that are small beside a weight."""
    quantize: Quantize | None = None
    """Hold the frozen base model's linear layers, but for the output head, in four bits (nf4, by
    bitsandbytes) or eight (int8, by torchao, weights alone); all else is in the type of precision,
    and adapters in float32. Needs the extra quant. In a sweep the model of full fine-tuning stays
    dense."""
    validate_every: int | None = None
    """Steps between validations on a tenth of the training data, but no more examples than the test
    has (see limit), which are then not trained on; the adapter of the lowest validation loss is
    kept. By default nothing is validated. With --streaming these are the first records that are
    not evaluated on, 200 at most."""
    patience: int | None = None
    """Stop early, after this many validations in a row without a lower loss; by default never."""
    peft: str | None = None
    """A JSON file, the configuration of a method of PEFT with its peft_type, as in an
    adapter_config.json: that adapter is trained in place of one of this library, on every linear
    layer but the output head unless its target_modules say otherwise, with AdamW, in one process. A
    run that was killed begins anew on --resume."""
    full_targets: Targets = "linear"
    """With --variant full: train the weight of every layer that would have an adapter, or all
    parameters of the model."""
    save: Saved = "model"
    """With --variant full: keep the trained model as transformers does, or its difference from the
    base model, weight by weight; both in float32."""

    def __post_init__(self) -> None:
        _at_least_one(self, "steps", "batch", "launch_step", "validate_every", "patience")
        for name in ("lr", "ratio", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
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
        check_known("optimizer", self.optimizer, OPTIMIZERS)
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}"
            )


@dataclass(frozen=True)
class AdapterSettings:
    """The low-rank adapter that is trained in place of the model's weights."""

    rank: int = 8
    """Rank r of the factors B (out, r) and A (r, in)."""
    alpha: float = 16.0
    """Numerator of the adapter's scale, alpha / rank."""
    target_modules: tuple[str, ...] = ALL_LINEAR
    """The layers to adapt: all-linear (every linear layer but the output head), or names that must
    equal a module's name or its end after a dot, as in PEFT."""
    exclude_modules: tuple[str, ...] = ()
    """Names of layers to leave alone, in the same form."""
    modules_to_save: tuple[str, ...] = ()
    """Modules that are trained and saved whole; a head that the model does not bring is among them
    by itself."""
    scheme: str = "init_a"
    """The initialization of the adapter."""
    scheme_options: dict[str, Option] = field(default_factory=dict)
    """Options of the initialization, for example: rho 2.0."""
    variant: str = "plain"
    """How the factors become a change of the weight; full: there are none, and the model's own
    weights are trained."""
    variant_options: dict[str, Option] = field(default_factory=dict)
    """Options of the variant."""
    rank_stabilized: bool = False
    """Scale by alpha / sqrt(rank) in place of alpha / rank."""
    train_a: bool = True
    """Train A; without, only B is trained."""
    train_b: bool = True
    """Train B; without, only A is trained."""
    dropout: float = 0.0
    """Probability of dropout on the adapter's input."""
    seed: int = 0
    """Of the initialization, the order of the data and whatever else is drawn."""
    rank_pattern: dict[str, int] = field(default_factory=dict)
    """Other ranks by layer: the end of a name, or a regular expression, and the rank; 0 leaves the
    layer alone."""
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    """Other values of alpha by layer, in the same form."""
    tie: bool = False
    """Adapt a layer whose weight another module shares: in that layer alone."""

    def __post_init__(self) -> None:
        _at_least_one(self, "rank")
        if not 0 < self.alpha < math.inf:
            raise ValueError(f"alpha must be positive and finite, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, got {self.dropout}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.seed >= SEEDS:
            raise ValueError(f"seed must be less than 2^32 = {SEEDS}, got {self.seed}")
        if not (self.train_a or self.train_b):
            raise ValueError("train_a and train_b are both False: nothing would be trained")
        check_named(self.scheme)
        check_known("variant", self.variant, (*_with_own("VARIANTS", VARIANTS), FULL))


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


GROUPS = {
    "data": DataSettings,
    "training": TrainingSettings,
    "adapter": AdapterSettings,
    "run": RunSettings,
}


def plain(value: Any) -> Any:
    """A setting as its field has it: a tuple for a list, which JSON has, a name for a path."""
    if isinstance(value, Path):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def _at_least_one(settings: Any, *names: str) -> None:
    for name in names:
        if (value := getattr(settings, name)) is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")

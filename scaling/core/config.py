"""One fine-tuning run as a value: what is trained, on what data, how, and where the results go.

`Config` nests what belongs together; flags, YAML files, JSON and keyword arguments name the same
settings without the groups. `Config.of`, `Config.replace` and `Config.flat` lead from one form to
the other.
"""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

import lora
from lora.kinds import parsed
from lora.patterns import suggestion
from lora.ranks import Sharing
from lora.variants.factored import FactoredLinear
from loralab.names import here
from loralab.values import fits, wanted
from scaling.core import settings
from scaling.core.settings import (
    ALL_LINEAR,
    FULL,
    LR,
    SEEDS,
    DataSettings,
    RunSettings,
    TrainingSettings,
    plain,
)

Method = Literal["adapter", "peft", "full"]


@dataclass(frozen=True)
class Config:
    """A fine-tuning run. Raises ValueError on impossible values.

    Args:
        data: the task, its model and its data.
        training: steps, learning rate, optimizer.
        adapter: what `lora.attach` puts on the model; its seed is the run's, of the
            initialization, the order of the data and whatever else is drawn.
        run: micro-batches, checkpoints, reports.
        full: whether the model's own weights are trained, in place of an adapter; `variant` "full"
            where the settings have no groups. Of the adapter's config the layers and the seed then
            count.
    """

    data: DataSettings = field(default_factory=DataSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    adapter: lora.Config = field(default_factory=lora.Config)
    run: RunSettings = field(default_factory=RunSettings)
    full: bool = False

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
        if self.training.quantize is not None and self.run.sharded:
            raise ValueError(
                "sharded splits dense weights, and quantize packs them: pass one of them"
            )
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
        if self.method != "adapter":
            self.check_applied()

    @property
    def seed(self) -> int:
        """Of the initialization, the order of the data and whatever else is drawn."""
        return self.adapter.seed

    @property
    def lr(self) -> float:
        """The learning rate, by default `LR` divided by `over_full` for full fine-tuning."""
        if self.training.lr is not None:
            return self.training.lr
        return LR / over_full(self.training.steps) if self.full else LR

    @property
    def method(self) -> Method:
        """What is trained: an adapter of this library, one of PEFT, or the model's own weights."""
        if self.training.peft is not None:
            return "peft"
        return "full" if self.full else "adapter"

    def check_applied(self) -> None:
        """Raise ValueError for a setting that is not as it is by default and says nothing to what
        is trained."""
        default, refused = Config().flat(), NOT_OF[self.method]
        for name, value in self.flat().items():
            if name in refused and value != default[name]:
                why = REFUSALS[self.method].format(peft=self.training.peft)
                raise ValueError(f"{name} does not apply to {why}")
        if self.training.full_targets == "all":
            for name in ("target_modules", "exclude_modules", "modules_to_save"):
                if getattr(self.adapter, name) != getattr(lora.Config(), name):
                    raise ValueError(
                        f"{name} does not apply to full_targets all, which trains every parameter"
                    )

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
        full = self.full if settings.get("variant") is None else settings["variant"] == FULL
        if full:
            settings["variant"] = lora.Config().variant
        for name, value in settings.items():
            if name not in GROUP_OF:
                ours = here(name, GROUP_OF)
                hint = f"; here it is {ours!r}" if ours else suggestion(name, (*GROUP_OF,))
                raise ValueError(f"there is no setting {name!r}{hint}")
            changed[GROUP_OF[name]][name] = found = plain(value)
            if not fits(TYPES[name], found):
                raise ValueError(f"{name} must be {wanted(TYPES[name])}, got {value!r}")
        if changed["adapter"].get("target_modules") == ALL_LINEAR:
            changed["adapter"]["target_modules"] = ALL_LINEAR[0]
        return replace(
            self,
            full=full,
            **{group: replace(getattr(self, group), **own) for group, own in changed.items()},
        )

    def flat(self) -> dict[str, Any]:
        """Every setting by its name: the inverse of `of`."""
        found = {name: getattr(getattr(self, group), name) for name, group in GROUP_OF.items()}
        if found["target_modules"] == ALL_LINEAR[0]:
            found["target_modules"] = ALL_LINEAR
        if self.full:
            found["variant"] = FULL
        return found

    def as_json(self) -> dict[str, Any]:
        """Every setting by its name, as JSON has it."""
        return json.loads(json.dumps(self.flat()))


GROUPS = settings.GROUPS | {"adapter": lora.Config}
GROUP_OF = {f.name: group for group, kind in GROUPS.items() for f in fields(kind)}
TYPES = {name: kind for group in GROUPS.values() for name, kind in get_type_hints(group).items()}
# Of the adapters of this library, and what their optimizers and FSDP2 alone have.
_OWN = {f.name for f in fields(lora.Config)} - {"seed"} | {"ratio", "optimizer", "sharded"}
_LAYERS = {"target_modules", "exclude_modules", "modules_to_save"}
_OF_FULL = {"full_targets", "save"}
# by method the settings that do not apply to it, and what the refusal says
NOT_OF: dict[Method, set[str]] = {
    "adapter": _OF_FULL,
    "peft": _OWN | _OF_FULL,
    "full": _OWN - _LAYERS - {"variant"} | {"quantize"},
}
REFUSALS: dict[Method, str] = {
    "adapter": "an adapter, but to full fine-tuning (variant full)",
    "peft": "an adapter of PEFT; its settings are those of {peft}",
    "full": "full fine-tuning (variant full), which trains the model's own weights, by adamw",
}


def over_full(steps: int) -> float:
    """How many times the best learning rate of full fine-tuning that of LoRA is: ten, and fifteen
    in a run of fewer than a hundred steps, whatever the rank.

    Source: Schulman and Thinking Machines Lab, "LoRA Without Regret" (2025), of LoRA with alpha 32
    and scale alpha / r on every layer of language models: a rule of experience, so a place for a
    search to begin.
    """
    return 15.0 if steps < 100 else 10.0


def check_adapter(config: Config, command: str) -> None:
    """Raise ValueError, for a command that is about adapters of this library alone, where something
    else is to be trained."""
    if config.method != "adapter":
        what = "peft" if config.method == "peft" else f"variant {FULL}"
        raise ValueError(
            f"{what} is trained, by loralab finetune; {command} is about adapters of this library"
        )


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

"""What to adapt and how: one frozen, strict record that survives a round trip through JSON."""

import functools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from lora.kinds import (
    BOOL,
    COUNT,
    MODERATE,
    NON_NEGATIVE_INT,
    OPTIONS,
    POSITIVE,
    POSITIVE_INT,
    PROBABILITY,
    SEED,
    STRING,
    check,
    parsed,
    shown,
)
from lora.patterns import check_key, check_pattern, pattern_matches, suggestion
from lora.schemes import SCHEMES
from lora.variants import VARIANTS

# What each setting must be; the modules are brought into one form first.
KINDS = {
    "rank": (POSITIVE_INT, COUNT),
    "alpha": (POSITIVE, MODERATE),
    "scheme": (STRING,),
    "scheme_options": (OPTIONS,),
    "variant": (STRING,),
    "variant_options": (OPTIONS,),
    "rank_stabilized": (BOOL,),
    "train_a": (BOOL,),
    "train_b": (BOOL,),
    "dropout": (PROBABILITY,),
    "seed": (NON_NEGATIVE_INT, SEED),
    "tie": (BOOL,),
}
# ... and each value of those that are given by layer.
BY_LAYER = {"rank_pattern": (NON_NEGATIVE_INT, COUNT), "alpha_pattern": (POSITIVE, MODERATE)}
# What PEFT's LoraConfig calls the settings.
NAMES_IN_PEFT = {
    "r": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "use_rslora": "rank_stabilized",
    "use_dora": "variant",
    "init_lora_weights": "scheme",
    "eva_config": "scheme_options",
    "corda_config": "scheme_options",
    "lora_ga_config": "scheme_options",
    "layers_to_transform": "target_modules",
    "layers_pattern": "target_modules",
}
Class = TypeVar("Class", bound=type)


def _refusing_other_names(cls: Class) -> Class:
    """Have a dataclass refuse an unknown keyword with a suggestion; its signature stays."""
    accept = cls.__init__  # type: ignore[misc]

    @functools.wraps(accept)
    def __init__(self: Any, /, *values: Any, **named: Any) -> None:
        for name in named:
            if name in NAMES_IN_PEFT:
                raise ValueError(
                    f"unknown config key {name!r}; did you mean {NAMES_IN_PEFT[name]!r}?"
                )
            _known("config key", name, tuple(f.name for f in fields(cls)))
        accept(self, *values, **named)

    cls.__init__ = __init__  # type: ignore[misc]
    return cls


@_refusing_other_names
@dataclass(frozen=True)
class Config:
    """Settings of `lora.attach`; an impossible value is refused, an unknown name with a suggestion.

    Args:
        rank: r of the factors B (out, r) and A (r, in).
        alpha: numerator of the scale s = alpha / r, or alpha / sqrt(r) when `rank_stabilized`.
        target_modules: "all-linear" (every linear layer but the output head), a regular expression
            that the whole module name must match, or names that must equal it or its end after a
            dot (as in PEFT).
        exclude_modules: the same kind of pattern, for layers to leave alone.
        modules_to_save: modules that are trained, saved and loaded whole, such as a newly
            initialized classifier head.
        scheme: the initialization, a row of `lora.SCHEMES`.
        scheme_options: its options, and those of rank sharing (`lora.ranks.Sharing`).
        variant: a row of `lora.VARIANTS`.
        variant_options: its options.
        rank_stabilized: see `alpha`.
        train_a: False freezes A.
        train_b: False freezes B.
        dropout: probability on the input of the trained branch, in [0, 1). An embedding drops whole
            tokens.
        seed: of the initialization. Each layer has its own random stream, named after the layer.
        rank_pattern: rank by layer: name end or regular expression -> value, the first match wins
            (as in PEFT). A layer of rank 0 is left alone.
        alpha_pattern: the same for alpha.
        tie: True adapts a layer even where another module holds its weight too. That layer alone is
            adapted, and it merges into its own copy of the weight.
    """

    rank: int = 8
    alpha: float = 16.0
    target_modules: str | tuple[str, ...] = "all-linear"
    exclude_modules: str | tuple[str, ...] = ()
    modules_to_save: tuple[str, ...] = ()
    scheme: str = "init_a"
    scheme_options: dict[str, Any] = field(default_factory=dict)
    variant: str = "plain"
    variant_options: dict[str, Any] = field(default_factory=dict)
    rank_stabilized: bool = False
    train_a: bool = True
    train_b: bool = True
    dropout: float = 0.0
    seed: int = 0
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, float] = field(default_factory=dict)
    tie: bool = False

    def __post_init__(self) -> None:
        for name in ("target_modules", "exclude_modules", "modules_to_save"):
            value = _names(name, getattr(self, name), pattern=name != "modules_to_save")
            object.__setattr__(self, name, value)
        for name in ("scheme_options", "variant_options", *BY_LAYER):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                raise ValueError(f"{name} must be a dict, got {shown(value)}")
            object.__setattr__(self, name, dict(value))
        if not self.target_modules:
            raise ValueError('target_modules must name at least one module, or be "all-linear"')
        for name, kinds in KINDS.items():
            check(name, getattr(self, name), *kinds)
        for name, kinds in BY_LAYER.items():
            for key, value in getattr(self, name).items():
                check(f"a key of {name}", key, STRING)
                try:
                    check_key(key)
                except ValueError as error:
                    raise ValueError(f"{name} has a key that is {error}") from error
                check(f"{name}[{key!r}]", value, *kinds)
        if not (self.train_a or self.train_b):
            raise ValueError("train_a and train_b are both False: nothing would be trained")
        _known("scheme", self.scheme, tuple(SCHEMES))
        _known("variant", self.variant, tuple(VARIANTS))
        VARIANTS[self.variant].check(self.options(), self.scheme, self.train_a, self.train_b)

    def options(self) -> Any:
        """The variant's options, an instance of the `Options` that it declares."""
        kind = VARIANTS[self.variant].Options
        known = tuple(f.name for f in fields(kind))
        if self.variant_options and not known:
            raise ValueError(
                f"variant {self.variant!r} has no options, got {sorted(self.variant_options)}"
            )
        for key in self.variant_options:
            _known(f"option of variant {self.variant!r}:", key, known)
        return kind(**self.variant_options)

    def rank_of(self, name: str) -> int:
        """The rank of the layer of this name."""
        return _first_match(self.rank_pattern, name, self.rank)

    def alpha_of(self, name: str) -> float:
        """alpha of the layer of this name."""
        return _first_match(self.alpha_pattern, name, self.alpha)

    def scale_of(self, name: str, rank: int) -> float:
        """s of the layer of this name: alpha / r, or alpha / sqrt(r) when rank-stabilised."""
        alpha = self.alpha_of(name)
        return alpha / math.sqrt(rank) if self.rank_stabilized else alpha / rank

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """The inverse of `to_json`; raises ValueError for malformed JSON or an unknown key."""
        return cls(**parsed(text, "a config"))


def _first_match(pattern: dict[str, Any], name: str, default: Any) -> Any:
    return next((value for key, value in pattern.items() if pattern_matches(key, name)), default)


def _names(where: str, value: Any, pattern: bool) -> str | tuple[str, ...]:
    kind = "a regular expression or a list of names" if pattern else "a list of names"
    if isinstance(value, str):
        if not pattern:
            raise ValueError(f"{where} must be {kind}, got the string {shown(value)}")
        try:
            check_pattern(value)
        except ValueError as error:
            raise ValueError(f"{where} is {error}") from error
        return value
    if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
        raise ValueError(f"{where} must be {kind}, got {shown(value)}")
    names = tuple(value)
    if bad := [name for name in names if not isinstance(name, str) or not name]:
        raise ValueError(f"{where} must hold module names, got {shown(bad[0])}")
    return tuple(sorted(names)) if isinstance(value, set | frozenset) else names


def _known(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        hint = suggestion(name, known) or "; known: " + ", ".join(known)
        raise ValueError(f"unknown {what} {shown(name)}{hint}")

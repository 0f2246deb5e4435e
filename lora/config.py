"""What to adapt and how: one frozen, strict record that survives a round trip through JSON."""

import json
import math
import re
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from lora.schemes import SCHEMES
from lora.variants import VARIANTS


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
            object.__setattr__(
                self, name, _names(name, getattr(self, name), pattern=name != "modules_to_save")
            )
        for name in ("scheme_options", "variant_options", "rank_pattern", "alpha_pattern"):
            object.__setattr__(self, name, dict(getattr(self, name)))
        if not self.target_modules:
            raise ValueError('target_modules must name at least one module, or be "all-linear"')
        if not _is_int(self.rank) or self.rank < 1:
            raise ValueError(f"rank must be a positive integer, got {self.rank!r}")
        for where, value in _keyed("rank_pattern", self.rank_pattern).items():
            if not _is_int(value) or value < 0:
                raise ValueError(f"{where} must be a non-negative integer, got {value!r}")
        for where, value in {
            "alpha": self.alpha,
            **_keyed("alpha_pattern", self.alpha_pattern),
        }.items():
            if not _is_number(value) or not (math.isfinite(value) and value > 0):
                raise ValueError(f"{where} must be a positive finite number, got {value!r}")
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout!r}")
        if not _is_int(self.seed) or self.seed < 0:
            raise ValueError(f"seed must be a non-negative integer, got {self.seed!r}")
        for name in ("rank_stabilized", "train_a", "train_b", "tie"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
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
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a config must be JSON: {error}") from error
        if not isinstance(values, dict):
            raise ValueError(f"a config must be a JSON object, got {type(values).__name__}")
        for key in values:
            _known("config key", key, tuple(f.name for f in fields(cls)))
        return cls(**values)


def matches(pattern: str | tuple[str, ...], name: str) -> bool:
    """Whether a module name is meant by a pattern, by PEFT's rules: a string is a regular
    expression for the whole name; of several names one must equal it, or its end after a dot."""
    if isinstance(pattern, str):
        return re.fullmatch(pattern, name) is not None
    return any(name == end or name.endswith(f".{end}") for end in pattern)


def suggestion(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def pattern_matches(key: str, name: str) -> bool:
    """Whether a key of rank_pattern or alpha_pattern means this layer (PEFT's rule)."""
    return re.match(rf"(.*\.)?({key})$", name) is not None


def _first_match(pattern: dict[str, Any], name: str, default: Any) -> Any:
    return next((value for key, value in pattern.items() if pattern_matches(key, name)), default)


def _names(field_name: str, value: Any, pattern: bool) -> str | tuple[str, ...]:
    if isinstance(value, str):
        if not pattern:
            raise ValueError(f"{field_name} must be a list of names, got the string {value!r}")
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(
                f"{field_name} is not a valid regular expression: {value!r} ({error})"
            ) from error
        return value
    names = tuple(value)
    if bad := [name for name in names if not isinstance(name, str) or not name]:
        raise ValueError(f"{field_name} must hold module names, got {bad[0]!r}")
    return names


def _known(what: str, name: Any, known: tuple[str, ...]) -> None:
    if name not in known:
        hint = suggestion(str(name), known) or "; known: " + ", ".join(known)
        raise ValueError(f"unknown {what} {name!r}{hint}")


def _keyed(name: str, pattern: dict[str, Any]) -> dict[str, Any]:
    for key in pattern:
        try:
            re.compile(key)
        except re.error as error:
            raise ValueError(
                f"{name} has an invalid regular expression {key!r} ({error})"
            ) from error
    return {f"{name}[{key!r}]": value for key, value in pattern.items()}


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

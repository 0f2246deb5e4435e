"""From the numbers to what to do: for every choice the first rule whose condition is met, with its
reason.

The rules say what the ledger supports and no more. Most starts end within a few per cent of each
other once each has a learning rate of its own, so the usual advice is the default start and a sweep
of the rate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from scaling.advice.costs import Memory
from scaling.advice.diagnostics import Diagnosis, spread
from scaling.advice.rates import Bound
from scaling.advice.width_transfer import WIDTH
from theory.asymmetry.freezing import TIE

# of the best signal: EVA had more on digits, where it paid, and less on text, where it paid less
# (E2e, E9)
NEAR = 0.95
TIMES = 2.0  # of a random start's signal, below which there is nothing to gain
SCARCE = 0.1  # of what is kept for backward
STEP = 2.0  # between the rates of the sweep
RATES = (-2, -1, 0, 1, 2)


@dataclass(frozen=True)
class Facts:
    """Means over the layers looked at; `gain` is the median of tune_b - tune_a, which in a layer
    whose halves hardly agree may be anything. `fresh` says that a head is trained from nothing,
    `saved` is the part of what backward keeps that freezing A spares. By scheme: the rate foretold,
    the bound on it, and the seconds that the start takes over those of training."""

    signal: float
    signal_uncentred: float
    signal_random: float
    outside: float
    gain: float
    fresh: bool
    saved: float
    rank: int
    predicted: dict[str, float | None]
    bound: dict[str, float | None]
    delay: dict[str, float]

    @property
    def best_signal(self) -> float:
        return max(self.signal, self.signal_uncentred)

    @property
    def scheme(self) -> str:
        enough = self.best_signal >= NEAR and self.best_signal >= TIMES * self.signal_random
        return "eva" if enough and "eva" in self.bound else "init_a"

    @property
    def options(self) -> dict[str, Any]:
        centre_costs = self.scheme == "eva" and self.signal_uncentred > self.signal + 1 - NEAR
        return {"center": False} if centre_costs else {}

    @property
    def centre(self) -> float:
        """The middle of the sweep: the rate foretold, but with the sweep's top within the bound,
        where there is one."""
        rate, bound = self.predicted[self.scheme], self.bound[self.scheme]
        top = None if bound is None else bound / STEP ** RATES[-1]
        known = [value for value in (rate, top) if value is not None]
        if not known:
            raise ValueError(
                "no rate can be advised: no first step lowered the loss, and none was tuned"
            )
        return min(known)


@dataclass(frozen=True)
class Choice:
    """`claims` are ids of the ledger."""

    choice: str
    value: Any
    reason: str
    claims: tuple[str, ...]


class Rule(NamedTuple):
    choice: str
    applies: Callable[[Facts], bool]
    value: Callable[[Facts], Any]
    reason: Callable[[Facts], str]
    claims: tuple[str, ...]


RULES = (
    Rule(
        "scheme",
        lambda f: f.scheme == "eva",
        lambda f: f.scheme,
        lambda f: (
            f"its rows get {f.best_signal:.0%} of the best gradient signal, a random start's "
            f"{f.signal_random:.0%}; where that was so, on digits, a tuned EVA ended at least 7 % "
            "lower"
        ),
        ("E2e", "E9", "S8b"),
    ),
    Rule(
        "scheme",
        lambda f: True,
        lambda f: f.scheme,
        lambda f: (
            f"EVA's rows get {f.best_signal:.0%} of the best gradient signal, a random start's "
            f"{f.signal_random:.0%}; with less than {NEAR:.0%} a tuned EVA ended 3 % lower, on "
            "text, and its pass "
            f"would take {f.delay.get('eva', 0.0):.0%} of the time of training"
        ),
        ("E2e", "E9", "S8b"),
    ),
    Rule(
        "scheme_options",
        lambda f: bool(f.options),
        lambda f: f.options,
        lambda f: (
            f"centred rows get {f.signal:.0%} of the signal, uncentred ones "
            f"{f.signal_uncentred:.0%}"
        ),
        ("E3", "E3b"),
    ),
    Rule(
        "rank",
        lambda f: True,
        lambda f: f.rank,
        lambda f: (
            "as asked for, and rho = 1: what more rank is worth is not foretold here, and ranks "
            "shared out by "
            "explained variance do not maximise the signal"
        ),
        ("E8c",),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: f.fresh,
        lambda f: "A",
        lambda f: (
            f"it spares {f.saved:.0%} of what backward keeps; the moments' own forecast "
            f"({f.gain:+.2f} for tuning "
            "B) is no better than a coin where a new head is trained"
        ),
        ("A12", "A15b", "A11"),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: f.gain < -TIE and f.saved < SCARCE,
        lambda f: "B",
        lambda f: (
            f"tuning A explains {-f.gain:.2f} more of the wanted change than tuning B, and "
            "freezing A would spare "
            f"only {f.saved:.0%} of what backward keeps"
        ),
        ("A15", "A12"),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: f.gain < -TIE,
        lambda f: "A",
        lambda f: (
            f"only frozen A spares memory, {f.saved:.0%} of what backward keeps; but tuning B "
            "explains "
            f"{-f.gain:.2f} less of the wanted change than tuning A, so expect a loss"
        ),
        ("A12", "A15"),
    ),
    Rule(
        "freeze if memory is short",
        lambda f: True,
        lambda f: "A",
        lambda f: (
            f"it spares {f.saved:.0%} of what backward keeps, and tuning B explains {f.gain:+.2f} "
            "of the wanted "
            "change more than tuning A; tuning both is better still"
        ),
        ("A12", "A15", "A11b", "S8d"),
    ),
    Rule(
        "rates",
        lambda f: f.predicted[f.scheme] is None,
        lambda f: sweep(f.centre),
        lambda f: "up to the bound: no run with this optimiser was tuned to start from",
        (),
    ),
    Rule(
        "rates",
        lambda f: f.centre < (f.predicted[f.scheme] or 0),
        lambda f: sweep(f.centre),
        lambda f: (
            f"the rate foretold, {f.predicted[f.scheme]:.1e}, is moved down so that the sweep "
            "ends at the bound, "
            "beyond which the first step raised the loss"
        ),
        ("L8", "L11", "S8", "S8c"),
    ),
    Rule(
        "rates",
        lambda f: True,
        lambda f: sweep(f.centre),
        lambda f: (
            f"about the rate foretold from the one tuned at width {WIDTH}, all within the bound; "
            "extend the sweep "
            "where its best rate is at an end, for each start a sweep of its own"
        ),
        ("L8", "L11", "S8", "S8c"),
    ),
)


def sweep(centre: float) -> list[float]:
    """Five rates to two digits."""
    return [float(f"{centre * STEP**k:.1e}") for k in RATES]


def recommend(facts: Facts) -> list[Choice]:
    """For each choice the first rule that applies."""
    found: dict[str, Choice] = {}
    for rule in RULES:
        if rule.choice not in found and rule.applies(facts):
            found[rule.choice] = Choice(
                rule.choice, rule.value(facts), rule.reason(facts), rule.claims
            )
    return list(found.values())


def facts_of(
    rows: Sequence[Diagnosis],
    bounds: dict[str, Bound],
    predicted: dict[str, float | None],
    memory: Memory,
    delay: dict[str, float],
    rank: int,
    fresh: bool,
) -> Facts:
    """What the rules look at."""
    names = ("signal", "signal_uncentred", "signal_random", "outside")
    return Facts(
        **{name: spread(rows, name)["mean"] for name in names},
        gain=median(row.tune_b - row.tune_a for row in rows),
        fresh=fresh,
        saved=1 - memory.kept_frozen_a / memory.kept,
        rank=rank,
        predicted=predicted,
        bound={scheme: bound.crossing for scheme, bound in bounds.items()},
        delay=delay,
    )

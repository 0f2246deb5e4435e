"""The measured cases that claims and evidence share, each with its check and its key.

A case is declared once. The claims take its check, and the evidence binds its measurement by its
key.
"""

from fractions import Fraction
from typing import NamedTuple

from loralab.claims import Check, Within, at
from proxies.families.lr_stability.claims.settings import (
    AT_LIMIT_WIDTHS,
    AT_STABLE_WIDTHS,
    HALF_STEP,
    LABELS,
    LIMIT_A,
    LIMIT_B,
    LORA_PLUS,
    NAMES,
    NETWORKS,
    RATES,
    READ_BY,
)
from theory import lr_stability as theory
from theory.lr_stability import Readout, Scale


def near(value: float, by: float) -> Within:
    return Within(value - by, value + by)


class Slope(NamedTuple):
    """How a feature grows with the width n where the learning rates are powers of n.

    Args:
        quantity: a field of `theory.lr_stability.Exponents`.
        name: the initialization.
        pair: the powers of the learning rates of A and B.
        claimed: what the source says of it.
        first: after the first step, in place of the last.
    """

    quantity: str
    name: str
    pair: tuple[float, float]
    claimed: str = ""
    first: bool = False

    @property
    def key(self) -> str:
        after = ", first step" if self.first else ""
        return f"{self.quantity}, {LABELS[self.name]}, {RATES[self.pair]}{after}"

    @property
    def check(self) -> Check:
        order = getattr(theory.exponents(self.name, steps=1 if self.first else 6), self.quantity)
        value = float(order(*map(Fraction, self.pair)))
        condition = f"slope in the width of {self.key}"
        return Check(self.key, near(value, AT_LIMIT_WIDTHS), condition, self.claimed, at(value))


TOO_FAST = Slope("Z_B", "init_b", LIMIT_A)
SLOPES = {
    "L2b": (TOO_FAST,),
    "L4": (
        Slope("Z_A", "init_a", LIMIT_A, "grows"),
        Slope("Z_B", "init_a", LIMIT_A, "bounded"),
        Slope("Z_A", "init_b", LIMIT_B, "bounded"),
        Slope("Z_B", "init_b", LIMIT_B, "bounded"),
    ),
    "L5": (
        Slope("delta1", "init_a", LIMIT_A, "of order 1"),
        Slope("delta2", "init_a", LIMIT_A, "of order 1"),
        Slope("delta1", "init_b", LIMIT_B, "of order 1"),
        Slope("delta2", "init_b", LIMIT_B, "vanishes"),
        Slope("delta3", "init_b", LIMIT_B, "vanishes"),
    ),
    "L6": (
        *(
            Slope(quantity, name, LORA_PLUS, "of order 1")
            for name in NAMES
            for quantity in ("delta1", "delta2", "Z_A")
        ),
        Slope("delta2", "init_a", LIMIT_B, "vanishes"),
    ),
    "L7": (
        Slope("Z_B", "eva", LIMIT_A, first=True),
        Slope("Z_B", "init_a", LIMIT_A, first=True),
    ),
}
GROWS = "grows"  # of L2b and L13b: the sentence without its exponent


def slopes(id: str) -> tuple[Check, ...]:
    return tuple(case.check for case in SLOPES[id])


class Largest(NamedTuple):
    """The slope in the width of the largest stable learning rate, by network and initialization."""

    network: str
    name: str
    claimed: str = ""

    @property
    def key(self) -> str:
        return f"largest learning rate, {LABELS[self.name]}, {NETWORKS[self.network]}"

    @property
    def check(self) -> Check:
        value = float(theory.max_single_lr(self.name))
        condition = f"slope in the width of the {self.key}"
        return Check(self.key, near(value, AT_STABLE_WIDTHS), condition, self.claimed, at(value))


LARGEST = {
    "L3": tuple(
        Largest(network, name, claimed)
        for network in NETWORKS
        for name, claimed in (("init_a", "-1/2"), ("init_b", "-1"))
    ),
    "L7": (Largest("mup", "eva"), Largest("residual", "eva"), Largest("mup", "eva_whitened")),
}


def ratio_key(network: str) -> str:
    return f"Init[A] over Init[B], {NETWORKS[network]}"


def best_key(name: str, readout: Readout) -> str:
    return f"best learning rate, {NAMES[name]}, {READ_BY[readout]}"


def best(name: str, readout: Readout) -> Check:
    """The slope of the learning rate of the least loss, against `max_single_lr` for the loss."""
    value = float(theory.max_single_lr(name, level="loss", readout=readout))
    return Check(
        best_key(name, readout),
        near(value, HALF_STEP),
        f"slope in the width of the {best_key(name, readout)}",
        predicted=at(value),
    )


def difference_key(readout: Readout) -> str:
    return f"difference, {READ_BY[readout]}"


def rank_key(name: str, scale: Scale) -> str:
    return f"{NAMES[name]}, s {'constant' if scale == 'constant' else f'= {scale}'}"


def in_rank(name: str, scale: Scale, by: float) -> Check:
    """The slope of the largest stable learning rate in the rank, against `rank_exponent` of the
    theory."""
    value = float(theory.rank_exponent(name, scale=scale))
    return Check(
        rank_key(name, scale),
        near(value, by),
        f"slope in the rank of the largest stable learning rate, {rank_key(name, scale)}",
        predicted=at(value),
    )


def octaves_key(name: str) -> str:
    return f"{NAMES[name]}, octaves"


def regret_key(name: str) -> str:
    return f"{NAMES[name]}, regret"


def wrong_key(name: str, exponent: float) -> str:
    """Of the regret by another exponent than theory's."""
    return f"{NAMES[name]}, regret by exponent {exponent:g}"


LOWER_ON = {**READ_BY, "residual": "residual network"}  # L14

"""What the claims of the family share: the measured cases, each with its check and its key.

A case is declared once. The claims take its check, and the evidence binds its measurement by its
key.
"""

from fractions import Fraction
from typing import NamedTuple

from loralab.claims import Check, Verdict, Within
from theory import lr_stability as theory
from theory.lr_stability import Readout, Scale

STABILITY, PLUS, RANK = "2406.08447", "2402.12354", "2312.03732"
NAMES = {"init_a": "Init[A]", "init_b": "Init[B]"}
LABELS = {**NAMES, "eva": "EVA", "eva_whitened": "whitened EVA"}
POWERS = (-1.5, -1.0, -0.5, 0.0)
PAIRS = [(c_A, c_B) for c_A in POWERS for c_B in POWERS]
# powers of the learning rates of A and B
LIMIT_A, LIMIT_B, LORA_PLUS = (-0.5, -0.5), (-1.0, -1.0), (-1.0, 0.0)
RATES = {LIMIT_A: "learning rates n^-1/2", LIMIT_B: "learning rates n^-1", LORA_PLUS: "LoRA+"}
# widths at which a learning rate is tuned and to which it is taken
SMALL, BIG = (256, 512, 1024), (8192, 16384)
# powers of r
SCALES: dict[Scale, float] = {"constant": 0.0, "alpha/sqrt(r)": -0.5, "alpha/r": -1.0}
READ_BY: dict[Readout, str] = {
    "mup": "read-out of order 1/n",
    "standard": "read-out of order n^(-1/2)",
}

# of best learning rates that go as n^-1/2 and as n^-1
HALF_SLOPE, UNIT_SLOPE = Within(-0.65, -0.40), Within(-1.10, -0.80)
ZERO = Within(0, 0)
OVER_SEEDS = "slopes of log2 in log2 of the width n, one a seed"
AT_LIMIT = (
    "learning rates 0.3 n^c, with c = -1 for A and 0 for B for LoRA+; widths 2^8 to 2^14, 6 Adam "
    f"steps on a linear loss; {OVER_SEEDS}"
)
TUNED = (
    "40 Adam steps on squared error, widths 2^8 to 2^13; the learning rate of the least loss, "
    "smoothed over two octaves"
)

SEE, TESTS = "theory.lr_stability.stability", "tests/theory/lr_stability"
TRIALS = "proxies.families.lr_stability.trials"


def near(value: float, by: float = 0.1) -> Within:
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
        """A slope within a tenth of the calculus'."""
        order = getattr(theory.exponents(self.name, steps=1 if self.first else 6), self.quantity)
        value = Fraction(order(*map(Fraction, self.pair)))
        condition = f"slope of {self.key}"
        return Check(self.key, near(float(value)), condition, self.claimed, str(value))


SLOPES = {
    "L2b": (Slope("Z_B", "init_b", LIMIT_A), Slope("Z_B", "init_a", LIMIT_A)),
    "L4": (
        Slope("Z_A", "init_a", LIMIT_A, "grows"),
        Slope("Z_B", "init_a", LIMIT_A, "bounded"),
        Slope("Z_A", "init_b", LIMIT_B, "bounded"),
        Slope("Z_B", "init_b", LIMIT_B, "bounded"),
    ),
    "L5": (
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
        Slope("Z_A", "init_a", LIMIT_A, "grows"),
    ),
    "L7": (
        Slope("Z_B", "eva", LIMIT_A, first=True),
        Slope("Z_B", "init_a", LIMIT_A, first=True),
    ),
}


def slopes(id: str) -> tuple[Check, ...]:
    return tuple(case.check for case in SLOPES[id])


def largest_key(name: str) -> str:
    return f"largest learning rate, {LABELS[name]}"


def largest(name: str, criterion: Within, claimed: str = "") -> Check:
    """The slope of the largest stable learning rate, against `max_single_lr` of the theory."""
    return Check(
        largest_key(name),
        criterion,
        f"slope of the largest stable learning rate in the width, {LABELS[name]}",
        claimed,
        str(theory.max_single_lr(name)),
    )


def best_key(name: str, readout: Readout) -> str:
    return f"best learning rate, {NAMES[name]}, {READ_BY[readout]}"


def best(
    name: str,
    readout: Readout,
    criterion: Within,
    claimed: str = "",
    expected: Verdict = Verdict.HOLDS,
) -> Check:
    """The slope of the learning rate of the least loss, against `max_single_lr` for the loss."""
    return Check(
        best_key(name, readout),
        criterion,
        f"slope of the best learning rate in the width, {NAMES[name]}, {READ_BY[readout]}",
        claimed,
        str(theory.max_single_lr(name, level="loss", readout=readout)),
        expected,
    )


def rank_key(name: str, scale: Scale) -> str:
    return f"{NAMES[name]}, s {'constant' if scale == 'constant' else f'= {scale}'}"


def in_rank(name: str, scale: Scale, by: float) -> Check:
    """The slope of the largest stable learning rate in the rank, against `rank_exponent` of the
    theory."""
    value = theory.rank_exponent(name, scale=scale)
    return Check(
        rank_key(name, scale),
        near(float(value), by),
        f"slope of the largest stable learning rate in the rank, {rank_key(name, scale)}",
        predicted=str(value),
    )

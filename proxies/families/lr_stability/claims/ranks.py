"""L9 and L10: how the largest learning rate changes with the rank."""

from loralab.claims import Check, Claim
from proxies.families.lr_stability.claims.checks import (
    RANK,
    SCALES,
    SEE,
    TESTS,
    TRIALS,
    in_rank,
    near,
)

POWERS = f"{TESTS}/test_rules.py::test_powers_of_the_rank"
FIRST_STEP = "slope in the rank of the largest learning rate of the first step"

RANKS = (
    Claim(
        "L9",
        "Under Adam the learning rate of Init[A] is independent of the rank for s = alpha/r, not "
        "for alpha/sqrt(r).",
        "derived",
        (
            *(in_rank("init_a", scale, 0.08) for scale in SCALES),
            in_rank("init_b", "constant", 0.1),
        ),
        "largest stable learning rate at width 4096, rank 2 to 64, 8 Adam steps on a linear loss",
        equation=f"{SEE} (7)",
        test=POWERS,
        trial=f"{TRIALS}.sweep.thresholds",
    ),
    Claim(
        "L10",
        "Under SGD it is s = alpha/sqrt(r) that makes the learning rate of Init[A] independent of "
        "the rank.",
        RANK,
        (
            Check(
                "s = alpha/sqrt(r)",
                near(0, 0.2),
                f"{FIRST_STEP}, s = alpha/sqrt(r)",
                "0",
                "0",
            ),
            Check(
                "alpha/r minus alpha/sqrt(r)",
                near(1, 1e-3),
                f"{FIRST_STEP}, at s = alpha/r minus at alpha/sqrt(r)",
                predicted="1",
            ),
            Check(
                "alpha/sqrt(r) minus constant",
                near(1, 1e-3),
                f"{FIRST_STEP}, at s = alpha/sqrt(r) minus at constant s",
                predicted="1",
            ),
        ),
        "width 4096, rank 8 to 128; the differences are exact up to float32, as B alone moves, by "
        "s times the gradient",
        equation=f"{SEE} (7)",
        test=POWERS,
        trial=f"{TRIALS}.sweep.first_step",
    ),
)

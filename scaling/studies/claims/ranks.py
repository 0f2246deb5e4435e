"""The claims of `scaling.studies.ranks`.

The width of a language model is what it is, so that powers of the width cannot be seen on one. The
rank and the scale s of an adapter can be chosen.
"""

from itertools import product

from loralab.claims import Check, Within, at
from scaling.studies.claims.language.checks import TEXT, claim
from theory.lr_stability import Scale, rank_exponent

STEPS = 8  # as in L9
RANKS = (2, 8, 32)  # much less than the width, 576
MIDDLE = RANKS[1]  # at which s = 1, however it depends on the rank
TARGET = 1.0  # of s B A x over W x, up to which what an adapter adds is called bounded, as in L9
TOLERANCE = 0.125  # half the distance of two of the exponents
SCHEMES = {"init_a": "Init[A]", "init_b": "Init[B]"}
POWERS: dict[Scale, float] = {"alpha/r": -1.0, "alpha/sqrt(r)": -0.5, "constant": 0.0}


def key(scheme: str, scale: Scale) -> str:
    return f"{SCHEMES[scheme]}, s {'constant' if scale == 'constant' else f'= {scale}'}"


def alpha(scale: Scale, rank: int) -> float:
    """The alpha of alpha / r at which s = (r / MIDDLE)^power."""
    return rank * (rank / MIDDLE) ** POWERS[scale]


def _check(scheme: str, scale: Scale) -> Check:
    power = float(rank_exponent(scheme, scale=scale))
    return Check(
        key(scheme, scale),
        Within(power - TOLERANCE, power + TOLERANCE),
        f"slope in the rank of the largest learning rate, {key(scheme, scale)}; mean over seeds",
        predicted=at(power),
    )


CLAIMS = (
    claim(
        "LM15",
        "The largest learning rate of Adam at which what an adapter adds stays bounded goes with "
        "the rank r as theory derives for one layer of infinite width: from Init[A] as r^0 for s = "
        "alpha/r, r^-1/4 for s = alpha/sqrt(r), r^-1/2 for constant s; from Init[B] as r, r^1/2 "
        "and r^0",
        "derived",
        *(_check(scheme, scale) for scheme, scale in product(SCHEMES, POWERS)),
        steps=STEPS,
        equation="theory.lr_stability.stability (7)",
        test="tests/scaling/studies/test_ranks.py::test_a_law_of_powers_is_found",
        trial="scaling.studies.trials.ranks.bounded",
        assumptions=f"{TEXT}; {STEPS} steps of 2 blocks of 128 tokens, Adam (betas .9, .999, eps "
        "1e-8), one learning rate for both factors, falling linearly to 0 without warm-up, "
        "gradients clipped at 1; float32 factors on every linear layer but the head; rank "
        f"{', '.join(map(str, RANKS))}, s = 1 at rank {MIDDLE}. Bounded: root mean square of s B A "
        "x over tokens and outputs at most that of W x after the last step, geometric mean over "
        "layers, on the first training batch; the learning rate is enclosed by two a factor of 4 "
        "apart and interpolated in logarithms. Slopes of log r, by least squares, one a seed. The "
        f"tolerance, {TOLERANCE}, is half the distance 1/4 of two exponents",
        separates="the initialization and s",
    ),
)

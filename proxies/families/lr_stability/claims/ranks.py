"""L9 and L10: how the largest learning rate changes with the rank."""

from loralab.claims import Check, Claim, Kind, Scope, at
from proxies.families.lr_stability.claims.checks import in_rank, near
from proxies.families.lr_stability.claims.settings import (
    ADAM,
    BOTH,
    HALF_STEP,
    LINEAR,
    MUP,
    NEAREST,
    NETWORKS,
    RANK,
    SCALES,
    SEE,
    STARTS,
    TESTS,
    TRIALS,
)

POWERS = f"{TESTS}/test_rules.py::test_powers_of_the_rank"

RANKS = (
    Claim(
        "L9",
        "In a network with one adapted layer of width 4096, the largest stable learning rate of "
        "Adam from Init[A] does not depend on the rank r for s = alpha/r; for s = alpha/sqrt(r) it "
        "goes as r^-1/4, for constant s as r^-1/2, and from Init[B] at constant s it does not "
        "depend on r.",
        "derived",
        (
            *(in_rank("init_a", scale, 0.08) for scale in SCALES),
            in_rank("init_b", "constant", 0.1),
        ),
        f"{MUP}, but of rank 2, 4, 8, 16, 32, 64, and with s = 1, r^(-1/2) or 1/r. {STARTS}. "
        "Stable: root mean square of Z_B = s B A x over entries and samples at most 1 after 8 "
        f"steps, one learning rate for both factors, enclosed to 0.44 octaves. {ADAM}; {LINEAR}. "
        "Slopes of log2 in log2 r, one a seed; a seed draws samples, target, network and factors. "
        "The tolerance, .08 for Init[A] and .1 for Init[B], is below half the distance 1/4 between "
        "exponents",
        equation=f"{SEE} (7)",
        test=POWERS,
        trial=f"{TRIALS}.sweep.thresholds",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "L10",
        "In two networks with one adapted layer of width 4096, the learning rate at which the "
        "first step of SGD from Init[A] makes s B A x of size 1 does not depend on the rank r for "
        "s = alpha/sqrt(r).",
        RANK,
        tuple(
            Check(
                words,
                near(0, HALF_STEP),
                f"slope in the rank of the largest learning rate of the first step, {words}, s = "
                "alpha/sqrt(r)",
                "0",
                at(0),
            )
            for words in NETWORKS.values()
        ),
        f"{BOTH}, but of rank 64, 128, 256, 512, with s = r^(-1/2). {STARTS}. {LINEAR}. B alone "
        "moves in the first step, so that the root mean square of Z_B over entries and samples is "
        "proportional to s^2 and to the learning rate: for another s the slope follows. Slopes of "
        "log2 in log2 r, one a seed; a seed draws samples, target, network and, for each rank, A. "
        f"{NEAREST}",
        equation=f"{SEE} (7)",
        test=POWERS,
        trial=f"{TRIALS}.sweep.first_step",
        where="the theorem on rank-stabilized adapters",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
)

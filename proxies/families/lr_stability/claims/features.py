"""L2b to L7: learning rates that are stable, and which factors they train, at the level of
features."""

from loralab.claims import Check, Claim, Within
from proxies.families.lr_stability.claims.checks import (
    AT_LIMIT,
    PLUS,
    SEE,
    STABILITY,
    TESTS,
    TRIALS,
    largest,
    slopes,
)

THRESHOLD = (
    "stable: Z_B at most 1 after 10 Adam steps on a linear loss; widths 2^9 to 2^14; of "
    "features, not of the loss"
)

FEATURES = (
    Claim(
        "L2b",
        "A learning rate above the limit shows: Init[B] at n^-1/2, where Init[A] is stable, makes "
        "Z_B grow.",
        "derived",
        slopes("L2b"),
        AT_LIMIT,
        equation=f"{SEE} (3)",
        test=f"{TESTS}/test_stability.py::test_the_stable_region_is_where_nothing_grows",
        trial=f"{TRIALS}.sweep.powers",
    ),
    Claim(
        "L3",
        "Init[A] allows larger learning rates than Init[B]: up to n^-1/2 against n^-1.",
        STABILITY,
        (
            largest("init_a", Within(-0.55, -0.45), "-1/2"),
            largest("init_b", Within(-1.08, -0.90), "-1"),
            Check(
                "difference",
                Within(-0.62, -0.38),
                "slope of the largest stable learning rate in the width, Init[B] minus Init[A]",
                "-1/2",
                "-1/2",
            ),
        ),
        THRESHOLD,
        equation=f"{SEE} (4)",
        test=f"{TESTS}/test_stability.py::test_the_largest_single_rates_by_sympy",
        trial=f"{TRIALS}.sweep.thresholds",
    ),
    Claim(
        "L4",
        "At its largest learning rate Init[A] learns with internal features Z_A that grow; those "
        "of Init[B] stay bounded.",
        STABILITY,
        slopes("L4"),
        AT_LIMIT,
        equation=f"{SEE} (2)",
        test=f"{TESTS}/test_stability.py::test_the_table_of_single_rates",
        trial=f"{TRIALS}.sweep.powers",
    ),
    Claim(
        "L5",
        "At its largest learning rate Init[B] trains A alone: the effect of training B vanishes "
        "with the width.",
        STABILITY,
        slopes("L5"),
        AT_LIMIT,
        equation=f"{SEE} (1)",
        test=f"{TESTS}/test_stability.py::test_the_table_of_single_rates",
        trial=f"{TRIALS}.sweep.powers",
    ),
    Claim(
        "L6",
        "Learning rates n^-1 for A and 1 for B train both factors at any width, with Z_A bounded "
        "too; equal ones do not.",
        PLUS,
        slopes("L6"),
        AT_LIMIT,
        equation=f"{SEE} (6)",
        test=f"{TESTS}/test_stability.py::test_loraplus_is_the_unique_efficient_pair_by_sympy",
        trial=f"{TRIALS}.sweep.powers",
    ),
    Claim(
        "L7",
        "EVA has the learning-rate exponent of Init[A], and moves the output from the first step "
        "on.",
        "derived",
        (
            largest("eva", Within(-0.55, -0.45)),
            largest("eva_whitened", Within(-0.55, -0.45)),
            *slopes("L7"),
        ),
        f"largest learning rates: {THRESHOLD}; first step: {AT_LIMIT}",
        equation="theory.lr_stability.initializations.data_A",
        test=f"{TESTS}/test_rules.py::"
        "test_the_first_step_tells_a_start_along_the_data_from_a_random_one",
        trial=f"{TRIALS}.sweep.thresholds",
    ),
)

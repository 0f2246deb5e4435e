"""L2b to L7: learning rates that are stable, and which factors they train, at the level of
features."""

from loralab.claims import Check, Claim, Kind, Scope, Within, at
from proxies.families.lr_stability.claims.checks import (
    GROWS,
    LARGEST,
    TOO_FAST,
    ratio_key,
    slopes,
)
from proxies.families.lr_stability.claims.settings import (
    AT_LIMIT,
    BOTH,
    NETWORKS,
    PLUS,
    SEE,
    STABILITY,
    STABLE,
    TESTS,
    TRIALS,
)

TABLE = f"{TESTS}/test_stability.py::test_the_table_of_single_rates"
POWERS, THRESHOLDS = f"{TRIALS}.sweep.powers", f"{TRIALS}.sweep.thresholds"

FEATURES = (
    Claim(
        "L2b",
        "In a network with one adapted layer, Init[B] at learning rates n^-1/2, where Init[A] is "
        "stable, makes Z_B = s B A x grow with the width n, as n^(1/2).",
        "derived",
        (
            Check(
                GROWS,
                Within(low=0),
                f"slope in the width of {TOO_FAST.key}: above 0",
                predicted=at(0.5),
            ),
            *slopes("L2b"),
        ),
        AT_LIMIT,
        equation=f"{SEE} (3)",
        test=f"{TESTS}/test_stability.py::test_the_stable_region_is_where_nothing_grows",
        trial=POWERS,
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "L3",
        "In two networks with one adapted layer of width n, the largest single learning rate of "
        "Adam at which the features stay bounded is larger from Init[A] than from Init[B], and "
        "goes as n^-1/2 against n^-1.",
        STABILITY,
        (
            *(case.check for case in LARGEST["L3"]),
            *(
                Check(
                    ratio_key(network),
                    Within(low=1),
                    "ratio of the largest stable learning rates at n = 2^14, Init[A] over Init[B], "
                    f"{words}",
                    "larger",
                    Within(low=1),
                )
                for network, words in NETWORKS.items()
            ),
        ),
        f"{BOTH}. {STABLE}",
        equation=f"{SEE} (4)",
        test=f"{TESTS}/test_stability.py::test_the_largest_single_rates_by_sympy",
        trial=THRESHOLDS,
        where="abstract and the theorems on Init[A] and Init[B]",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "L4",
        "In a network with one adapted layer, each at its largest stable learning rate, Init[A] "
        "has internal features Z_A = A x that grow with the width as n^(1/2), those of Init[B] "
        "stay bounded, and so does s B A x from both.",
        STABILITY,
        slopes("L4"),
        AT_LIMIT,
        equation=f"{SEE} (2)",
        test=TABLE,
        trial=POWERS,
        where="the theorems on Init[A] and Init[B]",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "L5",
        "In a network with one adapted layer, each at its largest stable learning rate, Init[A] "
        "trains both factors at any width; Init[B] trains A alone, and the effect of training B "
        "vanishes with the width as n^-1.",
        STABILITY,
        slopes("L5"),
        AT_LIMIT,
        equation=f"{SEE} (1)",
        test=TABLE,
        trial=POWERS,
        where="the theorems on Init[A] and Init[B]",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "L6",
        "In a network with one adapted layer, learning rates n^-1 for A and 1 for B train both "
        "factors at any width with Z_A = A x bounded, from Init[A] and Init[B]; with n^-1 for "
        "both, the effect of training B from Init[A] vanishes.",
        PLUS,
        slopes("L6"),
        AT_LIMIT,
        equation=f"{SEE} (6)",
        test=f"{TESTS}/test_stability.py::test_loraplus_is_the_unique_efficient_pair_by_sympy",
        trial=POWERS,
        where="the theorem on efficient feature learning",
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
    Claim(
        "L7",
        "In networks with one adapted layer, the largest stable learning rate of EVA goes as "
        "n^-1/2, as that of Init[A] does, and at n^-1/2 the first step of EVA moves s B A x by "
        "order 1, that of Init[A] by n^-1/2.",
        "derived",
        (*(case.check for case in LARGEST["L7"]), *slopes("L7")),
        f"largest learning rates: {BOTH}. {STABLE}. First step: {AT_LIMIT}",
        equation="theory.lr_stability.initializations.data_A",
        test=f"{TESTS}/test_rules.py::"
        "test_the_first_step_tells_a_start_along_the_data_from_a_random_one",
        trial=THRESHOLDS,
        kind=Kind.EFFECT,
        scope=Scope.SIMULATION,
    ),
)

"""The methods, pairs and conditions that several claims and their evidence share.

A distance is an MMD, which is a square.
"""

from collections.abc import Callable

from loralab.claims import Check, Verdict, Within

RANKS = (1, 2, 4)
METHODS = ("LoRA", "OP-LoRA", "DoRA", "OP-DoRA")
PAIRS = (("OP-LoRA", "LoRA"), ("OP-DoRA", "DoRA"))
PAIRED = {f"{over}, rank {rank}": (over, plain, rank) for over, plain in PAIRS for rank in RANKS}
"""key of a check -> method with generator networks, the plain one, and their rank"""

PAPER = "2412.10362"
EQUATION = "theory.overparam_generation.distances"
LAWS = "tests/theory/overparam_generation/test_distances.py"
TESTS = "tests/proxies/overparam_generation"
TRIALS = "proxies.families.overparam_generation.trials"

LOWER = Within(high=0.7)
FIFTH_LESS, FIFTH_MORE = Within(high=0.8), Within(high=1.2)  # of a distance

BASE = (
    "flow matching on 8 x 8 digits, one base model trained on the digits 0 to 4; distance: MMD at "
    "the median bandwidth between 400 drawn images and the test images"
)
CLASSES = f"new classes, the digits 5 to 9; {BASE}"
STYLE = f"a new style, the digits 0 to 4 inverted; {BASE}"
CHOSEN = "each method at the learning rate that validation images choose, inside its grid"
TUNED = f"{CLASSES}; {CHOSEN}"
BELOW = "a learning rate below the best one of either"
RATIO = "MMD of {over} over that of {plain} at rank {rank}"
AT_BEST, AT_FIXED = "each at its best learning rate", "both at the learning rate 1e-4"

SWEEP = f"{TRIALS}.sweep.sweep"
SHIFT_LAW = {
    "equation": f"{EQUATION} (7)",
    "test": f"{LAWS}::test_adam_moves_a_generated_factor_by_the_multiplier_on_a_layer",
    "trial": SWEEP,
}


def paired(
    criterion: Within,
    condition: str,
    predicted: str = "",
    claimed: str = "< 1",
    expected: Callable[[str, int], Verdict] = lambda over, rank: Verdict.HOLDS,
) -> tuple[Check, ...]:
    """A check for each pair of methods and each rank."""
    return tuple(
        Check(
            key,
            criterion,
            condition.format(over=over, plain=plain, rank=rank),
            claimed=claimed,
            predicted=predicted,
            expected=expected(over, rank),
        )
        for key, (over, plain, rank) in PAIRED.items()
    )

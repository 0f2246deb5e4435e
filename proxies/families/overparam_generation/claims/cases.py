"""The methods, pairs and conditions that several claims and their evidence share.

A distance is an MMD, which is a square.
"""

from typing import Any

from loralab.claims import Check, Claim, Kind, Scope, Within
from theory.overparam_generation import distances as theory

NEW, STYLE = "new classes", "new style"
RANKS = (1, 2, 4)
METHODS = ("LoRA", "OP-LoRA", "DoRA", "OP-DoRA")
PAIRS = (("OP-LoRA", "LoRA"), ("OP-DoRA", "DoRA"))
PAIRED = {f"{over}, rank {rank}": (over, plain, rank) for over, plain in PAIRS for rank in RANKS}
"""key of a check -> method with generator networks, the plain one, and their rank"""
HALVED = {
    f"{over}, rank {rank} for {2 * rank}": (over, plain, rank)
    for over, plain in PAIRS
    for rank in RANKS[:-1]
}
"""likewise, the plain one at twice that rank"""

PAPER = "2412.10362"
EQUATION = "theory.overparam_generation.distances"
LAWS = "tests/theory/overparam_generation/test_distances.py"
TESTS = "tests/proxies/overparam_generation"
TRIALS = "proxies.families.overparam_generation.trials"
SWEEP = f"{TRIALS}.sweep.sweep"

LESS = Within(high=1)  # of a ratio: what "nearer", "better" and "as good at half the rank" say
FIFTH_LESS, FIFTH_MORE = Within(high=0.8), Within(high=1.2)  # of a distance
SHIFT = theory.shift(32, 32)  # decades between learning rates of equally long first steps
# the ends of the keys of our margins
BY_A_FIFTH, WITHIN_A_FIFTH = ", by a fifth", ", within a fifth"

JUDGED = (
    "distance: 1000 MMD^2, Gaussian kernel, of 400 drawn images to the test images, in the unit-"
    "length 64 penultimate features of a classifier (64-128-64-20, ReLU, of the ten digits and the "
    "ten inverted ones; 2000 steps of Adam at 1e-3, weight decay 1e-5, batches of 128, pixel noise "
    "0.1), the bandwidth being the median distance of the target's images"
)
DATA = (
    "8 x 8 digits of scikit-learn, pixels in [-1, 1]. The base model is a flow-matching network "
    "96-128-128-128-64 (64 pixels and 32 sines and cosines of the time; SiLU, residual at the two "
    "middle layers), trained on the digits 0 to 4 by 2000 steps of Adam, torch's OneCycleLR up to "
    "2e-3, on batches of 256"
)
ADAPTED = (
    "Adapters on all four layers, alpha = rank, B = 0, A uniform on +-1/sqrt(in); a generator "
    "network has 32 hidden units, an embedding of 32, W2 = 0 and b2 = LoRA's factors at first. "
    "Training: 400 steps of Adam on batches of 64, no weight decay, the learning rate falling "
    "linearly to zero. Adam has betas .9 and .999 and eps 1e-8 throughout"
)
DRAWN = (
    "Images are drawn by 12 midpoint steps. A seed draws the base model, the classifier, the split "
    "of the target (200 training, 200 validation, the others test images), initialization, batches "
    "and noises; the pool of images is one, so the interval speaks of this data set"
)
BASE = f"{DATA}. {ADAPTED}. {DRAWN}; {JUDGED}"
CLASSES = f"Target: new classes, the digits 5 to 9. {BASE}"
STYLED = f"Target: a new style, the digits 0 to 4 inverted. {BASE}"
CHOSEN = (
    "Learning rates 10^(i/2), i = -8..0 for LoRA and DoRA, -9..-1 for OP-LoRA and OP-DoRA, two "
    "more on a side while the best or one within 1.5 times its distance is outermost, three times "
    "at most; the best has the least mean distance over seeds from other drawn images to the "
    "validation images, and the choice is part of the interval"
)
TUNED = f"{CLASSES}. {CHOSEN}"
LONGER = f"At one learning rate a generator network's first step is {10**SHIFT:.1f} times LoRA's"
RATIO = "distance of {over} over that of {plain} at rank {rank}"
AT_BEST, AT_FIXED = "each at its best learning rate", "both at the learning rate 1e-4"
AT_EQUAL = f"{{over}} at the learning rate 1e-4, {{plain}} at {1e-4 * 10**SHIFT:.1e}"

TOY: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.SMALL, "covers": False}
"""of a sentence of the paper, which speaks of Stable Diffusion XL"""
OWN: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.SMALL}
"""of a sentence of this project on these networks"""
SHIFT_LAW = {
    "equation": f"{EQUATION} (7)",
    "test": f"{LAWS}::test_adam_moves_a_generated_factor_by_the_multiplier_on_a_layer",
    "trial": SWEEP,
}
FROZEN_LAW = {
    "equation": "theory.overparam_generation.frozen (2)",
    "test": "tests/theory/overparam_generation/test_frozen.py::"
    "test_a_frozen_generator_is_lora_at_another_learning_rate",
    "trial": SWEEP,
}


def paired(
    criterion: Within,
    condition: str,
    claimed: str = "< 1",
    predicted: Within | None = None,
    ours: bool = False,
    more: str = "",
) -> tuple[Check, ...]:
    """A check for each pair of methods and each rank, `more` being the end of its key."""
    return tuple(
        Check(
            key + more,
            criterion,
            condition.format(over=over, plain=plain, rank=rank),
            claimed=claimed,
            predicted=predicted,
            ours=ours,
        )
        for key, (over, plain, rank) in PAIRED.items()
    )


def better(target: str) -> tuple[Check, ...]:
    """Whether the one with generator networks is better, and whether by a fifth."""
    condition = f"{RATIO}, {AT_BEST}, {target}"
    return paired(LESS, condition) + paired(
        FIFTH_LESS, condition, claimed="", ours=True, more=BY_A_FIFTH
    )


def equal(id: str, target: str, assumptions: str) -> Claim:
    """The control of a claim at one learning rate: first steps of equal length."""
    return Claim(
        id,
        f"With first steps of equal length an adapter that a generator network makes still ends "
        f"nearer to {target} than the plain adapter: it does more than lengthen the step.",
        PAPER,
        paired(LESS, f"{RATIO}, {AT_EQUAL}"),
        f"{assumptions}, on average over initializations. A generator network whose hidden units "
        "stood still would be LoRA at that learning rate, a ratio of 1",
        where="abstract: adaptive learning rate and momentum",
        **FROZEN_LAW,
        **TOY,
    )

"""OP15e to OP15g and OP15l: which learning rates are good ones."""

from loralab.claims import Check, Claim, Within
from proxies.families.overparam_generation.claims.cases import (
    CLASSES,
    EQUATION,
    LAWS,
    OWN,
    PAPER,
    RANKS,
    SHIFT,
    SWEEP,
    TESTS,
    TOY,
    TUNED,
    paired,
)

GOOD = (
    "A good learning rate ends within 1.5 times the method's own distance at its best one, without "
    "a gap from there; between two learning rates of the grid the distance is read linearly in "
    "logarithms, and next to one at which a run diverged not at all"
)

SENSITIVITY = (
    Claim(
        "OP15e",
        "OP-LoRA is less sensitive to the learning rate than LoRA: more decades of learning rates "
        "end within 1.5 times the best distance to new classes of 8 x 8 digits.",
        PAPER,
        paired(
            Within(low=0),
            "decades of good learning rates, {over} minus {plain}, rank {rank}",
            claimed="> 0",
        ),
        f"{TUNED}. {GOOD}",
        where="abstract of the later version",
        test=f"{TESTS}/test_sweep.py::test_windows_by_hand",
        trial=SWEEP,
        **TOY,
    ),
    Claim(
        "OP15f",
        "Below the best learning rates OP-LoRA ends where LoRA ends at a learning rate at least "
        "1 + E|h|_1 = 8.5 times larger, on new classes of 8 x 8 digits.",
        "derived",
        tuple(
            Check(
                f"rank {rank}",
                Within(low=SHIFT),
                "decades from LoRA's learning rate 1e-3 down to the one at which OP-LoRA ends at "
                f"an equal distance, read linearly in logarithms between the grid's, rank {rank}",
                predicted=Within(low=SHIFT),
            )
            for rank in RANKS
        ),
        f"{CLASSES}. Learning rates 10^(i/2). The law is of Adam's first step, and of every one "
        "while h stands still; |h| grows while gradients agree",
        equation=f"{EQUATION} (7)",
        test=f"{LAWS}::test_the_shift_is_that_of_drawn_generators",
        trial=SWEEP,
        **OWN,
    ),
    Claim(
        "OP15g",
        "At the learning rate 1e-2, above the best ones, most hidden units of OP-LoRA's generator "
        "networks are dead after training on new classes of 8 x 8 digits.",
        "derived",
        tuple(
            Check(
                f"rank {rank}",
                Within(high=0.5),
                "share of hidden units that pass a gradient after training at the learning rate "
                f"1e-2, rank {rank}",
            )
            for rank in RANKS
        ),
        f"{CLASSES}. A unit is alive where W1 z + b1 > 0: a half of them at initialization, by "
        "symmetry",
        equation="theory.matfac.generator_network (7)",
        test="tests/theory/matfac/test_generator_network.py::test_a_dead_generator_is_plain_"
        "descent_on_theta",
        trial=SWEEP,
        **OWN,
    ),
    Claim(
        "OP15l",
        "The generator network only shifts the good learning rates: OP-LoRA's highest good one for "
        "new classes of 8 x 8 digits is at least 1 + E|h|_1 = 8.5 times lower than LoRA's.",
        "derived",
        tuple(
            Check(
                f"rank {rank}",
                Within(low=SHIFT),
                f"decades from LoRA's highest good learning rate down to OP-LoRA's, rank {rank}",
                predicted=Within(low=SHIFT),
            )
            for rank in RANKS
        ),
        f"{TUNED}. {GOOD}. Predicted from hidden units that stand still, or grow; a unit that dies "
        "is the other case (OP15g)",
        equation="theory.overparam_generation.frozen (2)",
        test="tests/theory/overparam_generation/test_frozen.py::"
        "test_a_frozen_generator_is_lora_at_another_learning_rate",
        trial=SWEEP,
        **OWN,
    ),
)

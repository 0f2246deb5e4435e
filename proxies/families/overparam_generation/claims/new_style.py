"""OP15h, OP15j and OP15m: adapters that teach a new style, at one learning rate, tuned, and with
first steps of equal length."""

from loralab.claims import Claim
from proxies.families.overparam_generation.claims.cases import (
    AT_FIXED,
    CHOSEN,
    FROZEN_LAW,
    LESS,
    LONGER,
    PAPER,
    RATIO,
    SHIFT_LAW,
    STYLE,
    STYLED,
    TOY,
    better,
    equal,
    paired,
)

NEW_STYLE = (
    Claim(
        "OP15h",
        "At the learning rate 1e-4 for both, where its first step is 8.5 times as long, an adapter "
        "that a generator network makes ends nearer to a new style of 8 x 8 digits than the plain "
        "adapter.",
        PAPER,
        paired(LESS, f"{RATIO}, {AT_FIXED}", predicted=LESS),
        f"{STYLED}. {LONGER}, and 1e-4 is below the best learning rate of either: a longer step "
        "alone predicts the sentence. OP15m is the control, with first steps of equal length",
        where="abstract: accelerates training",
        **SHIFT_LAW,
        **TOY,
    ),
    Claim(
        "OP15j",
        "With the learning rate tuned for each method, OP-LoRA draws a new style better than LoRA, "
        "8 x 8 digits by a flow-matching network.",
        PAPER,
        better(STYLE),
        f"{STYLED}. {CHOSEN}",
        where="abstract: gains in image generation",
        **FROZEN_LAW,
        **TOY,
    ),
    equal(
        "OP15m",
        "a new style of 8 x 8 digits",
        f"{STYLED}. {LONGER}",
    ),
)

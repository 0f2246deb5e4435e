"""OP15h and OP15j: adapters that teach a new style; OP15k: steps of equal length on both
targets."""

from loralab.claims import Claim
from proxies.families.overparam_generation.claims.cases import (
    AT_EQUAL,
    AT_FIXED,
    BOTH,
    CHOSEN,
    FROZEN_LAW,
    LESS,
    LONGER,
    NEW,
    PAPER,
    RATIO,
    SHIFT_LAW,
    STYLE,
    STYLED,
    TOY,
    better,
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
        "alone predicts the sentence. OP15k has the control with steps of equal length",
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
    Claim(
        "OP15k",
        "With first steps of equal length an adapter that a generator network makes still ends "
        "nearer than the plain adapter, on 8 x 8 digits: it does more than lengthen the step.",
        PAPER,
        tuple(
            check
            for target in (NEW, STYLE)
            for check in paired(
                LESS,
                f"{RATIO}, {AT_EQUAL}, {target}",
                more=f", {target}",
            )
        ),
        f"{BOTH}. {LONGER} on average over initializations. A generator network whose hidden units "
        "stood still would be LoRA at that learning rate, a ratio of 1",
        where="abstract: adaptive learning rate and momentum",
        separates="the target",
        **FROZEN_LAW,
        **TOY,
    ),
)

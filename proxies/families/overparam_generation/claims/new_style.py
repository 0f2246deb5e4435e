"""OP15h and OP15j: adapters that teach a new style, at one learning rate and tuned."""

from loralab.claims import Claim, Verdict
from proxies.families.overparam_generation.claims.cases import (
    AT_BEST,
    AT_FIXED,
    BELOW,
    CHOSEN,
    FIFTH_LESS,
    LOWER,
    PAPER,
    RATIO,
    SHIFT_LAW,
    STYLE,
    paired,
)

REFUTED, UNDECIDED = Verdict.REFUTED, Verdict.INCONCLUSIVE

NEW_STYLE = (
    Claim(
        "OP15h",
        "At one learning rate for both, 1e-4, an adapter that a generator network makes ends "
        "nearer to a new style than the plain adapter.",
        PAPER,
        paired(
            LOWER,
            f"{RATIO}, {AT_FIXED}, new style",
            "< 1",
        ),
        f"{STYLE}; {BELOW}",
        **SHIFT_LAW,
    ),
    Claim(
        "OP15j",
        "With the learning rate tuned for each method, OP-LoRA draws a new style better than LoRA, "
        "by a fifth of the distance.",
        PAPER,
        paired(
            FIFTH_LESS,
            f"{RATIO}, {AT_BEST}, new style",
            "1",
            expected=lambda over, rank: UNDECIDED if over == "OP-LoRA" and rank > 1 else REFUTED,
        ),
        f"{STYLE}; {CHOSEN}; six seeds leave two intervals as wide as 0.77 to 1.25. Asked apart "
        "from OP15h after these seeds had been seen",
        **SHIFT_LAW,
    ),
)

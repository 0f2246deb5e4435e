"""OP15 to OP15d, OP15i and OP15k: adapters that teach new classes, at one learning rate, with first
steps of equal length, and tuned."""

from loralab.claims import Check, Claim, Within
from proxies.families.overparam_generation.claims.cases import (
    AT_BEST,
    AT_FIXED,
    CLASSES,
    FIFTH_MORE,
    FROZEN_LAW,
    HALVED,
    LESS,
    LONGER,
    METHODS,
    NEW,
    OWN,
    PAIRS,
    PAPER,
    RATIO,
    SHIFT_LAW,
    SWEEP,
    TESTS,
    TOY,
    TUNED,
    WITHIN_A_FIFTH,
    better,
    equal,
    paired,
)

HALF = "distance of {} at rank {} over that of {} at rank {}, " + AT_BEST

NEW_CLASSES = (
    Claim(
        "OP15",
        "Rank-1 adapters on the four layers of a flow-matching network teach it to draw 8 x 8 "
        "digits that it has never seen.",
        "derived",
        (
            *(
                Check(
                    f"{method}, distance",
                    LESS,
                    f"distance of {method} at rank 1 over that of the base model unadapted",
                    predicted=LESS,
                )
                for method in METHODS
            ),
            *(
                Check(
                    f"{method}, share",
                    Within(low=0),
                    f"share of drawn images classified as new classes, {method} at rank 1, "
                    "less that of the base model unadapted",
                    predicted=Within(low=0),
                )
                for method in METHODS
            ),
        ),
        TUNED,
        test=f"{TESTS}/test_trials.py::test_every_run_of_a_batch_is_loras",
        trial=SWEEP,
        **OWN,
    ),
    Claim(
        "OP15b",
        "At the learning rate 1e-4 for both, where its first step is 8.5 times as long, an adapter "
        "that a generator network makes ends nearer to new classes of 8 x 8 digits than the plain "
        "adapter.",
        PAPER,
        (
            *paired(LESS, f"{RATIO}, {AT_FIXED}", predicted=LESS),
            Check(
                "rank 1 over rank 4",
                LESS,
                f"distance of OP-LoRA at rank 1 over that of LoRA at rank 4, {AT_FIXED}",
                claimed="< 1",
                predicted=LESS,
            ),
        ),
        f"{CLASSES}. {LONGER}, and 1e-4 is below the best learning rate of either: a longer step "
        "alone predicts the sentence. OP15k is the control, with first steps of equal length",
        where="abstract: accelerates training",
        **SHIFT_LAW,
        **TOY,
    ),
    equal(
        "OP15k",
        "new classes of 8 x 8 digits",
        f"{CLASSES}. {LONGER}",
    ),
    Claim(
        "OP15c",
        "With the learning rate tuned for each method, OP-LoRA draws better images of new classes "
        "than LoRA, 8 x 8 digits by a flow-matching network.",
        PAPER,
        better(NEW),
        TUNED,
        where="abstract: gains in image generation",
        **FROZEN_LAW,
        **TOY,
    ),
    Claim(
        "OP15d",
        "With the learning rate tuned for each method, OP-LoRA reaches at half the rank the "
        "quality of LoRA on new classes of 8 x 8 digits.",
        PAPER,
        tuple(
            check
            for key, (over, plain, rank) in HALVED.items()
            for check in (
                Check(key, LESS, HALF.format(over, rank, plain, 2 * rank), claimed="<= 1"),
                Check(
                    key + WITHIN_A_FIFTH,
                    FIFTH_MORE,
                    HALF.format(over, rank, plain, 2 * rank),
                    ours=True,
                ),
            )
        ),
        f"{TUNED}. At the learning rate 1e-4 for both it does (OP15b, rank 1 over rank 4)",
        where="abstract of the later version",
        equation="theory.overparam_generation.frozen (4)",
        test="tests/theory/overparam_generation/test_frozen.py::test_half_the_rank_reaches_less",
        trial=SWEEP,
        **TOY,
    ),
    Claim(
        "OP15i",
        "With the learning rate tuned, half the rank is enough from rank 4 down to 2 without a "
        "generator network, within a fifth of the distance to new classes of 8 x 8 digits.",
        "derived",
        tuple(Check(plain, FIFTH_MORE, HALF.format(plain, 2, plain, 4)) for _, plain in PAIRS),
        TUNED,
        test=f"{TESTS}/test_trials.py::test_every_run_of_a_batch_is_loras",
        trial=SWEEP,
        **OWN,
    ),
)

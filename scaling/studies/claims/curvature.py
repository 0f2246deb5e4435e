"""The claims of `scaling.studies.curvature`."""

from loralab.claims import Check, Within
from scaling.studies.claims.language.checks import (
    CHOSEN,
    LESS,
    MORE,
    TEXT,
    TRAINING,
    claim,
)

BATCHES = 2  # whose loss it is
METHODS: tuple[str, ...] = ("LoRA", "PiSSA", "MiLoRA", "OLoRA", "LoRA-GA")
OTHERS = METHODS[1:]
SHARPNESS = (
    f"the Hessian is that of the mean loss on the first {BATCHES} training batches in the "
    "parameters of all adapters at once, in float32, before the first step; its largest eigenvalue "
    "by Lanczos' method, to 5 % or better"
)
TESTS = "tests/scaling/studies/test_curvature.py::"

CLAIMS = (
    claim(
        "LM17",
        "The largest eigenvalue of the loss's Hessian in the adapters' parameters is larger with "
        "PiSSA, MiLoRA, OLoRA and LoRA-GA than with LoRA",
        "2602.04998",
        *(
            Check(
                name,
                MORE,
                f"largest eigenvalue at the start of {name} over that of LoRA; geometric mean over "
                "seeds",
                claimed="> 1",
            )
            for name in OTHERS
        ),
        steps=0,
        where="abstract, and its second-order analysis",
        test=f"{TESTS}test_the_eigenvalue_is_the_largest_of_the_hessian",
        trial="scaling.studies.trials.curvature.sharpness",
        assumptions=f"{TEXT}; 2 blocks of 128 tokens a batch; rank 8, alpha 16 on every linear "
        f"layer but the head; {SHARPNESS}",
        separates="the initialization",
    ),
    claim(
        "LM17b",
        "Among LoRA, PiSSA, MiLoRA, OLoRA and LoRA-GA, the larger that eigenvalue is, the lower is "
        "the best learning rate",
        "2602.04998",
        Check(
            "slope",
            Within(high=0),
            "slope of the logarithm of the best learning rate (vertex of the parabola as in LM4) "
            "in that of the eigenvalue, over the methods by least squares, seed by seed; mean over "
            "seeds",
            claimed="< 0; -1 for gradient descent",
        ),
        *(
            Check(
                f"{name}, learning rate",
                LESS,
                f"best learning rate of {name} over that of LoRA, seed by seed, each the vertex of "
                "the parabola as in LM4",
                ours=True,
            )
            for name in OTHERS
        ),
        where="abstract",
        test=f"{TESTS}test_a_law_of_powers_is_found",
        assumptions=f"{TEXT}; {TRAINING}; {CHOSEN}; {SHARPNESS}",
        separates="the method",
    ),
)

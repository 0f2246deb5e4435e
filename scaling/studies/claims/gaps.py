"""The claims of `scaling.studies.gaps`.

The source bounds the generalization gap of an adapter by the square root of the number of trained
parameters, so that training one factor has the smaller bound. A few examples are read over and
over, else there is no gap.
"""

from loralab.claims import Check, Within
from scaling.studies.claims.language.checks import claim

STEPS = 60
BATCH = 2
EXAMPLES = 24  # that are trained on, five times each
UNSEEN = 64  # that the learning rate is chosen by, and as many that the gap is measured on
ALONE = {"B alone": "B", "A alone": "A"}
BOTH = "LoRA"

CLAIMS = (
    claim(
        "LM16",
        "Training one factor alone instead of both, at the same rank, leaves a smaller "
        "generalization gap",
        "2402.16842",
        *(
            Check(
                method,
                Within(high=0),
                f"generalization gap with {factor} trained alone minus that with both trained, "
                "bits a byte of the answers; mean over seeds",
                claimed="< 0",
            )
            for method, factor in ALONE.items()
        ),
        *(
            Check(
                f"{method}, unseen",
                Within(high=0),
                f"loss on unseen examples with {factor} trained alone minus that with both, bits a "
                "byte of the answers; mean over seeds",
                ours=True,
            )
            for method, factor in ALONE.items()
        ),
        steps=STEPS,
        where="section 4",
        equation="theory.generalization.bounds (3)",
        test="tests/scaling/studies/test_gaps.py::test_the_gap_is_of_the_examples_trained_on",
        trial="scaling.studies.trials.gaps.fitted",
        assumptions="SmolLM2-135M-Instruct in bfloat16 learns to say in one sentence what a Python "
        "function does; of 600 functions of each of scipy, sklearn, sympy, matplotlib, torch, "
        f"transformers a seed draws {EXAMPLES} to train on, {UNSEEN} to choose the learning rate "
        f"by and {UNSEEN} unseen ones; at most 96 tokens, and the answer's count in the loss; the "
        "gap is the loss on the unseen ones minus that on those trained on; "
        f"{STEPS} steps of {BATCH} examples, AdamW (betas .9, .999, eps 1e-8, no weight decay), "
        "learning rate falling linearly to 0 without warm-up, gradients clipped at 1; rank 8, "
        "alpha 16 and float32 factors on every linear layer but the head; frozen is A of the "
        "default initialization, or B of Init[B]; learning rates half a decade apart, three around "
        "each method's best one in exploration, up to two more where the best is at an end; each "
        "method is compared at the one with the least mean loss on the examples that choose it, "
        "and this choice is repeated in every resample of the seeds",
        separates="the factor",
    ),
)

"""What the claims of `scaling.studies.language` share: conditions, and the making of checks.

What the papers say of models of billions of parameters, trained for thousands of steps, is measured
on one of 135 million and 40 steps: no claim covers its source's scope. The source's own sentence
decides. A control does not decide a claim: it has factors of the same size in random directions,
the same learning rate, or the same number of parameters.
"""

from typing import Any

from loralab.claims import Check, Claim, Kind, Scope, Within

STEPS = 40
LAUNCH = STEPS // 6  # of LoRA-Dash and LoRA-TSD
NEVER = STEPS + 1  # counted for LM1; no run was of that kind in either look
MARGIN = 0.02
MORE, LESS = Within(low=1), Within(high=1)
EQUAL, NOT_WORSE = Within(1 - MARGIN, 1 + MARGIN), Within(low=1 - MARGIN)
SWEEP = "scaling.comparison.trials.fine_tuned"
TESTS = "tests/scaling/studies/test_improvements.py::"
RATIOS = f"{TESTS}test_improvements_are_compared_each_at_its_own_learning_rate"
STEPS_TEST = f"{TESTS}test_steps_are_counted_to_the_loss_of_the_other_method"
MODEL = "on SmolLM2-135M"
TEXT = (
    "SmolLM2-135M-Instruct in bfloat16 goes on with docstrings of several paragraphs and at most "
    "1000 letters of matplotlib, numpy, scipy, sklearn, sympy, torch as plain text (100 of each; a "
    "tenth for validation, no more than the test has; 4 of each, of other files, for the test; "
    "drawn anew for every seed)"
)
TRAINING = (
    f"{STEPS} steps of 2 blocks of 128 tokens, AdamW (betas .9, .999, eps 1e-8, no weight decay), "
    "learning rate falling linearly to 0 without warm-up, gradients clipped at 1; rank 8, alpha 16 "
    "and float32 factors on every linear layer but the head, unless said otherwise"
)
CHOSEN = (
    "learning rates half a decade apart, three around where exploration on the text puts each "
    "method's best one (LoRA, Init[B] and OP-LoRA five), up to two more where the best is at an "
    "end; each method is compared at the one with the least mean validation loss, and this choice "
    "is repeated in every resample of the seeds"
)
SHARED = f"{TEXT}; {TRAINING}; {CHOSEN}"
OTHER_TASKS = (
    "instructions: it learns to say in one sentence what a Python function does (600 functions of "
    "each of scipy, sklearn, sympy, matplotlib, torch, transformers; test: 32 of numpy), 2 "
    "examples of at most 192 tokens a step; classification: a new linear head on it learns of "
    "which of six packages a docstring is (300 of each; test: 50 of each, of other files), 8 "
    "docstrings of at most 32 tokens a step"
)
IMPROVEMENT = (
    "improvement of the test loss (bits a byte) over the base model's, geometric mean over seeds"
)
ACCURACY = "test accuracy"
TASK_KEYS = ("text", "instructions", "classification")


def claim(
    id: str, sentence: str, source: str, *checks: Check, steps: int = STEPS, **others: Any
) -> Claim:
    """A claim on the language model, outside the scope of its source."""
    trained = f"{steps} steps" if steps else "before training"
    given: dict[str, Any] = {"assumptions": SHARED, "test": RATIOS, "trial": SWEEP} | others
    return Claim(
        id,
        f"{sentence}, {MODEL}, {trained}.",
        source,
        checks,
        kind=Kind.EFFECT,
        scope=Scope.LM,
        covers=source == "derived",
        **given,
    )


def over(
    method: str, other: str, key: str, criterion: Within = MORE, what: str = "", **more: Any
) -> Check:
    """A check of how many times the improvement of another method one has."""
    said = f"{IMPROVEMENT}, of {method} over that of {other}"
    return Check(key, criterion, f"{said}{'; ' * bool(what)}{what}", **more)


def by_task(method: str, other: str, **more: Any) -> tuple[Check, ...]:
    """The same comparison on each task."""
    return (
        over(method, other, "text", what="scientific docstrings", **more),
        over(method, other, "instructions", what="instructions", **more),
        Check(
            "classification",
            Within(low=0),
            f"classification: {ACCURACY} of {method} minus that of {other}",
            claimed="> 0",
        ),
    )


def faster(method: str, other: str, key: str, never: int = STEPS, **more: Any) -> Check:
    """A check of how many of another method's steps to its own last losses one needs, which counts
    `never` steps where it does not get there."""
    counted = f"all {STEPS}" if never == STEPS else str(never)
    return Check(
        key,
        LESS,
        f"steps of {method} until its training loss, a mean over 4 steps, is at most the mean and "
        f"one standard error of the last 4 of {other}, over {other}'s own steps to it; {counted} "
        "where it never gets there; geometric mean over seeds",
        **more,
    )


def area(method: str, other: str) -> Check:
    return Check(
        "area",
        Within(high=0),
        f"training loss (nats a token, mean over all steps) of {method} minus that of {other}",
        claimed="< 0",
        ours=True,
    )


TASKS: dict[str, Any] = {"assumptions": f"{SHARED}; {OTHER_TASKS}", "separates": "the task"}

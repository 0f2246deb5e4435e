"""The claims of `scaling.studies.adapters`.

No claim covers its source's scope, which is models of billions of parameters. Shares of a span are
the mean squared cosines of principal angles.
"""

from typing import Any

from loralab.claims import Check, Within
from scaling.studies.claims.findings import RMS
from scaling.studies.claims.language.checks import CHOSEN, STEPS, TEXT, TRAINING, claim

BATCHES = 16  # of the training data that the gradient signal is measured on
EARLY = STEPS // 6  # steps of LoRA after which directions are compared, as LoRA-Dash launches
DRAWS = 20  # of the null
ABOVE, LARGER = Within(low=0), Within(low=1)
TRIALS = "scaling.studies.trials.adapters"
SHARED = f"{TEXT}; {TRAINING}; {CHOSEN}"
LAYERS = (
    "the middle of the lower and of the upper half of the layers of each kind, one of those wider "
    "than 1024"
)


def shares(what: str, key: str, **more: Any) -> Check:
    return Check(key, ABOVE, what, **more)


CLAIMS = (
    claim(
        "LM10",
        "EVA's directions of largest activation variance maximise the expected gradient signal",
        "2410.07170",
        *(
            Check(
                key,
                LARGER,
                "tr(A Q A^T), Q = E |g|^2 x x^T, of EVA's rows, fitted to every other batch and "
                f"evaluated on the rest, over that of the top eigenvectors of Q, fitted likewise; "
                f"{how}; mean over {LAYERS}; mean over seeds",
                claimed="the maximum, 1",
            )
            for key, how in (
                ("centred", "covariance, as released"),
                ("uncentred", "second moment, as in the theorem"),
            )
        ),
        Check(
            "random",
            LARGER,
            "tr(A Q A^T), Q = E |g|^2 x x^T, of EVA's rows (centred), fitted to every other batch "
            "and evaluated on the rest, over what random orthonormal rows expect; geometric mean "
            "over seeds",
            ours=True,
        ),
        where="abstract",
        equation="theory.gradient_signal.optimum (3)",
        test="tests/scaling/advice/test_diagnostics.py"
        "::test_the_signal_is_a_share_of_the_gradient_optimum",
        trial=f"{TRIALS}.signals",
        assumptions=f"{TEXT}; the first {BATCHES} batches of 2 blocks of 128 tokens; rank 8",
    ),
    claim(
        "LM11",
        f"After {STEPS} steps LoRA's A still follows its initialization, and B the task",
        "2402.16842",
        shares(
            "share that the rows of A have in common after two tasks (text, instructions) from one "
            "initialization, minus that from two initializations; mean over layers and seeds",
            "A follows the initialization",
            claimed="> 0",
        ),
        shares(
            "share that the columns of B have in common after one task from two initializations, "
            "minus that after two tasks from two initializations; mean over layers and tasks",
            "B follows the task",
            claimed="> 0",
        ),
        shares(
            "share in common after two tasks from one initialization, of A's rows minus that of "
            "B's columns; mean over layers and seeds",
            "A more than B",
            claimed="> 0",
        ),
        where="figure 1",
        equation="theory.asymmetry.descent (2)",
        test="tests/scaling/studies/test_adapters.py::test_what_factors_share_is_measured_by_angles",
        trial=f"{TRIALS}.similarity",
        assumptions=f"{SHARED}; instructions: to say in one sentence what a Python function does, "
        "2 examples of at most 192 tokens a step; on each task at the learning rate that all seeds "
        "choose; seeds compared two by two, each in one pair",
        separates="the factor",
    ),
    claim(
        "LM12",
        "The larger learning rate of Init[A] makes the inner features A x larger, and they are "
        "larger than with Init[B]",
        "2406.08447",
        Check(
            "own rates",
            LARGER,
            f"{RMS} with Init[A] over that with Init[B], after training, each at its own best "
            "learning rate",
            claimed="> 1",
            predicted=LARGER,
        ),
        Check(
            "rate",
            LARGER,
            f"{RMS} with Init[A], after training at its best learning rate over that after "
            "training at the best one of Init[B]: the effect of the learning rate alone",
            claimed="> 1",
            predicted=LARGER,
        ),
        Check(
            "start",
            LARGER,
            f"control: {RMS} with Init[A] over that with Init[B], after training, both at the "
            "best learning rate of Init[B]: the effect of the initialization alone",
            predicted=LARGER,
            ours=True,
        ),
        Check(
            "untrained",
            LARGER,
            f"control: {RMS} with Init[A] before training, over that with Init[B] after training "
            "at its best learning rate",
            ours=True,
        ),
        where="abstract",
        equation="theory.lr_stability.stability (6)",
        test="tests/theory/lr_stability/test_stability.py"
        "::test_exponents_are_the_slopes_of_the_recursion_itself",
        trial="scaling.studies.trials.features.inner_features",
        assumptions=SHARED,
    ),
    claim(
        "LM13",
        "Of the core directions that full fine-tuning changes at the largest rates, LoRA finds "
        f"more after {EARLY} steps than chance",
        "2409.01035",
        *(
            shares(
                f"lift of the share of the 8 directions with the largest {score} of LoRA that are "
                "among the 16 of full fine-tuning, (P - P0) / (1 - P0), over a change turned at "
                f"random ({DRAWS} draws); mean over {LAYERS}; mean over seeds",
                key,
                **more,
            )
            for key, score, more in (
                ("rate", "change rates", {"claimed": ".75 to .82, without a null"}),
                ("change", "changes |u^T D v|, not divided by singular values,", {"ours": True}),
            )
        ),
        where="figure",
        equation="theory.task_directions.null (2)",
        test="tests/scaling/studies/test_adapters.py"
        "::test_directions_that_two_changes_share_are_found",
        trial=f"{TRIALS}.directions",
        assumptions=f"{TEXT}; full fine-tuning of the same layers for {STEPS} steps, LoRA in a run "
        f"of {EARLY} steps, each at its best learning rate in exploration; {TRAINING}",
    ),
)

"""The claims of `scaling.studies.findings`.

What a source says of language models was measured on a sentence encoder: no claim covers its
source's scope. The source's own sentence decides; "as well as" needs a margin, which is .02 of
accuracy, since the field's own finding is that tuned methods lie within 1 to 2 %. A control does
not decide a claim: it shows how much of an effect remains with rows of equal length, at equal
learning rates, or of equal rank.
"""

from typing import Any

from loralab.claims import Check, Claim, Kind, Scope, Within

MARGIN = 0.02
MORE, LESS, NOT_WORSE = Within(low=0), Within(high=1), Within(low=-MARGIN)
LARGER = Within(low=1)
SWEEP = "scaling.comparison.trials.fine_tuned"
TESTS = "tests/scaling/studies/test_quantities.py::"
STEPS = f"{TESTS}test_steps_are_to_the_loss_that_the_other_ends_at"
WIDTHS = f"{TESTS}test_widths_are_compared_seed_by_seed"
GAINS = f"{TESTS}test_a_difference_is_paired_by_seed"
MINILM = (
    "all-MiniLM-L6-v2 (22 M, a sentence encoder) with a new linear head learns which of "
    "matplotlib, numpy, scipy, sklearn, sympy, torch a docstring is of (300 opening paragraphs of "
    "each, a tenth for validation, 50 of each for the test, from other files; drawn anew for every "
    "seed)"
)
TRAINING = (
    "40 steps of 16 examples cut to 32 tokens, AdamW (betas .9, .999, eps 1e-8, no weight decay), "
    "learning rate falling linearly to 0 without warm-up, gradients clipped at 1; rank 8, alpha 16 "
    "on every linear layer but the head, which is trained too"
)
GRID = "1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2, up to three more where the best is at an end"
CHOSEN = (
    f"learning rates {GRID}; each method has the one with the least mean validation loss over 8 "
    "seeds, and is compared at it on 40 other seeds"
)
SHARED = f"{MINILM}; {TRAINING}; {CHOSEN}"
ALL_RATES = f"{MINILM}; {TRAINING}; learning rates {GRID}, 8 seeds at each"
ON = "on a 22 M sentence encoder, 40 steps"
RMS = "rms of A x (over tokens and rank, geometric mean over layers, in the first batch of the run)"
CONTROL = "random orthogonal rows as long as EVA's"


def claim(id: str, sentence: str, source: str, *checks: Check, **others: Any) -> Claim:
    """A claim on the encoder, outside the scope of its source."""
    given: dict[str, Any] = {"assumptions": SHARED, "test": GAINS, "trial": SWEEP} | others
    return Claim(
        id,
        f"{sentence}, {ON}.",
        source,
        checks,
        kind=Kind.EFFECT,
        scope=Scope.ENCODER,
        covers=source == "derived",
        **given,
    )


def accuracy(
    first: str, second: str, key: str = "accuracy", criterion: Within = MORE, **others: Any
) -> Check:
    """A check of the difference of two test accuracies."""
    margin = "; a difference below .02 counts as equal" if criterion is not MORE else ""
    return Check(key, criterion, f"test accuracy {first} minus {second}{margin}", **others)


def steps(over: str, where: str, **others: Any) -> str:
    return (
        f"steps of EVA until its training loss, a mean over 4 steps, is at most the mean and one "
        f"standard error of {over} last 4, over {over} own steps to it, {where}"
    )


CLAIMS = (
    claim(
        "S1",
        "The best learning rate of LoRA is larger with Init[A], the default, than with Init[B]",
        "2406.08447",
        Check(
            "learning rate",
            LARGER,
            "best learning rate with Init[A] over that with Init[B], seed by seed, each the vertex "
            "of the parabola of the validation loss in the logarithm of the learning rate through "
            "the best one tried and its neighbours",
            claimed="> 1",
            predicted=LARGER,
        ),
        assumptions=ALL_RATES,
        where="abstract",
        equation="theory.lr_stability.stability (4)",
        test="tests/theory/lr_stability/test_stability.py"
        "::test_the_closed_form_of_the_largest_single_rate",
    ),
    claim(
        "S1c",
        "LoRA ends at a higher accuracy with Init[A] than with Init[B]",
        "2406.08447",
        accuracy("with Init[A]", "that with Init[B]", claimed="> 0"),
        accuracy("with Init[A]", "that with Init[B]", "no worse", NOT_WORSE, ours=True),
        where="abstract",
    ),
    claim(
        "S1b",
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
            "best learning rate of Init[B]: the effect of the start alone",
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
        assumptions=f"{ALL_RATES}, which choose the best one and are compared at it (the choice is "
        "repeated in every resample)",
        where="abstract",
        equation="theory.lr_stability.stability (6)",
        test="tests/theory/lr_stability/test_stability.py"
        "::test_exponents_are_the_slopes_of_the_recursion_itself",
        trial="scaling.studies.trials.features.inner_features",
    ),
    claim(
        "S2",
        "EVA converges faster than LoRA, each at its own best learning rate",
        "2410.07170",
        Check("LoRA", LESS, steps("LoRA's", "each at its best learning rate"), claimed="< 1"),
        Check(
            "orthogonal",
            LESS,
            f"control: {steps('their', 'each at its best learning rate')}, of {CONTROL}",
            ours=True,
        ),
        where="abstract",
        test=STEPS,
    ),
    claim(
        "S2c",
        "At one learning rate for both, half a decade below LoRA's best, EVA converges faster "
        "than LoRA, and than random orthogonal rows of equal length",
        "derived",
        Check(
            "LoRA",
            LESS,
            steps("LoRA's", "both at the next learning rate below LoRA's best"),
            predicted=LESS,
        ),
        Check(
            "orthogonal",
            LESS,
            f"{steps('their', 'both at the next learning rate below the best of LoRA')}, of "
            f"{CONTROL}: the effect of the directions alone",
            predicted=LESS,
        ),
        assumptions=ALL_RATES,
        separates="whether the rows that EVA is compared with are as long as its own",
        equation="theory.gradient_signal.optimum (2)",
        test=STEPS,
    ),
    claim(
        "S2b",
        "EVA ends at a higher accuracy than LoRA",
        "2410.07170",
        accuracy("of EVA", "LoRA's", "LoRA", claimed="> 0"),
        accuracy("of EVA", f"that of the control, {CONTROL}", "orthogonal", ours=True),
        where="abstract",
    ),
    claim(
        "S3",
        "Training B alone ends at a higher accuracy than training A alone",
        "2402.16842",
        accuracy("of B alone (A random)", "that of A alone (B random)", claimed="> 0"),
        assumptions=f"{SHARED}; both train as many values, as the layers read as many values as "
        "they write",
        where="abstract",
        equation="theory.asymmetry.frozen_factor (7)",
        test="tests/theory/asymmetry/test_laws.py::test_sign_condition",
    ),
    claim(
        "S4",
        "LoRA with a random frozen A and twice the rank, which is the budget of LoRA, is as good "
        "as LoRA with a trained A",
        "2402.16842",
        accuracy(
            "of B alone at rank 16, alpha 32",
            "that of LoRA at rank 8",
            criterion=NOT_WORSE,
            claimed="nearly as well",
        ),
        where="abstract",
        equation="theory.asymmetry.frozen_factor (5)",
        test="tests/theory/asymmetry/test_laws.py::test_means_over_random_frozen_factors",
    ),
    claim(
        "S4b",
        "LoRA with a random frozen A is as good as LoRA with a trained A of equal rank",
        "2402.16842",
        accuracy(
            "of B alone at rank 8",
            "that of LoRA at rank 8",
            criterion=NOT_WORSE,
            claimed="nearly as well",
        ),
        where="abstract",
        equation="theory.asymmetry.frozen_factor (5)",
        test="tests/theory/asymmetry/test_laws.py::test_means_over_random_frozen_factors",
    ),
    claim(
        "S5",
        "OP-LoRA is less sensitive to the learning rate than LoRA",
        "2412.10362",
        Check(
            "decades",
            MORE,
            "decades of learning rates, of those tried, whose test accuracy is within .02 of the "
            "method's best, linear in between, seed by seed: OP-LoRA's minus LoRA's",
            claimed="> 0",
        ),
        assumptions=ALL_RATES,
        where="abstract",
        test=WIDTHS,
    ),
    claim(
        "S5b",
        "OP-LoRA ends at a higher accuracy than LoRA",
        "2412.10362",
        accuracy("of OP-LoRA", "LoRA's", claimed="> 0"),
        where="abstract",
    ),
    claim(
        "S6",
        "LoRA-Dash, whose directions are chosen after the first step, ends at a higher accuracy "
        "than LoRA",
        "2409.01035",
        accuracy("of LoRA-Dash at rank 8", "that of LoRA at rank 8", "equal rank", claimed="> 0"),
        accuracy(
            "of LoRA-Dash at rank 8",
            "that of LoRA at rank 8",
            "no difference",
            Within(-MARGIN, MARGIN),
            ours=True,
        ),
        accuracy(
            "of LoRA-Dash at rank r = 8 with s = 8 directions",
            "that of the control, LoRA at rank r + s = 16 and alpha 32",
            "rank r + s",
            ours=True,
        ),
        assumptions=f"{SHARED}; the source launches the directions after 100 of about 32000 steps, "
        "of 40 steps the soonest is after the first",
        where="abstract",
        equation="theory.task_directions.learning (6)",
    ),
    claim(
        "S7",
        "LoRA ends at a higher accuracy with the Nyström initialization of NoRA than with the "
        "default one",
        "2410.18965",
        accuracy("with the Nyström initialization", "LoRA's", claimed="> 0"),
        where="abstract",
        equation="theory.nystrom.sketch (1)",
    ),
    claim(
        "S7b",
        "A Nyström sketch of the gradient, which the theory asks for, is a better initialization "
        "than a Nyström sketch of the weight",
        "derived",
        accuracy(
            "with a sketch of the gradient", "that with one of the weight", "weight", predicted=MORE
        ),
        accuracy("with a sketch of the gradient", "that of LoRA's default", "LoRA", ours=True),
        equation="theory.nystrom.asymmetric (3)",
    ),
)

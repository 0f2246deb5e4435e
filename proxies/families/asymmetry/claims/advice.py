"""Whether moments of a layer predict which factor to freeze."""

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.asymmetry.claims.explained import LAWS, TRIALS

BEYOND_CHANCE = Within(low=0.5)

CLAIMS = (
    Claim(
        "A15",
        "Moments of a layer's inputs and output gradients predict which factor to freeze.",
        "derived",
        (
            Check(
                "least squares",
                BEYOND_CHANCE,
                "least squares, unseen spectra of inputs and errors: share of decided cases "
                "predicted rightly",
                predicted="1",
            ),
            Check(
                "teacher networks",
                BEYOND_CHANCE,
                "teacher networks, unseen sizes and spectra: share of decided cases predicted "
                "rightly",
                predicted="1",
            ),
        ),
        "theory.asymmetry.freezing, a local quadratic model with the true curvature, where the "
        "outcome is decided; the criterion, better than chance, replaced one of 0.75 after a first "
        "inspection of these cases",
        equation="theory.asymmetry.freezing (2)",
        test=f"{LAWS}::test_advice",
        trial=f"{TRIALS}.advice.linear",
    ),
    Claim(
        "A15b",
        "Moments of a layer's inputs and output gradients predict which factor to freeze in a "
        "classifier that is taken to new labels.",
        "derived",
        (
            Check(
                "digits",
                BEYOND_CHANCE,
                "single layers on digits, rank 2, 8 and 16: share of decided cases predicted "
                "rightly",
                predicted="1",
                expected=Verdict.REFUTED,
            ),
        ),
        "as A15, with the Fisher matrix for the curvature; with E[g g^T] over the true labels the "
        "score is that of a coin. Far from its pretrained weights a network is not quadratic, and "
        "a frozen B does better at rank 8 and 16 than predicted",
        equation="theory.asymmetry.freezing (2)",
        test="tests/proxies/asymmetry/test_trials.py::"
        "test_the_fisher_matrix_is_the_covariance_of_gradients_over_drawn_labels",
        trial=f"{TRIALS}.advice.on_digits",
    ),
)

"""E9: test losses after training, each initialization at its own best learning rate.

COMPARISONS says which losses are divided for each claim: of it the checks are made here, and their
values in the family's evidence.
"""

from dataclasses import dataclass

from loralab.claims import Check, Claim, Verdict, Within
from proxies.families.gradient_signal.claims.links import (
    BUDGETS,
    DIGITS,
    DIGITS_ADAM,
    DIGITS_SGD,
    DOCSTRINGS,
    EVA,
    TEXT,
    THEORY,
    TRIAL_TESTS,
    TRIALS,
)

SHORT, MIDDLE, LONG = BUDGETS
SETTINGS = {
    DIGITS_ADAM: f"{DIGITS}, Adam",
    DIGITS_SGD: f"{DIGITS}, SGD",
    DOCSTRINGS: f"{TEXT}, Adam",
}
LESS = Within(high=0.93)
SWEEP = (
    "rank 4, test losses paired over splits of the data; 9 learning rates or more, a third of a "
    "decade apart, each initialization and number of steps with its own best by a validation "
    "split, which lies inside"
)
TRAINING = f"{TRIAL_TESTS}/test_tuning.py::test_training"
TUNED = f"{TRIALS}.tuning.tuned"


@dataclass(frozen=True)
class Case:
    """One setting in which two initializations are compared.

    Args:
        task: data and optimizer, a key of SETTINGS.
        steps: of training.
    """

    task: tuple[str, str]
    steps: int

    @property
    def key(self) -> str:
        return f"{' '.join(self.task)}, {self.steps} steps"

    def __str__(self) -> str:
        return f"{SETTINGS[self.task]}, {self.steps} steps"


@dataclass(frozen=True)
class Comparison:
    """The test loss of the first initialization over that of the second, in each case."""

    first: str
    second: str
    cases: tuple[Case, ...]


ON_TEXT = (Case(DOCSTRINGS, SHORT), Case(DOCSTRINGS, MIDDLE))
COMPARISONS = {
    "E9": Comparison(
        "EVA",
        "default",
        (*(Case(DIGITS_ADAM, n) for n in BUDGETS), Case(DIGITS_SGD, LONG), *ON_TEXT),
    ),
    "E9b": Comparison("EVA", "same E|Ax|^2", (Case(DIGITS_ADAM, SHORT), Case(DIGITS_SGD, SHORT))),
    "E9c": Comparison("EVA rotated", "EVA", (Case(DIGITS_SGD, MIDDLE), Case(DIGITS_ADAM, MIDDLE))),
    "E9d": Comparison("gradient_signal", "EVA", ON_TEXT),
    "E9e": Comparison("gradient SVD", "EVA", ON_TEXT),
}


def _check(
    case: Case, criterion: Within, quantity: str, claimed: str, predicted: str, refuted: bool
) -> Check:
    expected = Verdict.REFUTED if refuted else Verdict.HOLDS
    return Check(case.key, criterion, f"{case}: {quantity}", claimed, predicted, expected)


CLAIMS = (
    Claim(
        "E9",
        "At its own best learning rate EVA has a test loss at least 7 % below that of the default "
        "initialization.",
        EVA,
        tuple(
            _check(case, LESS, "test loss over the default's", "< 1", "", case in ON_TEXT)
            for case in COMPARISONS["E9"].cases
        ),
        f"{SWEEP}; the 7 % was set on other splits, these were not seen before",
        test=TRAINING,
        trial=TUNED,
    ),
    Claim(
        "E9b",
        "After 10 steps EVA is ahead by the direction of its rows too, not only by the size of "
        "A x.",
        "derived",
        tuple(
            _check(
                case,
                Within(high=1),
                "EVA's test loss over that of random orthonormal rows with EVA's E|Ax|^2",
                "",
                "< 1",
                False,
            )
            for case in COMPARISONS["E9b"].cases
        ),
        f"{SWEEP}; at 40 steps ten splits do not decide: 0.79 for Adam on one set of ten, 1.02 on "
        "the next",
        equation=f"{THEORY}.optimum (7)",
        test=TRAINING,
        trial=TUNED,
    ),
    Claim(
        "E9c",
        "The choice of an orthonormal basis of EVA's row space does not change the test loss.",
        EVA,
        tuple(
            _check(
                case,
                Within(high=1e-3),
                "relative change of EVA's test loss by O A for A, O a random rotation",
                "0",
                "> 0" if adam else "0",
                adam,
            )
            for case in COMPARISONS["E9c"].cases
            for adam in (case.task == DIGITS_ADAM,)
        ),
        f"{SWEEP}; (B, A) -> (B O^T, O A) is a symmetry of gradient descent, not of Adam",
        equation=f"{THEORY}.optimum (2)",
        test=f"{TRIAL_TESTS}/test_tuning.py::test_a_rotation_is_a_symmetry_of_gradient_descent_alone",
        trial=TUNED,
    ),
    Claim(
        "E9d",
        "The initialization of the largest gradient signal of a token (gradient_signal) has a test "
        "loss at least 7 % below EVA's.",
        EVA,
        tuple(
            _check(case, LESS, "test loss of gradient_signal over EVA's", "< 1", "", True)
            for case in COMPARISONS["E9d"].cases
        ),
        SWEEP,
        equation=f"{THEORY}.optimum (2)",
        test=TRAINING,
        trial=TUNED,
    ),
    Claim(
        "E9e",
        "The initialization of the largest gradient signal of the whole data set, the right "
        "singular vectors of G, ends below EVA.",
        "derived",
        tuple(
            _check(case, Within(high=1), "test loss of gradient SVD over EVA's", "", "< 1", False)
            for case in COMPARISONS["E9e"].cases
        ),
        SWEEP,
        equation=f"{THEORY}.batch (1)",
        test=TRAINING,
        trial=TUNED,
    ),
)

"""E9: test losses after training, each initialization at its own best learning rate.

COMPARISONS says which losses are divided for each check: of it the checks are made here, and their
values in the family's evidence.
"""

from dataclasses import dataclass

from loralab.claims import Check, Claim, Scope, Within
from proxies.families.gradient_signal.claims.links import (
    DIGITS_NETWORK,
    EVA,
    TESTS,
    THEORY,
    TRIAL_TESTS,
    TRIALS,
)
from proxies.families.gradient_signal.setting import (
    BUDGETS,
    CHOOSING,
    COMPETITORS,
    PACKAGES,
    PROBE,
    RANK,
    SPLIT_SIZES,
    TOKENS,
    TRAINED,
)

SHORT, MIDDLE, LONG = BUDGETS
DIGITS, SGD, PHOTOGRAPHS, DOCSTRINGS, CODE = TRAINED
SIZES = {name: "/".join(map(str, sizes)) for name, sizes in SPLIT_SIZES.items()}
SETTINGS = {
    DIGITS: f"digits: a {DIGITS_NETWORK}, adapted to other digits turned by 90 degrees",
    PHOTOGRAPHS: "photographs: a ReLU network of linear layers 48-64-64-16 that predicts the inner "
    "4 x 4 pixels of a grey 8 x 8 patch from the 48 around them (mean square error), trained on "
    "2000 patches of scikit-learn's china.jpg, else as on digits, and adapted to flower.jpg",
    DOCSTRINGS: "docstrings: the last dense layer of all-MiniLM-L6-v2 (1536 to 384), at the first "
    f"of up to {TOKENS} tokens of a docstring's first paragraph, then the residual, LayerNorm and "
    f"a frozen softmax probe fitted on {PROBE} other texts; which of {len(PACKAGES)} packages "
    f"({', '.join(PACKAGES)}) it is from",
    CODE: "code: as docstrings, of the first three statements of a function or class",
}
DATA = (
    f"{SIZES['digits']} digits to train on, choose the learning rate by and test on, of one data "
    "set that every seed splits anew (interval with the variance corrected for re-splits); "
    f"{SIZES['photographs']} patches and {SIZES['docstrings']} texts a seed, none in two seeds "
    "(independent)"
)
SWEEP = (
    f"adapters of rank {RANK}, s = 1, on all linear layers named; batch 32; Adam (betas 0.9, "
    "0.999, eps 1e-8) or plain gradient descent, constant learning rate, no weight decay; learning "
    "rates a third of a decade apart, from 10^(-11/3) to 0.1 for Adam (10^(-10/3) to 10^(-5/3) on "
    "text) and 10^(-5/3) to 10 for gradient descent, and further while the best is outermost; each "
    "initialization and number of steps has its own, with the least mean validation loss of "
    f"{CHOOSING} seeds that are not compared; a compared run that diverges counts with the loss "
    f"that it began with; {DATA}"
)
RATIO = "geometric mean over seeds of the ratio of test losses"
TRAINING = f"{TRIAL_TESTS}/test_tuning.py::test_training"
TUNED = f"{TRIALS}.tuning.tuned"
Task = tuple[str, str]


@dataclass(frozen=True)
class Comparison:
    """The test loss of the first initialization over that of the second.

    Args:
        key: of the check.
        first, second: names of initializations.
        task: data and optimizer.
        steps: of training.
    """

    key: str
    first: str
    second: str
    task: Task
    steps: int

    @property
    def condition(self) -> str:
        optimizer = {"adam": "Adam", "sgd": "gradient descent"}[self.task[1]]
        return f"{self.task[0]}, {optimizer}, {self.steps} steps"


def _compared(first: str, second: str, tasks: dict[Task, tuple[int, ...]]) -> list[Comparison]:
    return [
        Comparison(f"{' '.join(task)}, {n} steps", first, second, task, n)
        for task, budgets in tasks.items()
        for n in budgets
    ]


EARLY = dict.fromkeys((DIGITS, PHOTOGRAPHS, DOCSTRINGS, CODE), (SHORT, MIDDLE))
COMPARISONS: dict[str, list[Comparison]] = {
    "E9": _compared(
        "EVA",
        "default",
        {**EARLY, DIGITS: BUDGETS, PHOTOGRAPHS: BUDGETS, SGD: (LONG,)},
    ),
    "E9b": _compared("EVA", "same E|Ax|^2", {**EARLY, SGD: (SHORT, MIDDLE)}),
    "E9c": _compared("EVA rotated", "EVA", {SGD: (MIDDLE,), DIGITS: (MIDDLE,)}),
    "E9d": _compared("gradient_signal", "EVA", EARLY),
    "E9e": _compared("gradient SVD", "EVA", EARLY),
    "E9f": [
        Comparison(f"{other}, {each.key}", "EVA", other, each.task, each.steps)
        for other in COMPETITORS
        for each in _compared("EVA", other, dict.fromkeys(EARLY, (SHORT,)))
    ],
    "E9g": _compared("EVA, ranks moved", "EVA", {DIGITS: (MIDDLE,), PHOTOGRAPHS: (MIDDLE,)}),
}
RELEVANT = Within(high=0.93)
"""The margin of this project for a difference that matters: 7 %."""


def margin(each: Comparison) -> str:
    """The key of the check of that margin."""
    return f"{each.key}, by 7 %"


def _checks(id: str, quantity: str, **fields: str) -> tuple[Check, ...]:
    return tuple(
        Check(each.key, Within(high=1), f"{each.condition}: {RATIO}, {quantity}", **fields)
        for each in COMPARISONS[id]
    )


def _described(*tasks: Task) -> str:
    return f"{SWEEP}. {'. '.join(SETTINGS[task] for task in tasks)}"


EVERYWHERE = _described(DIGITS, PHOTOGRAPHS, DOCSTRINGS, CODE)
PLACES = "small networks on digits and photographs and one linear layer of MiniLM on two texts"

CLAIMS = (
    Claim(
        "E9",
        "At its own best learning rate EVA has a lower test loss than the default initialization "
        f"of LoRA, on {PLACES}, 10 to 160 steps.",
        EVA,
        (
            *_checks("E9", "EVA over the default", claimed="< 1"),
            *(
                Check(
                    margin(each),
                    RELEVANT,
                    f"{each.condition}: {RATIO}, EVA over the default, is it 7 % less",
                    ours=True,
                )
                for each in COMPARISONS["E9"]
            ),
        ),
        EVERYWHERE,
        test=TRAINING,
        trial=TUNED,
        scope=Scope.SMALL,
        covers=False,
        where="abstract: faster convergence",
        separates="pictures against text",
    ),
    Claim(
        "E9b",
        "EVA has a lower test loss than random orthonormal rows of equal E|Ax|^2, so that it is "
        "ahead by the direction of its rows and not only by the size of A x, on "
        f"{PLACES}, 10 and 40 steps.",
        "derived",
        _checks("E9b", "EVA over random orthonormal rows as long as gives EVA's E|Ax|^2"),
        EVERYWHERE,
        equation=f"{THEORY}.optimum (7)",
        test=TRAINING,
        trial=TUNED,
        scope=Scope.SMALL,
        separates="digits against the others",
    ),
    Claim(
        "E9c",
        "Turning EVA's rows by an orthogonal matrix changes the test loss after 40 steps of Adam "
        "and not of gradient descent, in a small network on digits.",
        "derived",
        (
            Check(
                COMPARISONS["E9c"][0].key,
                Within(high=1e-3),
                f"{COMPARISONS['E9c'][0].condition}: mean over seeds of |ratio - 1|, test loss of "
                "O A over that of A, O a random rotation",
                predicted=Within(high=1e-5),
            ),
            Check(
                COMPARISONS["E9c"][1].key,
                Within(low=1e-3),
                f"{COMPARISONS['E9c'][1].condition}: mean over seeds of |ratio - 1|, test loss of "
                "O A over that of A, O a random rotation",
                predicted=Within(low=1e-3),
            ),
        ),
        f"(B, A) -> (B O^T, O A) is a symmetry of gradient descent. {_described(DIGITS)}",
        equation=f"{THEORY}.optimum (2)",
        test=f"{TRIAL_TESTS}/test_tuning.py::test_a_rotation_is_a_symmetry_of_gradient_descent_alone",
        trial=TUNED,
        scope=Scope.SMALL,
    ),
    Claim(
        "E9d",
        "The initialization of the largest gradient signal of a token (gradient_signal) has a "
        f"lower test loss than EVA, on {PLACES}, 10 and 40 steps.",
        "derived",
        _checks("E9d", "gradient_signal over EVA"),
        f"{EVERYWHERE}. gradient_signal: B = 0, A the top eigenvectors of E[|g|^2 x x^T]",
        equation=f"{THEORY}.optimum (2)",
        test=TRAINING,
        trial=TUNED,
        scope=Scope.SMALL,
    ),
    Claim(
        "E9e",
        "The initialization of the largest gradient signal of the whole data set, the right "
        "singular vectors of the gradient G with B = 0, has a lower test loss than EVA, on "
        f"{PLACES}, 10 and 40 steps.",
        "derived",
        _checks("E9e", "the right singular vectors of G over EVA"),
        EVERYWHERE,
        equation=f"{THEORY}.batch (1)",
        test=TRAINING,
        trial=TUNED,
        scope=Scope.SMALL,
        separates="text against pictures",
    ),
    Claim(
        "E9f",
        "After 10 steps EVA has a lower test loss than PiSSA, OLoRA, CorDA and LoRA-GA, each at "
        f"its own best learning rate, on {PLACES}.",
        EVA,
        _checks("E9f", "EVA over the competitor", claimed="< 1"),
        f"{EVERYWHERE}. Competitors as the library has them, with their default options; B A is "
        "taken back from the frozen weight, so that all begin at one loss",
        test=TRAINING,
        trial=TUNED,
        scope=Scope.SMALL,
        covers=False,
        where="abstract: faster convergence than competitors",
        separates="the competitor and the data",
    ),
    Claim(
        "E9g",
        "EVA with ranks moved by explained variance (rho = 2) trains fewer parameters than with "
        "equal ranks, and has no higher test loss, in small networks on digits and photographs, 40 "
        "steps.",
        EVA,
        (
            *_checks("E9g", "EVA with moved ranks over EVA with equal ones", claimed="<= 1"),
            *(
                Check(
                    f"parameters, {each.task[0]}",
                    Within(high=1),
                    f"{each.task[0]}: mean over seeds of the number of trained parameters, moved "
                    "ranks over equal ones",
                    claimed="< 1",
                )
                for each in COMPARISONS["E9g"]
            ),
        ),
        f"{_described(DIGITS, PHOTOGRAPHS)}. The budget is the sum of the equal ranks, a layer "
        "takes at most twice its share, s stays 1",
        equation=f"{THEORY}.budget (2)",
        test=f"{TESTS}/test_budget.py::test_a_budget_of_parameters_comes_within_one_component",
        trial=TUNED,
        scope=Scope.SMALL,
        covers=False,
        where="abstract: reducing the number of trainable parameters",
    ),
    Claim(
        "E11",
        "EVA has the highest average score of all LoRA initializations over tasks of language, "
        "images and reinforcement learning.",
        EVA,
        untestable="An average over 7B to 70B language models, GLUE, VTAB-1K and Meta-World needs "
        "GPUs that this project does not have; what small tasks show is in E9, E9f and S2b.",
        where="abstract",
    ),
    Claim(
        "E11b",
        "EVA is a new Pareto frontier of accuracy against the number of trained parameters among "
        "LoRA initializations.",
        EVA,
        untestable="Needs scores of each initialization over a range of parameter numbers on the "
        "models of the paper; what a frontier of the gradient signal is stands in "
        "theory.gradient_signal.budget (2), and E9g measures one point of it.",
        where="abstract",
    ),
)

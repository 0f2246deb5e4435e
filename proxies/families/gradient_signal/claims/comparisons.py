"""What E9 compares after training, and how: which test losses are divided for each check. Of
COMPARISONS checks are made, and their values in the family's evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxies.families.gradient_signal.claims.links import DIGITS_NETWORK
from proxies.families.gradient_signal.claims.setting import (
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
    "2000 patches of scikit-learn's china.jpg (mean of red, green and blue over 255, patches side "
    "by side), else as on digits, and adapted to flower.jpg",
    DOCSTRINGS: "docstrings: the last dense layer of all-MiniLM-L6-v2 (1536 to 384), at the first "
    f"of up to {TOKENS} tokens of a docstring's first paragraph, then the residual, LayerNorm and "
    f"a frozen softmax probe fitted on {PROBE} other texts; which of {len(PACKAGES)} packages "
    f"({', '.join(PACKAGES)}) it is from",
    CODE: "code: as docstrings, of the first three statements of a function or class",
}
DATA = (
    f"{SIZES['digits']} digits to train on, choose the learning rate by and test on, of one data "
    "set that every seed splits anew (variance of the mean of J seeds: 1/J + 240/600 times that of "
    "one); "
    f"{SIZES['photographs']} patches and {SIZES['docstrings']} texts a seed, none in two seeds "
    "(independent)"
)
SWEEP = (
    f"adapters of rank {RANK}, s = 1, on all linear layers named, all else frozen; EVA: the "
    "centred inputs' leading directions in the pretrained network on all training examples, rows "
    "of length 1; default: A uniform within +-1/sqrt(inputs); B = 0 for both; batches of 32 drawn "
    "with replacement, the same for all; Adam (betas 0.9, "
    "0.999, eps 1e-8) or plain gradient descent, constant learning rate, no weight decay; learning "
    "rates a third of a decade apart, from 10^(-11/3) to 0.1 for Adam (10^(-10/3) to 10^(-5/3) on "
    "text) and 10^(-5/3) to 10 for gradient descent, and further while the best is outermost; each "
    "initialization and number of steps has its own, with the least mean validation loss of "
    f"{CHOOSING['digits']} seeds on digits, {CHOOSING['code']} elsewhere, that are not compared; a "
    f"compared run whose loss is not finite counts with the loss that it began with; {DATA}"
)
RATIO = "geometric mean over seeds of the ratio of test losses"
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

    @property
    def quantity(self) -> str:
        return f"{RATIO}, {_called(self.first)} over {_called(self.second)}"


def _called(name: str) -> str:
    others = {
        "default": "the default initialization",
        "same E|Ax|^2": "random orthonormal rows, as long as gives EVA's E|Ax|^2",
        "gradient SVD": "the right singular vectors of G",
        "EVA, ranks moved": "EVA with moved ranks",
    }
    return others.get(name, name)


def _compared(first: str, second: str, tasks: Mapping[Task, tuple[int, ...]]) -> list[Comparison]:
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
    "E9h": _compared("EVA, ranks moved", "EVA", {DIGITS: (MIDDLE,), PHOTOGRAPHS: (MIDDLE,)}),
}


def margin(each: Comparison) -> str:
    """The key of the check of that margin."""
    return f"{each.key}, by 7 %"


def described(*tasks: Task) -> str:
    return f"{SWEEP}. {'. '.join(SETTINGS[task] for task in tasks)}"


EVERYWHERE = described(DIGITS, PHOTOGRAPHS, DOCSTRINGS, CODE)
PLACES = "small networks on digits and photographs and one linear layer of MiniLM on two texts"

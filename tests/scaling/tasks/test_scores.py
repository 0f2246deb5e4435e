"""What a task says of one example agrees with what it says of all."""

import math

import pytest

from scaling.comparison.report import SCORES
from scaling.core.task import Data
from scaling.tasks import TASKS, find

WORDS = ("red", "green", "blue")
# the first metric of the tasks of which `rows_of` has no rows; their own tests have its name too
FIRST = {
    "image_generation": "cmmd",
    "multiple_choice": "accuracy",
    "offline_rl": "normalised_score",
}


def rows_of(task: str) -> tuple[list[dict], Data]:
    """Rows as the task's `predict` makes them, some better than others."""
    right = [(a, b) for a in WORDS for b in WORDS]
    facts = {"classes": WORDS, "domains": False, "numbered": True, "words": 1}
    loss = [{"loss": 2.0 * i, "tokens": 4, "bytes": 8} for i in range(len(right))]
    made = {
        "text_classification": lambda a, b: {"label": a, "prediction": b, "logits": [0.0]},
        "image_classification": lambda a, b: {"label": a, "prediction": b, "logits": [0.0]},
        "causal_lm": lambda a, b: {"answer": a, "prediction": b},
        "vision_language": lambda a, b: {"answer": a, "prediction": f" {b.upper()}"},
        "seq2seq_lm": lambda a, b: {"target": f"{a} apple", "written": f"{b} apple", "lead": a},
    }[task]
    return [made(a, b) | part for (a, b), part in zip(right, loss, strict=True)], Data(
        [], [], facts
    )


@pytest.mark.parametrize(
    "name",
    ["text_classification", "image_classification", "causal_lm", "vision_language", "seq2seq_lm"],
)
def test_the_mean_score_is_the_first_metric(name):
    task = find(name)
    rows, data = rows_of(name)
    assert task.score
    scores = [task.score(row) for row in rows]
    first = next(iter(task.metrics(rows, data).values()))
    assert 0 < first < 1
    # a sum of nine numbers
    assert sum(scores) / len(scores) == pytest.approx(first, rel=8 * 2**-52)


@pytest.mark.parametrize("name", TASKS)
def test_a_sweep_says_what_the_score_of_a_task_is(name):
    """By its first metric; where a run has one score alone, it is the metric negated."""
    task = find(name)
    first = FIRST.get(name) or next(iter(task.metrics(*rows_of(name))))
    assert (first in SCORES) == (task.score is not None)


def test_of_numbers_the_score_is_minus_the_squared_error():
    task, rows = (
        find("text_classification"),
        [{"label": 1.0, "prediction": 3.0}, {"label": 2, "prediction": 2.0}],
    )
    assert task.score
    assert [task.score(row) for row in rows] == [-4.0, 0.0]
    metrics = task.metrics(rows, Data([], [], {"classes": None}))
    assert metrics["mean_squared_error"] == 2.0
    assert next(iter(metrics)) in SCORES


def test_of_texts_the_score_is_minus_the_loss_of_a_token():
    task, row = find("causal_lm"), {"loss": 6.0, "tokens": 4, "bytes": 8}
    assert task.score
    assert task.score(row) == -1.5
    metrics = task.metrics([row], Data([], [], {"numbered": False}))
    assert metrics["perplexity"] == pytest.approx(math.exp(1.5))
    assert next(iter(metrics)) in SCORES


def test_only_drawn_images_are_judged_all_together():
    assert [name for name in TASKS if find(name).score is None] == ["image_generation"]

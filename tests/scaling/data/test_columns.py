"""Which columns are read: those that are named, else a form of the task that the data have."""

import pytest

from scaling.data.columns import FORMS, columns_of
from scaling.tasks import TASKS


def test_every_task_has_its_columns():
    assert set(FORMS) == set(TASKS)


@pytest.mark.parametrize(
    ("task", "held", "expected"),
    [
        ("causal_lm", ("text",), ("text",)),
        ("causal_lm", ("text", "prompt", "answer"), ("prompt", "answer")),
        ("causal_lm", ("messages", "text"), ("messages",)),
        ("causal_lm", ("prompt",), ("text",)),
        ("text_classification", ("label", "id", "text"), ("text", "label")),
        ("image_generation", ("image", "label", "text"), ("image", "text")),
        ("image_generation", ("image", "label"), ("image", "label")),
        ("image_generation", ("picture",), ("image",)),
    ],
)
def test_the_form_that_the_data_have_is_taken(task, held, expected):
    assert columns_of(task, (), held) == expected


def test_names_of_a_user_are_taken_as_they_are():
    assert columns_of("causal_lm", ("question", "answer"), ("text",)) == ("question", "answer")
    with pytest.raises(ValueError, match="must be text label, or text text label, got 4 of them"):
        columns_of("text_classification", tuple("abcd"), ())

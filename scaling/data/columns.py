"""The columns that a task reads of its data, in the order in which it reads them.

Importing this file loads no torch, so that a column that is missing is said at once.
"""

from collections.abc import Container, Sequence

# by task, each of the forms that its data may have; of data without the columns of any, the last
# form says which are missed
FORMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "causal_lm": (("messages",), ("prompt", "answer"), ("text",)),
    "image_classification": (("image", "label"),),
    "image_generation": (("image", "text"), ("image", "label"), ("image",)),
    "multiple_choice": (("prompt", "choices", "answer"),),
    "offline_rl": (("observations", "actions", "rewards"),),
    "seq2seq_lm": (("text", "summary"),),
    "text_classification": (("text", "label"), ("text", "text", "label")),
    "vision_language": (("image", "question", "answer"),),
}


def columns_of(task: str, named: Sequence[str], record: Container[str]) -> tuple[str, ...]:
    """Those that are named, else the task's own that the data have.

    Args:
        task: its name.
        named: the names of a user, none or as many as a form of the task has.
        record: the first one of the data.

    Raises: ValueError for another number of names.
    """
    check_count(task, named)
    held = (form for form in FORMS[task] if all(column in record for column in form))
    return tuple(named) or next(held, FORMS[task][-1])


def check_count(task: str, named: Sequence[str]) -> None:
    """Raise ValueError unless there are as many names as a form of the task has, or none."""
    if named and len(named) not in map(len, FORMS[task]):
        forms = ", or ".join(" ".join(form) for form in FORMS[task])
        raise ValueError(f"columns must be {forms}, got {len(named)} of them")

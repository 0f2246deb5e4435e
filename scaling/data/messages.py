"""Conversations as tokens: of a list of messages, what is read and what is learnt.

All of the assistant's turns are learnt, each from after its opening to its end token, and nothing
else is. Where they stand is found by rendering the conversation up to each turn: a chat template
must render a conversation's beginning as it renders the beginning of the whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scaling.core.task import IGNORED

ROLES = ("system", "user", "assistant")


def check_messages(value: Any, where: str, column: str) -> None:
    """Raise ValueError, which begins with `where`, for what is no conversation with an answer."""
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise ValueError(
            f"{where} must have a list of messages in {column!r}, got a {type(value).__name__}"
        )
    turns = list(value)
    for number, turn in enumerate(turns, 1):
        at = f"{where}, message {number} of {column!r}"
        if not isinstance(turn, Mapping) or not {"role", "content"} <= turn.keys():
            raise ValueError(f'{at} must be an object with "role" and "content"')
        if turn["role"] not in ROLES:
            raise ValueError(f"{at} has the role {turn['role']!r}; known: {', '.join(ROLES)}")
        if not isinstance(turn["content"], str) or not turn["content"].strip():
            raise ValueError(f"{at} has no text in 'content'")
    roles = [turn["role"] for turn in turns]
    if "assistant" not in roles or roles[0] == "assistant":
        raise ValueError(
            f"{where} must have a message of the assistant in {column!r} that answers another one"
        )


def conversation(
    processor: Any, messages: Sequence[Mapping[str, str]], where: str
) -> tuple[list[int], list[int], int]:
    """The tokens up to the end of the last answer, their labels, and how many tokens come before
    the last answer. Raises ValueError, which begins with `where`, where the chat template refuses
    the conversation or does not render it message by message."""
    ids: list[int] = []
    labels: list[int] = []
    start = done = 0
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in messages]
    whole = _rendered(processor, turns, where)
    for number, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        opened = _rendered(processor, turns[:number], where, add_generation_prompt=True)
        closed = _rendered(processor, turns[: number + 1], where)
        if not (closed.startswith(opened) and whole.startswith(closed) and len(opened) >= done):
            raise ValueError(
                f"{where}: the chat template does not render message {number + 1} as it renders "
                "the same message in the whole conversation, so what is learnt cannot be told; "
                "use another template, or the columns prompt and answer"
            )
        read, said = (
            processor(text, add_special_tokens=False)["input_ids"]
            for text in (whole[done : len(opened)], whole[len(opened) : len(closed)])
        )
        start = len(ids) + len(read)
        learnt = up_to_end(processor, said)
        ids += [*read, *said]
        labels += [IGNORED] * len(read) + [*learnt] + [IGNORED] * (len(said) - len(learnt))
        done = len(closed)
    last = max(place for place, label in enumerate(labels) if label != IGNORED) + 1
    return ids[:last], labels[:last], start


def last_answer(messages: Iterable[Mapping[str, str]]) -> str:
    return [turn["content"] for turn in messages if turn["role"] == "assistant"][-1]


def before_answer(messages: Iterable[Mapping[str, str]]) -> str:
    """What comes before the last answer, for people."""
    turns = [*messages]
    last = max(i for i, turn in enumerate(turns) if turn["role"] == "assistant")
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in turns[:last])


def up_to_end(processor: Any, said: list[int]) -> list[int]:
    """An answer as the model writes it: a template may set more after the end token, which is not
    written any more."""
    if processor.eos_token_id not in said:
        return said
    return said[: len(said) - said[::-1].index(processor.eos_token_id)]


def _rendered(processor: Any, turns: list[dict[str, str]], where: str, **options: Any) -> str:
    from jinja2 import TemplateError

    try:
        return processor.apply_chat_template(turns, tokenize=False, **options)
    except TemplateError as error:
        raise ValueError(f"{where}: the chat template refuses the conversation: {error}") from error

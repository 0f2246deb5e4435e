"""Questions about the digits of scaling.data.digit_images, and their answers: some that
scaling.pretrained.llava knows, and some that it does not.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from scaling.core.config import Config
from scaling.core.records import Record
from scaling.data.data_files import Parts
from scaling.data.digit_images import digits, drawn, parted, split_held_out


class Question(NamedTuple):
    text: str
    answer: Callable[[int], str]


def yes(true: bool) -> str:
    return "yes" if true else "no"


KNOWN = {
    "name": Question("which digit is it ?", str),
    "even": Question("is it even ?", lambda digit: yes(digit % 2 == 0)),
    "large": Question("is it more than four ?", lambda digit: yes(digit > 4)),
}
NEW = {
    "next": Question("which digit comes after it ?", lambda digit: str((digit + 1) % 10)),
    "less": Question("is it less than four ?", lambda digit: yes(digit < 4)),
}


def asked(kinds: dict[str, Question], numbers: Sequence[int]) -> list[Record]:
    """{"image", "question", "answer", "kind"}: each question about each digit, plainly drawn."""
    return [
        {
            "image": drawn(number, "plain"),
            "question": question.text,
            "answer": question.answer(digits()[1][number]),
            "kind": kind,
        }
        for number in numbers
        for kind, question in kinds.items()
    ]


def new(config: Config) -> Parts:
    """Those that the model does not know, about the digits for training and about those for the
    test."""
    train, test = parted()
    return split_held_out(config, asked(NEW, train), asked(NEW, test))

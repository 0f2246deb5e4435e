"""Flags made from dataclasses: what the help says, and what is said of a wrong one."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from loralab.flags import Group, descriptions, read


@dataclass(frozen=True)
class Options:
    """What is kept.

    Not for the help.
    """

    out: Path | None = None
    """A folder whose description goes on
    on a second line."""
    kinds: tuple[str, ...] = ("one",)
    """Some kinds."""
    frozen: bool = False
    """Freeze it."""
    trained: bool = True
    """Leave it as it is."""
    seed: int = 0
    """A seed."""


def read_one(*arguments: str, **more) -> dict:
    return read({"output": Group(Options, **more)}, "program", "It does.", arguments)["output"]


def printed(capsys, **more) -> str:
    with pytest.raises(SystemExit) as ended:
        read_one("--help", **more)
    assert ended.value.code == 0
    # without the borders of the boxes, and on one line
    return " ".join(re.sub("[│╭╮╰╯─|]|-{3,}|[+]-+", " ", capsys.readouterr().out).split())


def test_values_are_those_of_the_flags_and_the_defaults():
    found = read_one("--out", "here", "--kinds", "a", "b", "--frozen", "--no-trained")
    assert found == {
        "out": Path("here"),
        "kinds": ("a", "b"),
        "frozen": True,
        "trained": False,
        "seed": 0,
    }
    assert read_one(defaults={"seed": 3, "kinds": ()}) == vars(Options(kinds=(), seed=3))


def test_the_help_has_groups_whole_sentences_and_choices(capsys):
    text = printed(capsys, choices={"kinds": ("one", "two")})
    assert "output options What is kept. --out PATH" in text
    assert "goes on on a second line. --kinds {one,two} ... Some kinds. (default: one)" in text
    assert "--frozen Freeze it. --no-trained Leave it as it is. --seed INT" in text
    assert "None" not in text


def test_a_flag_that_is_not_listed_is_taken_all_the_same(capsys):
    assert "--seed" not in printed(capsys, shown=("out",))
    assert read_one("--seed", "4", shown=("out",))["seed"] == 4


@pytest.mark.parametrize(
    ("flag", "end"),
    [
        ("--sed", "; did you mean --seed?"),
        ("--no-traned", "; did you mean --no-trained?"),
        ("--qqq", "; --help lists the flags"),
    ],
)
def test_an_unknown_flag_is_an_error_that_names_the_nearest(flag, end):
    with pytest.raises(ValueError, match=f"^unknown flag {flag}{re.escape(end)}$"):
        read_one(flag, "1")


def test_descriptions_are_the_strings_below_the_fields():
    assert descriptions(Options)["out"] == "A folder whose description goes on on a second line."
    assert descriptions(Options).keys() == vars(Options()).keys()

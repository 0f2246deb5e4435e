"""Flags made from dataclasses: what the help says, and what is said of a wrong one."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from loralab.flags import Group, check_least, descriptions, read
from loralab.values import fits


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
    """Train it."""
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
    assert "--frozen Freeze it. --trained, --no-trained Train it. (by default) --seed INT" in text
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


@dataclass(frozen=True)
class Rate:
    lr: float = 1.0
    """Learning rate. It falls."""
    save_every: int = 1


@pytest.mark.parametrize(
    ("flag", "end"),
    [
        ("--learning-rate", "here it is --lr: learning rate"),
        ("--learning_rate=3", "here it is --lr: learning rate"),
        ("--save_steps", "here it is --save-every"),
        ("--num-train-epochs", "--help lists the flags"),  # as there are no steps here
    ],
)
def test_a_flag_of_another_tool_is_named_as_it_is_here(flag, end):
    said = f"unknown flag {flag.partition('=')[0]}; {end}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        read({"training": Group(Rate)}, "program", None, [flag, "1"])


def test_all_unknown_flags_are_named_at_once():
    words = ["--learning-rate", "1", "--lr", "2", "--save_steps=3"]
    with pytest.raises(
        ValueError, match=r"^unknown flag --learning-rate; .*; unknown flag --save_"
    ):
        read({"training": Group(Rate)}, "program", None, words)


def test_descriptions_are_the_strings_below_the_fields():
    assert descriptions(Options)["out"] == "A folder whose description goes on on a second line."
    assert descriptions(Options).keys() == vars(Options()).keys()


@dataclass(frozen=True)
class Typed:
    """Of every type that a flag has."""

    folder: Path
    """Where it goes. More about it."""
    count: int | None = 2
    """How many."""
    share: float = 0.5
    """A part."""
    kind: Literal["small", "large"] = "small"
    """Which."""
    pair: tuple[float, float] | None = None
    """Two of them."""
    sizes: tuple[int, ...] = (1,)
    """Several."""
    options: dict[str, int | float | bool | str] = field(default_factory=dict)
    """By name."""
    names: tuple[str, ...] = ()
    """Words without a flag."""
    off: bool = True
    """Not off."""


def typed(*arguments: str) -> dict:
    return read({"g": Group(Typed, words="names")}, "program", None, arguments)["g"]


def test_every_type_is_read_from_its_words():
    found = typed(
        *("one", "two", "--folder=a=b", "--count", "None", "--share", "-1e-3", "--kind", "LARGE"),
        *("--pair", "-1", ".5", "--sizes", "--no-off", "--share", "2"),
        *("--options", "a", "3", "b", "2.0", "c", "false", "d", "-x.y"[1:]),
    )
    assert found == {
        "folder": Path("a=b"),
        "count": None,
        "share": 2.0,
        "kind": "large",
        "pair": (-1.0, 0.5),
        "sizes": (),
        "options": {"a": 3, "b": 2.0, "c": False, "d": "x.y"},
        "names": ("one", "two"),
        "off": False,
    }
    assert [type(value) for value in found["options"].values()] == [int, float, bool, str]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--count", "3"], "--folder is missing: where it goes. More about it"),
        (["--folder"], "--folder must be a path, got nothing"),
        (["--folder", "a", "b"], "--folder must be a path, got 'a' 'b'"),
        (["--count", "1e3"], "--count must be a whole number, got '1e3'"),
        (["--count="], "--count must be a whole number, got ''"),
        (["--share", "half"], "--share must be a number, got 'half'"),
        (
            ["--kind", "smal"],
            "--kind must be one of small, large, got 'smal'; did you mean small?",
        ),
        (["--pair", "1"], "--pair must be 2 numbers, got '1'"),
        (["--sizes", "1", "two"], "--sizes must be whole numbers, got '1' 'two'"),
        (["--options", "a"], "--options must be pairs of a name and a whole number or a number or"),
        (["--no-off", "True"], "--no-off takes no value, got 'True'"),
        (["--names", "a"], "unknown flag --names"),
        (["-r", "4"], "unknown flag -r; --help lists the flags"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_value_is_one_sentence_that_says_what_is_wanted(words, sentence, capsys):
    with pytest.raises(ValueError, match="^" + re.escape(sentence)) as found:
        typed(*([] if words == ["--count", "3"] else ["--folder", "here"]), *words)
    assert "\n" not in str(found.value)
    assert capsys.readouterr() == ("", "")


def test_of_a_flag_given_twice_the_last_counts_and_both_must_be_right():
    assert typed("--folder", "here", "--count", "1", "--count", "3")["count"] == 3
    with pytest.raises(ValueError, match=r"^--count must be a whole number, got 'few'$"):
        typed("--folder", "here", "--count", "few", "--count", "3")


def test_a_word_that_no_flag_takes_is_refused():
    with pytest.raises(ValueError, match=r"^unexpected argument 'yes'; --help lists the flags$"):
        read_one("yes")
    assert read_one("--frozen", "--frozen")["frozen"] is True


def test_python_values_are_held_to_the_same_types():
    assert fits(float, 3)
    assert not fits(int, True)
    assert not fits(int, 3.0)
    assert fits(tuple[int, ...], (1, 2))
    assert not fits(tuple[int, ...], (1, "2"))
    assert not fits(tuple[float, float], (1.0,))
    assert fits(dict[str, int], {"a": 1})
    assert not fits(dict[str, int], {3: 1})
    assert fits(int | None, None)
    assert not fits(Literal["a"], "b")
    assert fits(Any, object())


def test_all_that_is_too_small_is_said_at_once():
    @dataclass
    class Size:
        seeds: int = 3
        peft_seeds: int = 3
        steps: int = 10

    least = {"seeds": (3, "for an interval"), "peft_seeds": (2, ""), "steps": (10, "")}
    check_least(Size(), **least)
    with pytest.raises(ValueError, match="seeds") as error:
        check_least(Size(seeds=2, peft_seeds=1), **least)
    assert str(error.value) == (
        "--seeds must be at least 3 for an interval, got 2; --peft-seeds must be at least 2, got 1"
    )

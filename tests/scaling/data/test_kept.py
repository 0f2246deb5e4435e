"""Records that are kept: read once, and made anew where what is kept cannot be trusted."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scaling.data import docstrings
from scaling.data.kept import kept
from tests.support.processes import together

RECORDS = [[{"text": "naïve\u2028one", "label": "a"}], []]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    return tmp_path / "runs" / "records"


def never() -> Any:
    raise AssertionError("it was made again")


def test_what_is_kept_is_not_made_again():
    assert kept("some", ["a", 1], lambda: RECORDS) == RECORDS
    assert kept("some", ["a", 1], never) == RECORDS
    assert kept("some", ["a", 2], lambda: [[], []]) == [[], []], "it depends on something else"
    assert kept("other", ["a", 1], lambda: [[], []]) == [[], []]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut off": lambda whole: whole[:-1],
    "another letter": lambda whole: whole.replace(b'"a"', b'"b"'),
    "no text": lambda whole: b"\xff\xfe" + whole,
    "another hash": lambda whole: b"0" + whole[1:] if whole[:1] != b"0" else b"1" + whole[1:],
    "another file's": lambda whole: json.dumps(RECORDS).encode(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_anew(home, damage):
    kept("some", 0, lambda: RECORDS)
    [file] = home.iterdir()
    whole = file.read_bytes()
    file.write_bytes(DAMAGE[damage](whole))
    assert kept("some", 0, lambda: RECORDS) == RECORDS
    assert file.read_bytes() == whole


def test_a_folder_that_cannot_be_written_does_not_matter(home):
    home.parent.write_text("a file where the folder would be")
    assert kept("some", 0, lambda: RECORDS) == RECORDS


def test_processes_that_keep_the_same_at_once_do_not_mix(home, tmp_path):
    def often(rank: int) -> list[Any]:
        return [kept("some", i, partial(list, ([rank] * 1000, [i])))[1] for i in range(40)]

    assert together(3, tmp_path, often) == [[[i] for i in range(40)]] * 3
    for i in range(40):
        [first, second] = kept("some", i, never)
        assert (len(set(first)), second) == (1, [i]), "a file is of one process"
    assert len([*home.iterdir()]) == 40, "nothing partial is left"


@pytest.mark.parametrize("kind", ["labelled", "summarised", "documents", "passages"])
def test_docstrings_are_kept_by_the_versions_of_their_packages(monkeypatch, kind):
    monkeypatch.setattr(docstrings, "PACKAGES", ("sklearn",))
    read = []
    sources = docstrings.sources

    def seen(package: str, seed: int) -> list[Path]:
        read.append(seed)
        return sources(package, seed)[:30]

    monkeypatch.setattr(docstrings, "sources", seen)
    make = getattr(docstrings, kind)
    first = make(3, 2, 0)
    assert first[0]
    assert make(3, 2, 0) == first
    assert read == [0]
    for given in ((4, 2, 0), (3, 1, 0), (3, 2, 1)):
        make(*given)
    assert read == [0, 0, 0, 1]
    monkeypatch.setattr(docstrings, "version", lambda name: "another")
    assert make(3, 2, 0) == first
    assert read == [0, 0, 0, 1, 0]

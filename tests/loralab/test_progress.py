"""Progress: plain lines, now and then, on standard error; on a terminal a bar with its count."""

import io

import pytest
from rich.console import Console

from loralab import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since the start, moved by hand."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(clock, capsys, pause: float, count: int) -> list[str]:
    for i, item in enumerate(progress.track(range(count), "fake: trials", count)):
        assert i == item, "handed on as they come"
        clock[0] += pause
    out, err = capsys.readouterr()
    assert out == "", "output is for results"
    return err.splitlines()


def test_a_short_run_says_nothing(clock, capsys):
    assert lines(clock, capsys, pause=0.1, count=20) == []


def test_a_long_run_says_a_line_every_ten_seconds_and_its_end(clock, capsys):
    assert lines(clock, capsys, pause=4, count=8) == [
        "fake: trials: 3 of 8 after 12 s, about 20 s left",
        "fake: trials: 6 of 8 after 24 s, about 8 s left",
        "fake: trials: 8 of 8 after 32 s",
    ]


def test_a_terminal_has_the_count_and_the_time_left_too(monkeypatch):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(progress, "console", terminal)
    bar = progress.track(range(4), "trials", 4)
    assert next(bar) == 0
    assert [next(bar), next(bar)] == [1, 2]
    bar.close()
    assert "2 of 4 after 0 s, about 0 s left" in terminal.file.getvalue()  # type: ignore[attr-defined]


def test_the_time_left_counts_half_of_what_is_at_work():
    """Of four side by side the first ends when the others are about half way at least."""
    assert progress.done(1, 8, 10, 1) == "1 of 8 after 10 s, about 70 s left"
    assert progress.done(1, 8, 10, 4) == "1 of 8 after 10 s, about 22 s left"
    assert progress.done(7, 8, 70, 4) == "7 of 8 after 70 s, about 5 s left"
    assert progress.done(0, 8, 10, 4) == "0 of 8 after 10 s"
    assert progress.done(8, 8, 80, 4) == "8 of 8 after 80 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.4, "0 s"), (84, "84 s"), (150, "2.5 min"), (1500, "25 min"), (6300, "1.8 h")),
        *((90000, "25 h"), (900000, "250 h")),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert progress.duration(seconds) == text

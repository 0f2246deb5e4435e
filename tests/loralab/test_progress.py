"""Progress off a terminal: plain lines, now and then, on standard error."""

import pytest

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
        "fake: trials: 3 of 8 after 12 s",
        "fake: trials: 6 of 8 after 24 s",
        "fake: trials: 8 of 8 after 32 s",
    ]

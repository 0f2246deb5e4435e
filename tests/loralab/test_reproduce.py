"""What a run of several families tells while it goes on."""

from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import Any

import pytest

from loralab import recorded, reproduce

SECONDS = {"one": 60.0, "two": 120.0, "three": 300.0}


@pytest.fixture
def families(monkeypatch) -> list[Any]:
    def read(stem: str) -> dict[str, Any] | None:
        if stem not in SECONDS:
            return None
        return {"runs": {"key": {"size": "default", "seconds": SECONDS[stem]}}}

    monkeypatch.setattr(recorded, "read", read)
    return [SimpleNamespace(stem=stem) for stem in SECONDS]


def test_the_time_that_is_left_is_as_the_record_has_it(families):
    one, two, three = families
    # As slow as the record: 60 s for one of them, so 120 + 300 s are left.
    assert reproduce.progress(families, [one], "default", 60) == (
        "one ended: family 1 of 3, about 7 min left"
    )
    # Two side by side, twice as fast as recorded: 420 s in 210 s, so 60 s in 30 s.
    assert reproduce.progress(families, [three, two], "default", 210) == (
        "two ended: family 2 of 3, about 1 min left"
    )
    assert reproduce.progress(families, [three, two, one], "default", 240) == (
        "one ended: family 3 of 3"
    )


def test_the_longest_family_begins_first_and_one_that_nobody_timed_before_it(families):
    unknown: Any = SimpleNamespace(stem="four")
    order = reproduce.longest_first([*families, unknown], "default")
    assert [proxy.stem for proxy in order] == ["four", "three", "two", "one"]


@pytest.mark.parametrize(
    ("study", "cores", "at_once", "jobs"), [(False, 2, 2, 1), (False, 8, 3, 2), (True, 8, 1, 8)]
)
def test_the_cores_are_shared_out(families, monkeypatch, study, cores, at_once, jobs):
    """As many families at once as may run, and each with its part of the cores; studies wait for
    each other."""
    running, seen, given, together = [], [], set(), Barrier(at_once)

    def run(module: str, flags: list[str], jobs: int) -> bool:
        running.append(module)
        given.add(jobs)
        with suppress(BrokenBarrierError):
            together.wait(0.5)  # until as many as there may be have begun
        seen.append(len(running))
        running.remove(module)
        return True

    monkeypatch.setattr(reproduce, "_run", run)
    monkeypatch.setattr(reproduce, "cores", lambda: cores)
    for proxy in families:
        proxy.study, proxy.module = study, proxy.stem
    reproduce.run_families(families, "default")
    assert (max(seen), given) == (at_once, {jobs})


def test_another_size_takes_the_shares_of_the_recorded_one(families):
    assert reproduce.progress(families, families[:2], "quick", 90) == (
        "two ended: family 2 of 3, about 2 min left"
    )


def test_no_time_is_told_where_a_family_has_no_record(families):
    unknown: Any = SimpleNamespace(stem="four")
    assert reproduce.progress([*families, unknown], families[:1], "default", 60) == (
        "one ended: family 1 of 4"
    )

"""What a run of several families tells while it goes on."""

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


def test_another_size_takes_the_shares_of_the_recorded_one(families):
    assert reproduce.progress(families, families[:2], "quick", 90) == (
        "two ended: family 2 of 3, about 2 min left"
    )


def test_no_time_is_told_where_a_family_has_no_record(families):
    unknown: Any = SimpleNamespace(stem="four")
    assert reproduce.progress([*families, unknown], families[:1], "default", 60) == (
        "one ended: family 1 of 4"
    )

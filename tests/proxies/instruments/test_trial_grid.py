"""A grid of trials: every point once, its arguments beside its result."""

from pathlib import Path

from loralab.memo import Memo
from loralab.store import Store
from proxies.instruments.trial_grid import pick, product, trials


def summed(a: int, b: int) -> dict[str, int]:
    return {"sum": a + b}


def test_records_hold_the_arguments_and_the_result_of_every_point(tmp_path: Path):
    memo = Memo(Store(tmp_path / "store.sqlite"), "family", "code")
    records = trials(memo, summed, a=[1, 2], b=[10, 20])
    assert records == [{"a": a, "b": b, "result": {"sum": a + b}} for a in (1, 2) for b in (10, 20)]
    assert pick(records, "sum") == [11, 21, 12, 22]
    assert pick(records, "sum", a=2, b=10) == [12]
    assert trials(memo, summed, [{"a": 5, "b": 6}])[0]["result"] == {"sum": 11}
    assert trials(memo, summed, []) == []


def test_the_last_axis_is_the_fastest():
    assert product(a=[1, 2], b="xy") == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]

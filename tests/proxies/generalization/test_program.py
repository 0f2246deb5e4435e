"""The program of the generalization family: what it measures and keeps, its figures and flags."""

import pytest

from loralab.claims import Verdict
from loralab.figures import draw
from loralab.store import Store
from proxies.generalization import PROXY

SMALL = PROXY.Config(
    block=0, seeds=3, samples=3, supersamples=30, splits=2, images=2, steps=30, draws=20
)


def test_proxy_measures_every_claim_and_keeps_it(tmp_path, monkeypatch):
    # workers would each import torch, for trials of milliseconds
    monkeypatch.setenv("LORALAB_JOBS", "1")
    store = Store(tmp_path / "runs.sqlite")
    run = PROXY.run(SMALL, store)
    rows = {row.claim.id: row for row in PROXY.rows(run)}
    assert all(row.complete for row in rows.values())
    # what holds of every problem, whatever the size
    assert {id: rows[id].verdict for id in ("A8", "A8b", "A14")} == {
        "A8": Verdict.HOLDS,
        "A8b": Verdict.REFUTED,
        "A14": Verdict.HOLDS,
    }
    assert PROXY.run(SMALL, store).finished == run.finished, "the second run comes from the store"
    drawn = {
        figure.path.name
        for figure in draw("generalization", run.result["data"], tmp_path / "figures")
    }
    assert drawn == {"generalization-chain.svg", "generalization-certificates.svg"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"seeds": 2}, "--seeds must be .* got 2"),
        ({"samples": 7}, "--samples must be .* got 7"),
        ({"samples": 1}, "--samples must be .* got 1"),
        ({"supersamples": 10}, "--supersamples must be .* got 10"),
        ({"splits": 1}, "--splits must be .* got 1"),
        ({"images": 1}, "--images must be .* got 1"),
        ({"block": -1}, "--block must be .* got -1"),
        ({"steps": 0}, "--steps must be .* got 0"),
        ({"draws": 0}, "--draws must be .* got 0"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        PROXY.Config(**flags)

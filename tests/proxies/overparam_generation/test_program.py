"""proxies/overparam_generation.py as a whole: trials joined to claims, at sweeps that are made by
hand."""

from dataclasses import replace

import pytest

from loralab import figures
from loralab.memo import Memo
from loralab.store import Store
from proxies import overparam_generation as family
from proxies.families.overparam_generation.trials import facts, plan, scores, sweep
from proxies.instruments import digit_networks
from tests.support.trials.generation_sweep import every_score, small_networks, valley

CURVES = {  # method: exponent of the best learning rate, width, and distance at it by rank
    "LoRA": (-3.0, 2.0, {1: 14.0, 2: 9.0, 4: 8.0}),
    "OP-LoRA": (-5.0, 2.2, {1: 14.0, 2: 9.0, 4: 8.0}),
    "DoRA": (-3.0, 2.0, {1: 14.0, 2: 9.0, 4: 8.0}),
    "OP-DoRA": (-5.0, 2.2, {1: 14.0, 2: 9.0, 4: 8.0}),
}


def in_place_of_training(monkeypatch) -> None:
    """Results of the kind that training gives; what needs no trained adapter is really measured."""

    def run(problem, method, rank, exponents, plan):
        best, width, levels = CURVES[method]
        table = valley(exponents, best, width, levels[rank], len(problem.seeds))
        return [
            sweep.Runs(
                row,
                every_score(row),
                [[exponent % 17] * 64] * scores.SHOWN,
                9,
                0 * row + 0.1,
            )
            for exponent, row in zip(exponents, table, strict=True)
        ]

    for name, network in small_networks().items():
        given = lambda network=network, **point: network
        given.__name__ = name  # by which the run store keeps it
        monkeypatch.setattr(digit_networks, name, given)
    monkeypatch.setenv("LORALAB_JOBS", "1")
    monkeypatch.setattr(sweep, "run", run)
    monkeypatch.setattr(facts, "CLIMB", 1)  # searches and draws have tests of their own
    monkeypatch.setattr(plan, "REPEATS", 20)
    monkeypatch.setattr(scores, "MIDPOINTS", 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """One for all sizes, which share the trials that no size changes."""
    return Store(tmp_path_factory.mktemp("store") / "runs.sqlite")


SMALL = family.Config(seeds=5, block=0, steps=100, pretraining=500)


def test_the_proxy_joins_trials_to_claims_and_keeps_them(tmp_path, monkeypatch, store):
    in_place_of_training(monkeypatch)
    config = replace(SMALL, dora=True)
    first = family.PROXY.run(config, store)
    found = first.result["measured"]
    assert all(measured for checks in found.values() for measured in checks.values())
    by_hand = {
        ("OP15c", "OP-LoRA, rank 1"): 1.0,
        ("OP15d", "OP-LoRA, rank 1 for 2"): 14 / 9,
        ("OP15i", "LoRA"): 9 / 8,
        ("OP15f", "rank 1"): 1.15,
    }
    for (id, key), value in by_hand.items():
        assert found[id][key]["value"] == pytest.approx(value), id
    assert family.PROXY.run(config, store).finished == first.finished, (
        "the second run comes from the store"
    )
    drawn = {
        figure.path.name
        for figure in figures.draw("overparam_generation", first.result["data"], tmp_path)
    }
    kinds = [f"{kind}-new-{what}" for kind in ("rates", "images") for what in ("classes", "style")]
    assert drawn == {f"overparam_generation-{kind}.svg" for kind in kinds}


def test_what_is_not_run_is_not_measured(monkeypatch, store):
    in_place_of_training(monkeypatch)
    found = family.PROXY.run(replace(SMALL, style=False), store).result["measured"]
    for id, checks in found.items():
        for key, measured in checks.items():
            away = "DoRA" in key or id in ("OP15h", "OP15j", "OP15m")
            assert (measured is None) == away, (id, key)


def test_every_seed_of_a_run_begins_at_its_block(monkeypatch, store):
    in_place_of_training(monkeypatch)
    seen, right = [], Memo.map

    def recorded(memo, function, points):
        seen.extend(seed for p in points for seed in p.get("seeds", [p.get("seed")]))
        return right(memo, function, points)

    monkeypatch.setattr(Memo, "map", recorded)
    family.PROXY.run(replace(SMALL, block=40, style=False), store)
    assert set(seen) == set(range(40, 45))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"seeds": 4}, "--seeds must be at least 5 for an interval, got 4"),
        ({"steps": 99}, "--steps must be at least 100 for the adapters to learn, got 99"),
        (
            {"pretraining": 0},
            "--pretraining must be at least 500 for the base model to draw digits, got 0",
        ),
        ({"block": -1}, "--block must be at least 0 for a seed, got -1"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        family.Config(**flags)

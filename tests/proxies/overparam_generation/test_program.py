"""proxies/overparam_generation.py as a whole: trials joined to claims, at sweeps that are made by
hand."""

import pytest

from loralab import figures
from loralab.store import Store
from proxies import overparam_generation as family
from proxies.families.overparam_generation.claims.cases import RANKS
from proxies.families.overparam_generation.trials import cost, scores, sweep
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
    shares = lambda **point: {"shares": [0.03, 0.04, 0.05]}
    shares.__name__ = "shares"
    monkeypatch.setattr(cost, "shares", shares)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """One for all sizes, which share the trials that no size changes."""
    return Store(tmp_path_factory.mktemp("store") / "runs.sqlite")


def test_the_proxy_joins_cells_to_claims_and_keeps_them(tmp_path, monkeypatch, store):
    in_place_of_training(monkeypatch)
    config = family.Config(seeds=6, style_seeds=6, steps=100, pretraining=500)
    first = family.PROXY.run(config, store)
    rows = {row.claim.id: row for row in family.PROXY.rows(first)}
    for id in ("OP14", "OP14b", "OP14c", "OP16", "OP16b"):
        assert rows[id].verdict == rows[id].claim.expected, id
    assert all(row.complete for row in rows.values()), "every check is measured"
    by_hand = {
        ("OP15", "LoRA, distance"): 14.0 * 1.05,
        ("OP15c", "OP-LoRA, rank 1"): 1.0,
        ("OP15d", "tuned, rank 1"): (14 / 9) ** 0.5,
    }
    for (id, key), value in by_hand.items():
        measured = rows[id].measured[key]
        assert measured is not None
        assert measured.value == pytest.approx(value), id
    assert family.PROXY.run(config, store).finished == first.finished, (
        "the second run comes from the store"
    )
    drawn = {
        path.name for path in figures.draw("overparam_generation", first.result["data"], tmp_path)
    }
    kinds = [f"{kind}-new-{what}" for kind in ("rates", "images") for what in ("classes", "style")]
    assert drawn == {f"overparam_generation-{kind}.svg" for kind in kinds}


def test_what_is_not_run_is_not_measured(monkeypatch, store):
    in_place_of_training(monkeypatch)
    config = family.Config(seeds=6, style_seeds=0, steps=100, pretraining=500, dora=False)
    run = family.PROXY.run(config, store)
    rows = {row.claim.id: row for row in family.PROXY.rows(run)}
    for id in ("OP15", "OP15b", "OP15c", "OP15e"):
        for key, measured in rows[id].measured.items():
            assert (measured is None) == ("DoRA" in key), key


def test_few_seeds_measure_nothing_that_depends_on_a_chosen_rate(monkeypatch, store):
    in_place_of_training(monkeypatch)
    config = family.Config(seeds=5, style_seeds=0, steps=100, pretraining=500, dora=False)
    run = family.PROXY.run(config, store)
    measured = {row.claim.id: row.measured for row in family.PROXY.rows(run)}
    found = {(id, key) for id, checks in measured.items() for key, m in checks.items() if m}
    assert not {id for id, _ in found} & {"OP15", "OP15c", "OP15e", "OP15i"}
    for rank in RANKS:
        assert found >= {
            ("OP15b", f"OP-LoRA, rank {rank}"),
            ("OP15f", f"lag, rank {rank}"),
            ("OP15g", f"rank {rank}"),
        }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"seeds": 4}, "--seeds must be at least 5 for an interval, got 4"),
        ({"steps": 99}, "--steps must be at least 100 for the adapters to learn, got 99"),
        (
            {"pretraining": 0},
            "--pretraining must be at least 500 for the base model to draw digits, got 0",
        ),
        ({"style_seeds": 3}, "--style_seeds must be 0 or at least 5 for an interval, got 3"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        family.Config(**flags)

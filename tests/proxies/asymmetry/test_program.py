"""The program of the asymmetry family runs, and its flags are checked."""

import pytest

from loralab.claims import Verdict
from loralab.figures import draw
from loralab.store import Store
from proxies.asymmetry import PROXY
from proxies.families.asymmetry.trials import advice, similarity, teacher, tuning

NAMES_B, NAMES_A = ["A", 0.5, 0.1, 2.0, 1.0, 1.0], ["B", 0.1, 0.5, 0.5, 1.0, 1.0]


def made_up(monkeypatch) -> None:
    """Results of the kind that training gives, in place of the trials that train networks."""

    def adapted(population, method, rank, samples, first_seed, seeds, steps, layers):
        level = {"BA, random": 0.9, "B, orthonormal": 0.7}.get(method, 0.8) + rank / 100
        test = [level + 0.001 * i for i in range(seeds)]
        return {"test": test, "rate": 0.1, "edge": False, "parameters": 9}

    def overlaps(population, method, rank, rate, steps, first_seed, index, inits):
        kept = 0.7 + index / 1e6 if rate < 0.005 else 0.2 + index / 1e6
        zero, other = "BA" if method == "BA, random" else "AB"
        of = lambda task, start: {
            "same task": [task] * 2,
            "same initialization": [start] * 2,
            "neither": [0.1] * 2,
        }
        return {zero: of(0.5 + index / 1e6, 0.2), other: of(0.4, kept)}

    def learn(gain):
        advised = NAMES_B if gain > 0 else NAMES_A
        both = {"fisher": advised, "errors": advised}
        return {"A": 0.3, "B": 0.3 + gain, "advice": both, "rank": 4}

    gains = {"decaying": 0.3, "decaying, like a gradient": 0.6, "flat": 0.0}
    monkeypatch.setattr(tuning, "adapted", adapted)
    monkeypatch.setattr(similarity, "similarity", overlaps)
    monkeypatch.setattr(
        teacher,
        "known",
        lambda case, network, rank, seed: learn(gains.get(case, -0.1) + seed / 1e6),
    )
    monkeypatch.setattr(teacher, "unseen", lambda seed: learn((-1) ** seed * 0.1))
    advised = {f"{layer} {rank}": NAMES_B for layer in (0, 1) for rank in (2, 8)}
    monkeypatch.setattr(advice, "on_layers", lambda **point: [{"fisher": advised}] * point["seeds"])


@pytest.mark.parametrize("single_layers", [False, True])
def test_the_proxy_joins_trials_to_claims_and_keeps_them(tmp_path, monkeypatch, single_layers):
    """Every claim that needs no trained network is really measured here, at the reduced size."""
    monkeypatch.setenv("LORALAB_JOBS", "1")
    made_up(monkeypatch)
    store = Store(tmp_path / "runs.sqlite")
    config = PROXY.Config(**{**vars(PROXY.quick), "single_layers": single_layers})
    first = PROXY.run(config, store)
    verdicts = {row.claim.id: row.verdict for row in PROXY.rows(first)}
    measured = {"A1", "A2", "A3b", "A3c", "A4", "A6", "A6b", "A7", "A7b", "A15"}
    assert {verdicts[id] for id in measured} == {Verdict.HOLDS}
    assert verdicts["A3"] == Verdict.REFUTED
    assert verdicts["A5"] == verdicts["A10"] == Verdict.SEEN_CONDITIONS
    assert {verdicts[id] for id in ("A11", "A11b", "A11c")} == {Verdict.NOT_SEEN}
    assert verdicts["A15b"] == verdicts["A15c"] == (Verdict.REFUTED if single_layers else None)
    assert PROXY.run(config, store).finished == first.finished, "the second one is from the store"
    drawn = {figure.path.name for figure in draw("asymmetry", first.result["data"], tmp_path)}
    assert drawn == {f"asymmetry-{name}.svg" for name in ("explained", "sign", "classifiers")}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"block": -1}, "--block must be at least 0 to be a seed, got -1"),
        ({"draws": 10}, "--draws must be at least 400 to tell .* got 10"),
        ({"problems": 2}, "--problems must be at least 3 .* got 2"),
        ({"repeats": 2}, "--repeats must be at least 100 .* got 2"),
        ({"splits": 2}, "--splits must be at least 3 .* got 2"),
        ({"pieces": 2}, "--pieces must be at least 3 .* got 2"),
        ({"pieces": 7}, "--pieces must be at most 6, the parts of the data"),
        ({"unseen": 3}, "--unseen must be at least 20 .* got 3"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        PROXY.Config(**flags)

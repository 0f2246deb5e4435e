"""`loralab sweep` from flags to the report, on a model that takes a second to fine-tune."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loralab.claims import Measured
from loralab.code import ROOT
from loralab.store import StoreError
from scaling.core.config import Config
from scaling.sweep import _to_train, run
from tests.support.finetuning import arguments, tiny_bert

QUICK = ("--rates", "5e-3", "2e-2", "--seeds", "0", "--widen", "0", "--jobs", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("model"))


@pytest.fixture
def given(model, tmp_path, monkeypatch):
    """Arguments of a sweep of 4 steps a trial, whose files all lie in tmp_path."""
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    own = arguments(model, tmp_path, steps=4)
    for flag in ("--lr", "--out"):
        at = own.index(flag)
        own = own[:at] + own[at + 2 :]
    return [*own, "--out", str(tmp_path / "out"), *QUICK]


def stored(tmp_path: Path) -> dict[str, tuple[str, str]]:
    """When each trial was finished and its outcome, by its key."""
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        return {
            key: (when, what)
            for key, when, what in connection.execute("SELECT key, finished, result FROM runs")
        }


@pytest.fixture
def no_training(monkeypatch):
    def forbid():
        def train(*_, **__):
            raise AssertionError("a trial was run again")

        monkeypatch.setattr("scaling.training.running.train", train)

    return forbid


def test_full_fine_tuning_is_compared_with_lora(given, tmp_path):
    """One method of it, whatever the initializations and ranks; its own learning rates, memory and
    time of a step, and no configuration of PEFT's in the export."""
    own = [*given, "--schemes", "init_a", "--variants", "plain", "full", "--ranks", "2", "4"]
    at = own.index("--rates")
    assert run([*own[:at], *own[at + 3 :], "--rates", "1e-3"]) == 0
    out = tmp_path / "out"
    rows = {row["method"]: row for row in json.loads((out / "report.json").read_text())["methods"]}
    assert list(rows) == ["init_a, rank 2", "init_a, rank 4", "full"]
    assert rows["full"]["trained_parameters"] > 4 * rows["init_a, rank 4"]["trained_parameters"]
    assert all(row["step_seconds"] > 0 and row["memory"] > 0 for row in rows.values())
    [exported] = (out / "method_comparison").glob("full--*.json")
    record = json.loads(exported.read_text())
    assert record["run_info"]["peft_config"] is None
    assert record["train_info"]["file_size"] > 4 * rows["full"]["trained_parameters"]
    kept = {file.parent.name for file in (tmp_path / "home").rglob("*.safetensors")}
    assert kept == {"adapter"}, "a model for each trial would fill a disk"
    assert "s a step" in (out / "report.md").read_text()


def test_the_run_to_train_is_the_best_beyond_doubt_or_else_the_reference():
    config = Config.of(scheme="eva", steps=20)
    methods: Any = {name: SimpleNamespace(config=config) for name in ("init_a", "eva", "olora")}

    def told(eva: str, olora: str, edge: str | None = None) -> str:
        rows: Any = [
            SimpleNamespace(
                method=name,
                verdict=verdict,
                difference=by and Measured(by, 0, 1),
                rate=1e-3,
                edge=edge,
            )
            for name, verdict, by in (
                ("init_a", None, None),
                ("eva", eva, 0.2),
                ("olora", olora, 0.1),
            )
        ]
        return _to_train(rows, methods)

    line = "loralab finetune --steps 20 --scheme eva --lr 0.001"
    assert told("better", "better") == f"to train with eva (the best): {line}"
    assert told("undecided", "better").startswith("to train with olora (the best): ")
    assert told("undecided", "better, by less than the margin").startswith(
        "to train with init_a (no other is better beyond doubt): "
    )
    assert told("better", "better", "highest") == "", "no learning rate of its own"


@pytest.mark.filterwarnings(
    "ignore:.*is_gradient_checkpointing:FutureWarning"
)  # PEFT asks transformers by the old name
def test_a_sweep_leaves_its_report_and_is_never_repeated(given, tmp_path, capsys, no_training):
    (tmp_path / "vera.json").write_text('{"peft_type": "VERA", "r": 4}')
    given = ["--schemes", "init_a", "eva", f"peft:{tmp_path / 'vera.json'}", *given]
    assert run(given) == 0
    told, progress = capsys.readouterr()
    assert "6 trials: 3 methods x 2 learning rates x 1 seed, on 1 worker; learning rates 0.005" in (
        progress
    )
    assert told.endswith(f"all columns and pictures: {tmp_path / 'out' / 'report.md'}\n")
    assert all(
        name in told
        for name in ("init_a", "eva", "vera", "invalid", "try lower ones", "One seed alone")
    )
    names = [
        "differences.png",
        "method_comparison",
        "rates.png",
        "report.json",
        "report.md",
        "sweep.json",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    exported = sorted((tmp_path / "out" / "method_comparison").glob("*.json"))
    methods = [
        json.loads(file.read_text())["run_info"]["peft_config"]["peft_type"] for file in exported
    ]
    assert methods == ["LORA", "LORA", "VERA"], "eva, init_a, vera"
    report, trials = json.loads((tmp_path / "out" / "report.json").read_text()), stored(tmp_path)
    assert len(report["runs"]) == len(trials) == 3 * 2
    for _, result in trials.values():
        outcome = json.loads(result)
        assert len(outcome["scores"]) == 12
        assert sum(outcome["scores"]) / 12 == pytest.approx(outcome["metrics"]["accuracy"])
        assert outcome["inference_parameters"] > 0
        assert [step for step, _ in outcome["validation"]] == [1, 2, 3, 4]
    for folder in (tmp_path / "home" / "runs" / "sweep").iterdir():
        assert folder.name in trials, "a trial's folder is found by its key in the store"
        assert (folder / "adapter" / "adapter_config.json").is_file()
        assert not list(folder.glob("checkpoint-*"))
    no_training()
    before = (tmp_path / "out" / "report.json").read_text()
    assert run(given) == 0
    assert (tmp_path / "out" / "report.json").read_text() == before


def test_a_file_gives_named_methods_and_flags_win_over_it(given, tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("steps: 9\nmethods:\n  both: {}\n  B alone: {train_a: false}\n")
    assert run([str(file), *given]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["method"] for row in report["methods"]] == ["both", "B alone"]
    assert report["settings"]["steps"] == 4
    both, alone = report["methods"]
    assert alone["trained_parameters"] < both["trained_parameters"]


def test_the_initialization_of_a_run_is_the_one_that_is_compared(given, tmp_path, monkeypatch):
    """As with finetune; with a grid of its own it is that, and is no part of what is kept."""
    swept = []
    monkeypatch.setattr(
        "scaling.sweep._swept",
        lambda config, grid, options, named: swept.append((config, grid.schemes, grid.variants)),
    )
    for more in ((), ("--schemes", "pissa")):
        run([*given, "--scheme", "eva", "--variant", "dora", *more])
    assert [pair[1:] for pair in swept] == [(("eva",), ("dora",)), (("pissa",), ("dora",))]
    assert {config.adapter.scheme for config, *_ in swept} == {Config().adapter.scheme}


def test_a_run_that_diverges_is_a_result(given, tmp_path, capsys):
    at = given.index("2e-2")
    given[at] = "1e30"
    assert run(["--schemes", "init_a", *given]) == 0
    assert "1 of 2 runs diverged (1 at 1e+30" in capsys.readouterr().out
    assert sorted("diverged" in json.loads(result) for _, result in stored(tmp_path).values()) == [
        False,
        True,
    ]


def test_a_killed_sweep_goes_on_where_it_was(given, tmp_path):
    given = ["--schemes", "init_a", "eva", *given]
    command = [sys.executable, "-m", "scaling.sweep", *given]
    with (tmp_path / "log").open("w") as log:
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True, env=os.environ.copy()
        )
        until = time.monotonic() + 120
        while not ((tmp_path / "store.sqlite").is_file() and _count(tmp_path)):
            assert time.monotonic() < until, (tmp_path / "log").read_text()
            assert child.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    finished = stored(tmp_path)
    assert 1 <= len(finished) < 4
    assert run(given) == 0
    after = stored(tmp_path)
    assert len(after) == 4
    assert all(after[key] == finished[key] for key in finished), (
        "what had finished was not run again"
    )


def _count(tmp_path: Path) -> int:
    try:
        return len(stored(tmp_path))
    except sqlite3.OperationalError:  # no table yet
        return 0


WRONG = {
    "an unknown scheme": (
        ("--schemes", "init_a", "evaa"),
        "unknown scheme 'evaa'; did you mean 'eva'?",
    ),
    "no method": (("--schemes",), "the grid is empty: name schemes or methods"),
    "no seed": (("--seeds",), "the grid is empty: seeds has no value"),
    "an unknown flag": (("--scheme-grid", "eva"), "unknown flag --scheme-grid"),
    "another executor's cluster": (
        ("--executor", "ray", "--address", "127.0.0.1:1"),
        "no Ray cluster answers at 127.0.0.1:1",
    ),
    "data that are not there": (
        ("--train", "nowhere.jsonl"),
        "there is no data file nowhere.jsonl",
    ),
    "a file that is not there": (
        ("nowhere.yaml",),
        "cannot read the experiment nowhere.yaml: No such file or directory",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(given, capsys, case):
    more, message = WRONG[case]
    assert run([*more, *given] if case == "a file that is not there" else [*given, *more]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_a_folder_of_something_else_is_left_alone(given, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert run(given) == 2
    assert "is not an empty folder and holds no sweep" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    (tmp_path / "out" / "mine.txt").unlink()
    (tmp_path / "out" / "sweep.json").write_text("{}")
    assert run(given) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_ends_the_sweep_before_it_begins(
    given, tmp_path, no_training
):
    no_training()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder of the run store"):
        run([*given, "--store", str(tmp_path / "file" / "store.sqlite")])
    with pytest.raises(StoreError, match="cannot use the run store"):
        run([*given, "--store", str(tmp_path)])

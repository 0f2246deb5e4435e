"""The report of a sweep, and its export: nothing is left out, nothing is invented, every file is
whole."""

import json
import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loralab.claims import Measured
from loralab.ledger import text_of
from scaling.comparison import pictures, report
from scaling.comparison.method_comparison import export, file_names
from scaling.comparison.summary import Row, runs_of, summarise
from tests.support.sweeps import sweep

MARGIN = 0.02
SETTINGS: dict[str, Any] = {
    "margin": MARGIN,
    "task": "text_classification",
    "batch": 32,
    "steps": 60,
    "model": None,
}
DIVERGED = {"diverged": "training stopped: the loss of step 12 is nan"}


def made(**changes: Any) -> tuple[dict[str, Any], list[Row]]:
    """Outcomes of four methods, one of them with runs that diverged, and their rows."""
    outcomes = sweep({"init_a": 0.7, "eva": 0.9, "pissa": 0.5, "lora, rank 16": 0.7}, **changes)
    outcomes["eva"][1e-2] = dict.fromkeys(outcomes["eva"][1e-2], DIVERGED)
    return outcomes, summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))


def said(outcomes, rows) -> str:
    return "\n".join(report.notes(rows, outcomes, MARGIN))


def test_a_report_is_whole(tmp_path):
    outcomes, rows = made()
    report.write(tmp_path / "new", rows, outcomes, SETTINGS)
    names = {report.REPORT, report.PAGE, report.RATES, report.DIFFERENCES}
    assert {file.name for file in (tmp_path / "new").iterdir()} == names
    for name in (report.RATES, report.DIFFERENCES):
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG")


def test_the_numbers_hold_every_run():
    outcomes, rows = made()
    found = json.loads(json.dumps(report.numbers(rows, outcomes, SETTINGS), allow_nan=False))
    assert found["settings"] == SETTINGS
    trials = {
        (m, rate, seed): runs[seed]
        for m in outcomes
        for rate, runs in outcomes[m].items()
        for seed in runs
    }
    assert {(r["method"], r["rate"], r["seed"]) for r in found["runs"]} == set(trials)
    for r in found["runs"]:
        run = trials[r["method"], r["rate"], r["seed"]]
        assert r["diverged"] == run.get("diverged")
        assert r["metrics"] == run.get("metrics")
        assert r["lowest_validation_loss"] == (
            min(x for _, x in run["validation"]) if "validation" in run else None
        )
    for row, record in zip(rows, found["methods"], strict=True):
        assert record["method"] == row.method
        assert record["verdict"] == row.verdict
        if row.difference:
            shown = {k: v for k, v in vars(row.difference).items() if k != "interval"}
            assert record["difference"] == shown


def test_the_page_has_the_table_the_pictures_and_the_notes():
    outcomes, rows = made()
    text = report.page(rows, report.notes(rows, outcomes, MARGIN))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(rows)
    assert {line.count("|") for line in lines} == {13}
    assert "init_a | 0.001 | 5 |" in text
    assert report.RATES in text
    assert report.DIFFERENCES in text
    assert "uncorrected for the 3 comparisons" in text


def test_the_terminal_has_few_columns_and_cuts_no_number(monkeypatch):
    """Each number whole, though a cell may take two lines; the page has all columns."""
    monkeypatch.setenv("COLUMNS", "80")
    _, rows = made()
    text = text_of(report.table(rows))
    first = report.records(rows)[1]
    for name in ("method", "learning rate", "accuracy", "difference", "verdict"):
        assert all(word in text for word in (*name.split(), *first[name].split())), name
    assert "decades" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    monkeypatch.setenv("COLUMNS", "40")
    digits = Counter(filter(str.isdigit, text))
    assert Counter(filter(str.isdigit, text_of(report.table(rows)))) == digits, "none is lost"


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ("accuracy", "of the share of right answers, from that of init_a; higher is better"),
        ("perplexity", "of minus the loss of a test token in nats, from that of init_a; higher"),
        ("cmmd", "of minus the cmmd, from"),
    ],
)
def test_a_difference_has_its_unit_in_the_terminal_and_on_the_page(metric, what):
    outcomes, rows = made()
    rows = [replace(row, metric=metric) for row in rows]
    [note] = [note for note in report.shown(rows, outcomes, MARGIN) if what in note]
    assert note in report.page(rows, report.notes(rows, outcomes, MARGIN))


def test_a_label_cannot_break_the_table():
    outcomes = sweep({"init_a": 0.7, "a|b [red]": 0.7})
    rows = summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))
    assert "a\\|b [red]" in report.page(rows, [])
    assert report.table(rows).columns[0]._cells[1] == "a|b \\[red]"


def test_the_notes_say_what_diverged_and_where():
    outcomes, rows = made()
    assert (
        "eva: 3 of 11 runs diverged (3 at 0.01; training stopped: the loss of step 12 is nan)."
        in said(outcomes, rows)
    )
    assert "invalid" not in said(outcomes, rows)
    assert "One seed" not in said(outcomes, rows)


@pytest.mark.parametrize(("best", "way"), [(0, "lower"), (2, "higher")])
def test_the_notes_say_which_way_a_grid_must_grow(best, way):
    outcomes = sweep({"init_a": 0.7}) | sweep({"eva": 0.9}, best=best)
    rows = summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))
    assert f"so its comparison is invalid: try {way} ones too" in said(outcomes, rows)
    assert "Every comparison" not in said(outcomes, rows)
    outcomes = sweep({"init_a": 0.7}, best=best) | sweep({"eva": 0.9})
    rows = summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))
    assert "Every comparison is invalid" in said(outcomes, rows)


def test_one_rate_and_one_seed_are_warned_of(tmp_path):
    outcomes = sweep({"init_a": 0.7, "eva": 0.9}, rates=(1e-3,), best=0, seeds=1, unseen=0)
    rows = summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))
    assert "is the only one tried" in said(outcomes, rows)
    assert "One seed alone" in said(outcomes, rows)
    pictures.draw_rates(tmp_path / report.RATES, rows, outcomes)
    first = report.numbers(rows, outcomes, SETTINGS)["methods"][0]
    assert first["score"]["low"] is first["score"]["high"] is None, (
        "of one seed there is no interval"
    )
    assert report.records(rows)[0]["accuracy"] == f"{first['score']['value']:.3g}"


def test_a_method_that_always_diverged_is_reported(tmp_path):
    outcomes, _ = made()
    outcomes["pissa"] = {rate: dict.fromkeys(range(3), DIVERGED) for rate in (1e-4, 1e-3)}
    rows = summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))
    pictures.draw_rates(tmp_path / report.RATES, rows, outcomes)
    pictures.draw_differences(tmp_path / report.DIFFERENCES, rows, MARGIN)
    record = next(record for record in report.records(rows) if record["method"] == "pissa")
    assert (record["learning rate"], record["verdict"], record["difference"]) == (
        "-",
        "invalid",
        "-",
    )
    assert "pissa: at each of its learning rates a run diverged" in said(outcomes, rows)
    assert len(export(tmp_path / "exported", rows, outcomes, SETTINGS)) == 5 + 5 + 5


@pytest.mark.parametrize(
    ("found", "sign", "text"),
    [
        (Measured(0.79, 0.7621, 0.818), "", "0.790 [0.762, 0.818]"),
        (Measured(0.11, 0.05, 0.17), "+", "+0.11 [+0.05, +0.17]"),
        (Measured(120.0, 60.0, 220.0), "", "120 [60, 220]"),
        (Measured(0.5, 0.5, 0.5), "", "0.5"),
        (Measured(0.5, 0, math.inf), "", "0.5"),
        (None, "+", "-"),
    ],
)
def test_an_interval_is_shown_to_two_digits_of_its_width(found, sign, text):
    assert report._interval(found, sign) == text


# What PEFT's processing.py reads of a file, and its app of the last of the metrics.
READ = {
    "run_info": (
        "experiment_name",
        "train_config",
        "peft_config",
        "total_time",
        "peft_branch",
        "created_at",
    ),
    "train_info": (
        "accelerator_memory_reserved_avg",
        "accelerator_memory_max",
        "accelerator_memory_reserved_99th",
        "train_time",
        "file_size",
        "num_trainable_params",
        "num_total_params",
        "status",
        "metrics",
    ),
    "meta_info": ("model_info", "dataset_info", "package_info", "system_info", "pytorch_info"),
}
LAST = ("step", "test accuracy", "train loss", "train samples", "train total tokens")


def test_an_export_has_every_key_that_is_read(tmp_path):
    outcomes, rows = made()
    outcomes["eva"][1e-3][4] = DIVERGED
    rows = summarise(outcomes, "init_a", MARGIN, np.random.default_rng(0))
    files = export(tmp_path, rows, outcomes, SETTINGS)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert len(files) == 4 * 5
    for file in files:
        found = json.loads(file.read_text())
        assert found.keys() == READ.keys()
        for part, keys in READ.items():
            assert set(keys) <= found[part].keys()
        assert file.stem == found["run_info"]["experiment_name"].replace("/", "--")
        assert found["run_info"]["peft_config"]["peft_type"] == "LORA"
        for package in ("peft", "transformers", "datasets", "torch", "bitsandbytes"):
            assert f"{package}-version" in found["meta_info"]["package_info"]
    failed = json.loads((tmp_path / "eva--lr_0.001-seed_4.json").read_text())
    assert failed["train_info"]["status"] == "failed"
    assert failed["run_info"]["error_msg"] == DIVERGED["diverged"]


def test_an_export_holds_the_numbers_of_its_run(tmp_path):
    outcomes, rows = made()
    settings = {
        **SETTINGS,
        "methods": {"eva": {"scheme": "eva", "rank": 4, "alpha": 12.0, "variant": "plain"}},
    }
    files = {
        file.stem: json.loads(file.read_text())
        for file in export(tmp_path, rows, outcomes, settings)
    }
    for seed, run in runs_of(outcomes, rows[1]).items():
        found = files[f"eva--lr_0.001-seed_{seed}"]
        config = found["run_info"]["train_config"]
        assert (config["seed"], config["optimizer_kwargs"]["lr"], config["batch_size"]) == (
            seed,
            1e-3,
            32,
        )
        adapter = found["run_info"]["peft_config"]
        assert (adapter["r"], adapter["lora_alpha"], adapter["init_lora_weights"]) == (
            4,
            12.0,
            "eva",
        )
        *validations, last = found["train_info"]["metrics"]
        assert [[row["step"], row["valid loss"]] for row in validations] == run["validation"]
        assert [row["train samples"] for row in validations] == [32 * 20, 32 * 40, 32 * 60]
        for row, start in zip(validations, (0, 20, 40), strict=True):
            wanted = np.mean([loss for _, loss in run["losses"][start : start + 20]])
            assert math.isclose(row["train loss"], wanted, rel_tol=1e-14)  # a sum of 20 numbers
        assert last.keys() >= set(LAST)
        assert last["test accuracy"] == run["metrics"]["accuracy"]
        assert found["train_info"]["num_trainable_params"] == run["trained_parameters"]
        assert found["train_info"]["train_time"] == run["seconds"]


def test_what_is_not_known_is_null(tmp_path):
    outcomes, rows = made()
    found = json.loads(export(tmp_path, rows, outcomes, {"margin": MARGIN})[0].read_text())
    info, config = found["train_info"], found["run_info"]["train_config"]
    assert {info[key] for key in info if "memory" in key} == {None}
    assert info["file_size"] is info["num_total_params"] is found["run_info"]["total_time"] is None
    assert config["model_id"] is config["max_steps"] is config["dtype"] is config["use_amp"] is None
    assert info["metrics"][-1]["train samples"] is info["metrics"][-1]["train total tokens"] is None


def test_what_an_outcome_knows_more_is_exported(tmp_path):
    outcomes, rows = made()
    more = {"total_seconds": 99.0, "tokens": 12345, "file_size": 98304, "total_parameters": 10**6}
    outcomes["init_a"][1e-3][0] |= {**more, "memory": 2**30}
    found = json.loads((export(tmp_path, rows, outcomes, SETTINGS)[0]).read_text())
    info = found["train_info"]
    assert found["run_info"]["total_time"] == 99
    assert (info["file_size"], info["num_total_params"], info["accelerator_memory_max"]) == (
        98304,
        10**6,
        2**30,
    )
    assert info["metrics"][-1]["train total tokens"] == 12345


def test_labels_become_safe_and_different_names():
    labels = [
        "eva",
        "lora, rank 16",
        "lora  rank 16",
        "EVA",
        "../../etc",
        "a/b",
        "",
        "é",
        "x" * 300,
    ]
    names = file_names(labels)
    assert list(names) == labels
    assert len({name.casefold() for name in names.values()}) == len(labels)
    assert names["eva"] == "eva"
    for name in names.values():
        assert name.isascii()
        assert name[0] not in ".-"
        assert not set(name) & set('/\\:*?"<>| ')
        assert len(name) < 100

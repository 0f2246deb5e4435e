"""What a sweep says of what its methods forget."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loralab.statistics import mean, paired
from scaling.comparison import pictures, report
from scaling.comparison.forgetting import forgotten, trade
from scaling.comparison.method_comparison import export
from scaling.comparison.summary import summarise
from scaling.sweep import run
from tests.support.finetuning import word_tokenizer
from tests.support.models import llama
from tests.support.sweeps import sweep
from tests.support.text_rows import WORDS, rows

BLOCKS, BEST, MARGIN = 20, 1e-3, 0.02
MORE = {"LoRA": 0.01, "full": 0.05}  # bits a byte


def base_text(rng: np.random.Generator, more: float) -> dict[str, Any]:
    before = 1 + 0.2 * rng.normal(size=BLOCKS)
    after = before + more + 0.01 * rng.normal(size=BLOCKS)
    curve = [[0, 1.0], [20, 1 + more / 2], [40, 1 + more], [60, 1 + more]]
    return {
        "source": "a text",
        "blocks": {"before": before.tolist(), "after": after.tolist()},
        "nats_a_token": 2.5 * more,
        "curve": curve,
    }


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Any]:
    found, rng = sweep({"LoRA": 0.7, "full": 0.7}), np.random.default_rng(1)
    for method, rates in found.items():
        for runs in rates.values():
            for outcome in runs.values():
                outcome["base_text"] = base_text(rng, MORE[method])
    return found


def summary(outcomes: dict[str, Any]) -> list[Any]:
    return summarise(outcomes, "LoRA", MARGIN, np.random.default_rng(0))


def test_forgetting_is_a_mean_over_seeds_and_its_difference_is_paired(outcomes):
    lora, full = summary(outcomes)
    assert lora.forgetting_difference is None
    grown = {}
    for row in (lora, full):
        texts = [run["base_text"]["blocks"] for run in outcomes[row.method][BEST].values()]
        grown[row.method] = [np.subtract(text["after"], text["before"]) for text in texts]
        wanted = mean([float(blocks.mean()) for blocks in grown[row.method]])
        found = row.forgetting
        assert np.allclose([found.low, found.high], [wanted.low, wanted.high], rtol=1e-12)
    found = full.forgetting_difference
    assert math.isclose(found.value, full.forgetting.value - lora.forgetting.value, rel_tol=1e-9)
    wanted = paired(grown["full"], grown["LoRA"], True, np.random.default_rng(0))
    assert np.allclose([found.low, found.high], [wanted.low, wanted.high], rtol=1e-9)
    assert found.low > 0  # four times of what the spread over blocks makes of it


def test_a_seed_without_a_text_is_not_counted(outcomes):
    changed = json.loads(json.dumps(outcomes["full"][BEST][0])) | {"base_text": None}
    runs = outcomes["full"][BEST] | {0: changed}
    _, full = summary(outcomes | {"full": outcomes["full"] | {BEST: runs}})
    assert full.forgetting.draws == len(runs) - 1
    assert len(full.seeds) == len(runs)


def test_its_difference_is_paired_where_the_test_examples_are_not_and_both_have_the_text(outcomes):
    changed = json.loads(json.dumps({m: outcomes[m][BEST] for m in outcomes}))
    changed = {m: {BEST: {int(s): r for s, r in runs.items()}} for m, runs in changed.items()}
    for rates in changed.values():
        for one in rates[BEST].values():
            one["same_test"] = False
    changed["LoRA"][BEST][0]["base_text"] = None
    _, full = summary(changed)
    rng, both = np.random.default_rng(0), [changed[m][BEST] for m in ("full", "LoRA")]
    first, second = ([run["scores"] for run in runs.values()] for runs in both)
    paired(first, second, False, rng)  # what is drawn before
    first, second = ([forgotten(run) for seed, run in runs.items() if seed != 0] for runs in both)
    wanted = paired(first, second, True, rng)
    found = full.forgetting_difference
    assert np.allclose([found.low, found.high], [wanted.low, wanted.high], rtol=1e-9)


def test_the_curve_is_the_validation_loss_against_what_is_forgotten(outcomes):
    run = outcomes["full"][BEST][0]
    validation = [loss for _, loss in run["validation"]]
    wanted = [(validation[0], 0.025), (validation[1], 0.05), (validation[2], 0.05)]
    assert np.allclose(trade([run]), wanted, rtol=1e-12)
    assert trade([run | {"base_text": None}]) == []
    fewer = run["base_text"] | {"curve": run["base_text"]["curve"][:-1]}
    two = trade([run, run | {"base_text": fewer}])
    assert np.allclose(two, wanted[:2], rtol=1e-12), "where both have been measured"


def test_the_report_has_the_column_the_picture_and_how_to_read_it(outcomes, tmp_path):
    found = summary(outcomes)
    report.write(tmp_path, found, outcomes, {"margin": MARGIN})
    page = (tmp_path / report.PAGE).read_text()
    assert "| forgetting | its difference |" in page
    assert "Forgetting: bits a byte" in page
    assert "(a text), lower is better" in page
    rows = report.records(found)
    for row, cells in zip(found, rows, strict=True):
        assert cells["forgetting"] == report._interval(row.forgetting, "+")
    assert rows[0]["its difference"] == "reference"
    assert rows[1]["its difference"] == report._interval(found[1].forgetting_difference, "+")
    assert rows[1]["its difference"] != rows[1]["difference"]
    assert f"({report.FORGETTING})" in page
    assert (tmp_path / report.FORGETTING).read_bytes().startswith(b"\x89PNG")
    some = report.page([found[0], replace(found[1], forgetting=None)], [])
    assert f"({report.FORGETTING})" in some, "of those that have one"


def test_the_picture_shows_each_method_s_own_curve_and_its_end(outcomes, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(pictures, "_save", lambda figure, file: figures.append(figure))
    found = summary(outcomes)
    pictures.draw_forgetting(tmp_path / "unused.png", found, outcomes)
    [axes] = figures[0].axes
    assert axes.get_xlabel() == "validation loss"
    for i, row in enumerate(found):
        points = trade([*outcomes[row.method][BEST].values()])
        line, end = axes.lines[2 * i : 2 * i + 2]
        np.testing.assert_array_equal(line.get_xydata(), points)
        np.testing.assert_array_equal(end.get_xydata(), points[-1:])
        assert end.get_label() == row.method


def test_the_export_has_it_in_nats_a_token(outcomes, tmp_path):
    for file in export(tmp_path, summary(outcomes), outcomes, {"margin": MARGIN}):
        method = file.name.split("--")[0]
        [*_, last] = json.loads(file.read_text())["train_info"]["metrics"]
        assert last["forgetting"] == 2.5 * MORE[method]


def test_lora_and_full_fine_tuning_of_a_language_model(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path / "home"))
    word_tokenizer(tmp_path, WORDS)
    llama().save_pretrained(tmp_path)
    for part in ("train", "test"):
        (tmp_path / f"{part}.jsonl").write_text(rows(36).replace("####", "one"))
    (tmp_path / "text.txt").write_text("what is one plus two " * 60)
    given = ["--task", "causal_lm", "--model", str(tmp_path), "--jobs", "1", "--widen", "0"]
    given += ["--train", str(tmp_path / "train.jsonl"), "--test", str(tmp_path / "test.jsonl")]
    given += ["--remember", str(tmp_path / "text.txt"), "--steps", "4", "--batch", "8"]
    given += ["--schemes", "init_a", "--variants", "plain", "full", "--rates", "1e-2"]
    given += ["--length", "12", "--seeds", "0", "--store", str(tmp_path / "store.sqlite")]
    assert run([*given, "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())["methods"]
    assert [row["method"] for row in found] == ["init_a", "full"]
    assert all(abs(row["forgetting"]["value"]) > 1e-3 for row in found)
    assert (tmp_path / "out" / report.FORGETTING).is_file()

"""A proxy as a program: its exit codes, its output, its second run."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from loralab import pictured, recorded, trials
from loralab.claims import Check, Claim, Kind, Scope, Within
from loralab.memo import Memo
from loralab.proxy import Evidence, Proxy
from loralab.statistics import spread
from loralab.store import Store
from loralab.workers import cores


@dataclass(frozen=True)
class Config:
    draws: int = 3
    block: int = 1000
    widths: tuple[int, ...] = (1, 2)


def slow(width: int) -> int:
    return width


def measure(config: Config, memo: Memo) -> Evidence:
    memo.map(slow, [{"width": width} for width in config.widths])
    return Evidence({"F": {"size": spread(range(config.draws))}}, {}, {})


PROXY = Proxy(
    "test_proxy",
    Config,
    (
        Claim(
            *("F", "Numbers are small.", "derived", (Check("size", Within(high=9)),)),
            kind=Kind.LAW,
            scope=Scope.SIMULATION,
        ),
    ),
    measure,
    quick=Config(2),
    package="tests.loralab",
)


def computed(checkout: Path) -> int:
    return len((checkout / "computed.log").read_text().splitlines())


def test_a_run_ends_with_code_0_and_says_where_everything_is(checkout, run):
    done = run("fake", LORALAB_JOBS="2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "F1" in done.stdout
    assert "not seen at this" in done.stdout
    assert f"figure: {checkout}/report/figures/fake-numbers.svg" in done.stdout
    assert f"s, in {checkout}/runs/loralab.sqlite" in done.stdout.splitlines()[-1]


def test_a_check_decided_otherwise_than_recorded_ends_with_code_1_and_is_named(run):
    assert run("fake", "--shift", "3").returncode == 0, "nothing is recorded"
    run("fake")
    run("loralab", "ledger")
    done = run("fake", "--shift", "3")
    assert done.returncode == 1
    assert done.stderr == (
        "not as recorded: F1 size: supported in the record, contradicted now\n"
        "not as recorded: F2 size: contradicted in the record, supported now\n"
    )
    assert run("fake", "--shift", "3", "--json").returncode == 1


def test_what_is_pictured_is_of_a_whole_run_else_the_record_and_else_of_the_quick_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(trials, "FOLDER", tmp_path)
    monkeypatch.setattr(pictured, "FOLDER", tmp_path)
    store = Store(tmp_path / "runs.sqlite")
    assert recorded.pictured_run(PROXY, store) is None
    assert [row.verdict for row in PROXY.rows(None)] == [None]
    quick = PROXY.run(PROXY.quick, store)
    assert recorded.pictured_run(PROXY, store) == quick
    pictured.write(replace(quick, key="kept"))
    kept = recorded.pictured_run(PROXY, store)
    assert kept is not None
    assert kept.key == "kept"
    whole = PROXY.run(PROXY.Config(), store)
    assert recorded.pictured_run(PROXY, store) == whole
    entries: Any = [PROXY.rows(run)[0].evidence[0] for run in (quick, whole)]
    assert [entry.measured.high for entry in entries] == [1, 2]
    assert [entry.run for entry in entries] == [quick.key[:12], whole.key[:12]]
    assert [PROXY.size_of(run.config) for run in (quick, whole)] == ["quick", "default"]
    assert PROXY.size_of({"draws": 7, "block": 0, "widths": [1, 2]}) == "other"


def test_a_run_that_went_on_after_a_kill_is_recorded_with_the_seconds_of_before(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(trials, "FOLDER", tmp_path)
    store = Store(tmp_path / "runs.sqlite")
    code, before = PROXY.code, "2026-01-01T00:00:00+00:00"
    done = store.put(PROXY.stem, "slow", {"width": 2}, code, 400.0, 2)
    store.add(replace(done, finished=before))
    assert PROXY.run(Config(), store).seconds == pytest.approx(400 / cores(), rel=0.1)
    assert PROXY.run(Config(draws=2, widths=(3,)), store).seconds < 40


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--draws", "1"], "error: --draws must be at least 2, got 1"),
        (["--draws", "many"], "--draws"),
        (["--colour", "red"], "--colour"),
        (["stray"], "stray"),
    ],
)
def test_a_wrong_flag_ends_with_code_2_before_anything_runs(checkout, run, flags, words):
    done = run("fake", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / "runs").exists()


def test_claims_of_which_nothing_was_measured_are_counted(checkout, run):
    family = checkout / "proxies/fake.py"
    text = family.read_text()
    assert run("fake").stdout.count("nothing was measured of") == 0
    family.write_text(text.replace('"F2": {"size": spread(x)}', '"F2": {"size": None}'))
    done = run("fake", "--force")
    assert "F1" in done.stdout
    assert "F2" not in done.stdout
    assert "nothing was measured of 1 more: loralab claims --family fake" in done.stdout


def test_one_claim_can_be_shown_alone(run):
    done = run("fake", "--claims", "F2")
    assert done.returncode == 0
    assert "F2" in done.stdout
    assert "F1" not in done.stdout
    assert [
        claim["id"] for claim in json.loads(run("fake", "--claims", "F1", "--json").stdout)
    ] == ["F1"]
    other = run("fake", "--claims", "F9")
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr == "error: no claim here is F9; known: F1, F2\n"


def test_help_lists_the_flags(run):
    done = run("fake", "--help")
    assert done.returncode == 0
    for words in (
        "A family that costs nothing",
        "--draws",
        "how many numbers",
        "--force",
        "--quick",
        "--full",
        "--store",
        "--json",
    ):
        assert words in done.stdout


@pytest.mark.parametrize("speaker", ["def number(i, shift):\n", "def measure(config, memo):\n"])
def test_json_is_the_whole_output_whatever_trials_say(checkout, run, speaker):
    family = checkout / "proxies/fake.py"
    family.write_text(family.read_text().replace(speaker, speaker + '    print("about to")\n'))
    done = run("fake", "--json", LORALAB_JOBS="2")
    records = json.loads(done.stdout)
    assert "about to" in done.stderr
    assert [record["id"] for record in records] == ["F1", "F2"]
    assert [record["verdict"] for record in records] == ["holds", "not seen at this scale"]


def test_a_second_run_computes_nothing_and_says_the_same(checkout, run):
    first, second = run("fake"), run("fake")
    assert (second.stdout, computed(checkout)) == (first.stdout, 4)
    (checkout / "proxies/fake.py").write_text(
        (checkout / "proxies/fake.py").read_text() + "# edited\n"
    )
    run("fake")
    assert computed(checkout) == 8, "other code runs anew"


def test_force_computes_everything_again(checkout, run):
    run("fake")
    assert run("fake", "--force", LORALAB_JOBS="2").returncode == 0
    assert computed(checkout) == 8


def test_quick_is_a_size_from_which_other_flags_depart(checkout, run):
    run("fake", "--quick")
    assert computed(checkout) == 2
    run("fake", "--quick", "--shift", "0.5")
    assert computed(checkout) == 4


def test_a_run_of_one_s_own_says_so_and_leaves_the_figures_of_the_report(checkout, run):
    run("fake")
    before = pictures(checkout / "report/figures")
    done = run("fake", "--shift", "0.5")
    last = done.stdout.splitlines()[-1]
    assert "exploratory, with shift 0.5 in place of " in last
    assert "the record stays" in last
    key = last.removeprefix("run ")[:12]
    assert f"figure: {checkout}/report/figures/{key}/fake-numbers.svg" in done.stdout
    own = pictures(checkout / "report/figures" / key)
    assert {name: before[name] for name in own} != own
    assert pictures(checkout / "report/figures") == before
    said = run("loralab", "report").stdout.splitlines()
    assert said[-1] == f"not in it, as it has the registered runs alone: {key}"


def pictures(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".")
    }


def test_figures_are_the_same_bytes_again_and_stand_beside_another_store(checkout, run):
    assert run("fake", "--store", "elsewhere/my.sqlite").returncode == 0
    beside = pictures(checkout / "elsewhere/figures")
    assert beside.keys() == {"fake-numbers.svg", "fake-numbers.pdf"}
    assert not (checkout / "runs").exists()
    run("fake")
    assert pictures(checkout / "report/figures") == beside


def test_figures_are_drawn_again_only_where_they_would_differ_or_are_gone(checkout, run):
    picture, drawing = checkout / "report/figures/fake-numbers.svg", checkout / "paper_figs/fake.py"
    run("fake")
    first = picture.stat().st_mtime_ns
    run("fake")
    assert picture.stat().st_mtime_ns == first, "nothing changed"
    (checkout / "report/figures/fake-numbers.pdf").unlink()
    run("fake")
    assert (checkout / "report/figures/fake-numbers.pdf").exists()
    before = picture.read_bytes()
    run("fake", "--shift", "0.25")
    [other] = (checkout / "report/figures").glob("*/fake-numbers.svg")
    other_data = other.read_bytes()
    drawing.write_text(drawing.read_text().replace("axes.plot(", "axes.semilogy("))
    run("fake", "--shift", "0.25")
    drawn_otherwise = {path.read_bytes() for path in other.parents[1].glob("*/fake-numbers.svg")}
    assert len({before, other_data} | drawn_otherwise) == 3


def test_a_store_that_cannot_be_used_is_one_line(checkout, run):
    (checkout / "thesis.txt").write_text("my thesis " * 100)
    done = run("fake", "--store", "thesis.txt")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: cannot use the run store thesis.txt: file is not a database.\n"


def test_missing_evidence_is_refused(checkout, run):
    family = checkout / "proxies/fake.py"
    family.write_text(family.read_text().replace('"F2": {"size": spread(x)}', '"F2": {}'))
    done = run("fake")
    assert done.returncode == 1
    assert (
        "fake declares checks that it does not measure, ['F2: size'], "
        "or measures some that it does not declare, []" in done.stderr
    )

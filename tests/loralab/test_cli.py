"""`loralab`: the ledger, all experiments, the report."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import loralab


def computed(checkout: Path) -> int:
    log = checkout / "computed.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_claims_are_listed_before_anything_has_run(run):
    done = run("loralab", "claims", "--json")
    assert done.returncode == 0
    assert [(r["id"], r["verdict"], r["run"]) for r in json.loads(done.stdout)] == [
        ("F1", None, None),
        ("F2", None, None),
    ]
    assert run("loralab", "claims").stdout.count("not measured") == 2


def test_reproduce_runs_prints_and_reports_and_does_nothing_twice(checkout, run):
    first, second = run("loralab", "reproduce", LORALAB_JOBS="2"), run("loralab", "reproduce")
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout
    assert "refuted" in first.stdout
    assert f"report: {checkout}/report/index.html" in first.stdout
    assert computed(checkout) == 4
    assert run("loralab", "reproduce", "--force").returncode == 0
    assert computed(checkout) == 8


def test_reproduce_quick_is_judged_by_itself(checkout, run):
    assert run("loralab", "reproduce", "--quick").returncode == 0
    assert computed(checkout) == 2
    assert run("loralab", "reproduce", "--quick").returncode == 0
    assert computed(checkout) == 2, "a quick run counts for quick"
    assert run("loralab", "reproduce").returncode == 0
    assert computed(checkout) == 4, "and for the default size only by the trials that they share"


def test_a_changed_verdict_is_an_error(checkout, run):
    family = checkout / "proxies/fake.py"
    family.write_text(family.read_text().replace("shift: float = 0.0", "shift: float = 3.0"))
    done = run("loralab", "reproduce")
    assert done.returncode == 1
    assert "not as expected: F1, F2" in done.stderr


def test_the_reduced_size_may_leave_a_claim_open_but_not_decide_it_otherwise(checkout, run):
    family = checkout / "proxies/fake.py"
    known = family.read_text()
    straddling = known.replace(
        '"F2": {"size": spread(x)}', '"F2": {"size": Measured(2, 1, 3)}'
    ).replace("Check,", "Check, Measured,")
    family.write_text(straddling)
    assert run("loralab", "reproduce", "--quick").returncode == 0
    done = run("loralab", "reproduce")
    assert done.returncode == 1
    assert "not as expected: F2" in done.stderr
    family.write_text(known.replace("Config(draws=2)", "Config(draws=2, shift=3.0)"))
    done = run("loralab", "reproduce", "--quick")
    assert done.returncode == 1
    assert "not as expected: F1, F2" in done.stderr


def test_evidence_that_the_default_size_leaves_out_is_an_error(checkout, run):
    family = checkout / "proxies/fake.py"
    family.write_text(
        family.read_text().replace('"F2": {"size": spread(x)}', '"F2": {"size": None}')
    )
    assert run("loralab", "reproduce", "--quick").returncode == 0
    done = run("loralab", "reproduce")
    assert done.returncode == 1
    assert "not as expected: F2" in done.stderr


def test_a_family_that_fails_shows_its_error_and_is_named(checkout, run):
    family = checkout / "proxies/fake.py"
    family.write_text(family.read_text().replace("shift: float = 0.0", "shift: float = 101.0"))
    done = run("loralab", "reproduce")
    assert done.returncode == 1
    assert "RuntimeError: the shift is out of this world" in done.stderr
    assert "error: could not run proxies.fake; what had finished is kept" in done.stderr


def test_the_ledger_is_written_from_whole_runs_alone(checkout, run):
    run("loralab", "reproduce", "--quick")
    done = run("loralab", "ledger")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: the run store holds no run at the default size of fake, and none is recorded; "
        "`make reproduce` makes them\n"
    )
    run("loralab", "reproduce")
    assert run("loralab", "ledger").returncode == 0
    record = json.loads((checkout / "evidence/ledger/fake.json").read_text())
    assert record["measured"] == {
        "F1": {"size": [0.0015, 0, 0.003]},
        "F2": {"size": [0.0015, 0, 0.003]},
    }
    page = (checkout / "LEDGER.md").read_text()
    assert "| F1 | Numbers \\| are small. |  |  | 0 | 0.0015 [0, 0.003] | <= 1 | holds |\n" in page
    assert (
        "| F2 | Numbers are large. |  |  | 2 | 0.0015 [0, 0.003] | <= 2 | refuted |\n" not in page
    )
    assert "| 2 | 0.0015 [0, 0.003] | >= 2 | refuted |\n" in page


def test_recorded_evidence_is_shown_and_kept_where_the_store_is_empty(checkout, run):
    run("loralab", "reproduce")
    run("loralab", "ledger")
    page = (checkout / "LEDGER.md").read_text()
    shutil.rmtree(checkout / "runs")
    shown = run("loralab", "claims", "F1").stdout
    assert "recorded at commit unknown" in shown
    assert "0.0015 [0, 0.003]" in shown
    done = run("loralab", "ledger")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "kept as recorded before, since the run store holds no run: fake",
    )
    assert (checkout / "LEDGER.md").read_text() == page


def test_one_claim_is_followed_from_its_statement_to_its_evidence(run):
    done = run("loralab", "claims", "F2")
    assert done.returncode == 0
    for words in ("F2: Numbers are large.", "arXiv:0000.00000", "python proxies/fake.py"):
        assert words in done.stdout
    assert "F1" not in done.stdout
    unknown = run("loralab", "claims", "F7")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "error: there is no claim 'F7'; known: F1, F2\n"


def test_runs_and_report_go_where_the_user_says(checkout, run, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    assert run("loralab", "reproduce", "--quick", LORALAB_HOME=str(home)).returncode == 0
    assert {path.name for path in home.iterdir()} == {"runs", "report"}
    assert not (checkout / "runs").exists()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_the_help_lists_them(run, arguments):
    done = run("loralab", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("claims", "reproduce", "report", "ledger", "finetune", "sweep", "init"):
        assert f"\n  {command} " in done.stdout
    assert "Print every claim with its evidence" in done.stdout


def test_the_version_is_that_of_the_distribution(run):
    done = run("loralab", "--version")
    assert (done.returncode, done.stdout) == (0, f"loralab {loralab.__version__}\n")


def test_the_package_is_a_program_too(checkout):
    done = subprocess.run(
        [sys.executable, "-m", "loralab", "reprodce"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: unknown command reprodce; did you mean reproduce?\n"


@pytest.mark.parametrize(
    "arguments", [["claim"], ["claims", "--jason"], ["reproduce", "--quick", "yes"]]
)
def test_a_wrong_flag_ends_with_code_2(run, arguments):
    done = run("loralab", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["claims", "reproduce", "report", "ledger"])
def test_a_store_that_cannot_be_used_is_one_line(checkout, run, command):
    (checkout / "runs").mkdir()
    (checkout / "runs/loralab.sqlite").write_text("my thesis " * 100)
    done = run("loralab", command)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"error: cannot use the run store {checkout}/runs/loralab.sqlite: file is not a "
        "database.\n"
    )


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    "program", [["loralab", "reproduce"], ["fake"]], ids=["reproduce", "proxy"]
)
def test_an_interrupt_ends_with_one_line_and_code_130(checkout, start, program, jobs):
    family, log = checkout / "proxies/fake.py", checkout / "computed.log"
    family.write_text(family.read_text().replace("draws: int = 4", "draws: int = 400"))
    log.touch()
    child = start(*program, PAUSE="0.1", LORALAB_JOBS=str(jobs))
    # till every worker is at work
    while len({line.split()[-1] for line in log.read_text().splitlines()}) < jobs:
        time.sleep(0.05)
    # as a terminal does: to the program and all that it started
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert (
        err.splitlines()[-1] == "interrupted: what had finished is kept and will not be run again."
    )
    assert "Traceback" not in err


def test_the_families_of_a_killed_reproduce_end_with_it(checkout, start, run):
    child = start("loralab", "reproduce", PAUSE="1.2", LORALAB_JOBS="1")
    while not computed(checkout):
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    with child:  # closes its pipes, whoever holds them besides
        pass
    time.sleep(2.5)
    before = computed(checkout)
    time.sleep(1.5)
    assert computed(checkout) == before < 4
    assert run("loralab", "reproduce").returncode == 0

"""`loralab`: the ledger, all experiments, the report."""

import json
import os
import re
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
    assert [(r["id"], r["verdict"], r["checks"][0]["run"]) for r in json.loads(done.stdout)] == [
        ("F1", None, None),
        ("F2", None, None),
    ]
    *lines, origin, how = run("loralab", "claims").stdout.splitlines()
    assert origin == "fake: not measured"
    assert how.startswith("loralab claims ID shows")
    assert any("2 not measured" in line for line in lines)
    assert sum(line.startswith(("│F1", "│F2")) for line in lines) == 2, "a line for each claim"


def test_reproduce_runs_prints_and_reports_and_does_nothing_twice(checkout, run):
    first, second = run("loralab", "reproduce", LORALAB_JOBS="2"), run("loralab", "reproduce")
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout
    assert "not seen at this" in first.stdout
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


def test_a_claim_is_measured_by_itself_and_shown_beside_its_record(checkout, run):
    first = run("loralab", "reproduce", "F2")
    assert first.returncode == 0
    assert computed(checkout) == 4, "its family shares its trials"
    assert "F1" not in first.stdout, "the other claims are not printed"
    run("loralab", "ledger")
    lines = run("loralab", "reproduce", "F2", COLUMNS="200").stdout.splitlines()
    cells = [[cell.strip() for cell in line.split("│")[-3:-1]] for line in lines]
    assert ["contradicted", "contradicted"] in cells, "in the record, and now"
    for arguments, why in (
        (["F7"], "there is no claim 'F7'; known: F1, F2"),
        (
            ["F1", "--family", "fake"],
            "a claim brings its family: give claims or --family, not both",
        ),
    ):
        done = run("loralab", "reproduce", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {why}\n")


def test_the_full_size_adds_to_the_default_one(checkout, run):
    assert run("loralab", "reproduce", "--full").returncode == 0
    assert computed(checkout) == 6
    done = run("loralab", "reproduce", "--full", "--quick")
    assert (done.returncode, done.stderr) == (
        2,
        "error: --quick and --full are two sizes: give one of them\n",
    )


def test_families_are_chosen_by_name_and_the_end_of_each_is_told(checkout, run):
    assert run("loralab", "reproduce", "--studies").returncode == 0
    assert computed(checkout) == 0, "there is no study"
    done = run("loralab", "reproduce", "--family", "fake")
    assert done.returncode == 0
    assert "fake ended: family 1 of 1\n" in done.stderr
    unknown = run("loralab", "reproduce", "--family", "fkae")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "error: there is no family 'fkae'; did you mean fake?\n"


def edited(checkout: Path, before: str, after: str) -> None:
    family = checkout / "proxies/fake.py"
    text = family.read_text()
    assert before in text
    family.write_text(text.replace(before, after))


@pytest.mark.parametrize("size", [[], ["--quick"]])
def test_a_check_decided_otherwise_than_recorded_is_an_error(checkout, run, size):
    run("loralab", "reproduce")
    run("loralab", "ledger")
    edited(checkout, "shift: float = 0.0", "shift: float = 3.0")
    done = run("loralab", "reproduce", *size)
    assert done.returncode == 1
    assert "not as recorded: F1 size: supported in the record, contradicted now" in done.stderr
    assert "not as recorded: F2 size: contradicted in the record, supported now" in done.stderr
    edited(checkout, '"F2": {"size": spread(x)}', '"F2": {"size": Measured(2, 1, 3)}')
    edited(checkout, "Check,", "Check, Measured,")
    edited(checkout, "shift: float = 3.0", "shift: float = 0.0")
    assert run("loralab", "reproduce", *size).returncode == 0, "undecided contradicts nothing"


def test_a_family_that_fails_shows_its_error_and_is_named(checkout, run):
    family = checkout / "proxies/fake.py"
    family.write_text(family.read_text().replace("shift: float = 0.0", "shift: float = 101.0"))
    done = run("loralab", "reproduce")
    assert done.returncode == 1
    assert "RuntimeError: the shift is out of this world" in done.stderr
    assert "error: could not run proxies.fake; what had finished is kept" in done.stderr


def test_what_is_registered_is_measured_on_its_own_seeds_and_recorded_so(checkout, run):
    done = run("loralab", "register", "--family", "fake")
    assert (done.returncode, done.stdout) == (
        0,
        "fake: 2 checks registered on the seeds from 1000\n",
    )
    run("loralab", "reproduce")
    run("loralab", "ledger")
    record = json.loads((checkout / "evidence/ledger/fake.json").read_text())
    lines = record["checks"]
    assert [(line["id"], line["registered"], line["look"]) for line in lines] == [
        ("F1", True, 1),
        ("F2", True, 1),
    ]
    edited(checkout, "Within(low=2)", "Within(low=3)")
    done = run("loralab", "reproduce")
    assert "fake: not registered as it stands, so exploratory: F2 size\n" in done.stderr
    shown = json.loads(run("loralab", "claims", "--json").stdout)
    assert [row["checks"][0]["registered"] for row in shown] == [True, False]
    again = run("loralab", "register", "--family", "fake")
    assert again.returncode == 2
    assert "a new registration needs another block" in again.stderr
    missing = run("loralab", "register")
    assert (missing.returncode, missing.stderr) == (
        2,
        "error: --family is missing: the families to register\n",
    )


def test_the_ledger_is_written_from_whole_runs_alone(checkout, run):
    run("loralab", "reproduce", "--quick")
    done = run("loralab", "ledger")
    assert done.returncode == 0
    assert done.stdout.endswith("of this code on the registered seeds: fake\n")
    assert not (checkout / "evidence/ledger/fake.json").exists()
    run("loralab", "reproduce")
    assert run("loralab", "ledger", "--family", "fake").returncode == 0
    record = json.loads((checkout / "evidence/ledger/fake.json").read_text())
    assert [[x["id"], x["value"], x["low"], x["high"]] for x in record["checks"]] == [
        ["F1", 0.0015, 0, 0.003],
        ["F2", 0.0015, 0, 0.003],
    ]
    [about] = record["runs"].values()
    assert (about["size"], about["config"]["draws"]) == ("default", 4)
    text = (checkout / "LEDGER.md").read_text()
    assert "### F2: not seen at this scale\n" in text
    assert "| size |  | = 2 | 0.0015 [0, 0.003] | >= 2 | contradicted | exploratory; pred" in text
    assert "Numbers | are small." in text
    readme = (checkout / "README.md").read_text()
    assert readme.startswith("before\n<!-- totals -->\n2 claims with 2 checks: 1 holds, 1 not seen")
    assert "\nold\n" not in readme
    assert readme.endswith("<!-- /totals -->\nafter\n")


def test_recorded_evidence_is_shown_and_kept_where_the_store_is_empty(checkout, run):
    run("loralab", "reproduce")
    run("loralab", "ledger")
    text = (checkout / "LEDGER.md").read_text()
    shutil.rmtree(checkout / "runs")
    shown = run("loralab", "claims", "F1").stdout
    assert "recorded at commit unknown" in shown
    assert "0.0015 [0, 0.003]" in shown
    done = run("loralab", "ledger")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "unchanged, as the run store has no run of this code on the registered seeds: fake",
    )
    assert (checkout / "LEDGER.md").read_text() == text
    edited(checkout, '"""how many numbers"""', '"""the count of numbers"""')
    assert "the code has changed since" in run("loralab", "claims").stdout


def test_what_is_declared_otherwise_after_it_was_measured_is_exploratory(checkout, run):
    def registered() -> list[bool]:
        shown = json.loads(run("loralab", "claims", "--json").stdout)
        return [row["checks"][0]["registered"] for row in shown]

    assert run("loralab", "register", "--family", "fake").returncode == 0
    run("loralab", "reproduce")
    run("loralab", "ledger")
    shutil.rmtree(checkout / "runs")
    assert registered() == [True, True]
    edited(checkout, "Within(low=2)", "Within(low=0.001)")
    assert registered() == [True, False]
    done = run("loralab", "ledger")
    assert done.stderr == (
        "declared otherwise since it was measured, so exploratory: F2 size (criterion)\n"
    )
    assert "| exploratory" in (checkout / "LEDGER.md").read_text()


@pytest.mark.parametrize(
    ("flags", "ids"),
    [
        (["--verdict", "holds"], ["F1"]),
        (["--source", "0000.00000"], ["F2"]),
        (["--search", "LARGE"], ["F2"]),
        (["--family", "fake", "--kind", "law"], ["F1", "F2"]),
        (["--scope", "exact"], []),
    ],
)
def test_claims_are_filtered(run, flags, ids):
    run("loralab", "reproduce")
    found = json.loads(run("loralab", "claims", "--json", *flags).stdout)
    assert [row["id"] for row in found] == ids


def test_one_claim_is_followed_from_its_statement_to_its_evidence(run):
    done = run("loralab", "claims", "F2")
    assert done.returncode == 0
    for words in ("F2: Numbers are large.", "arXiv:0000.00000", "loralab reproduce F2"):
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
    for command in ("claims", "reproduce", "register", "report", "ledger", "finetune", "init"):
        assert f"\n  {command} " in done.stdout
    assert "Print a line for each claim" in done.stdout


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
    assert re.fullmatch(
        r"interrupted: .* kept and will not be run again\.", err.splitlines()[-1]
    ), err
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

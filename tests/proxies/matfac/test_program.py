"""`python proxies/matfac.py` as its users run it: flags, exit codes, a kill in the middle, and what
is not repeated."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from proxies.matfac import PROXY

ROOT = Path(__file__).parents[3]
# One target at a tiny size: about three seconds of trials, and verdicts that need not be the
# declared ones.
SMALL = (
    "--quick",
    "--target",
    "gauss",
    "--rows",
    "6",
    "--columns",
    "5",
    "--rank",
    "2",
    "--seeds",
    "3",
    "--steps",
    "60",
)


def command(*flags: str) -> list[str]:
    return [sys.executable, str(ROOT / "proxies" / "matfac.py"), *flags]


def run(tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "LORALAB_HOME": str(tmp_path),
        "LORALAB_JOBS": "1",
        "COLUMNS": "200",
    }
    return subprocess.run(
        command(*flags), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


def trials(store: Path) -> dict[str, str]:
    """key -> when it finished, of every trial in the store so far."""
    if not store.exists():
        return {}
    with closing(sqlite3.connect(store, timeout=30)) as connection:
        try:
            return dict(
                connection.execute(
                    "SELECT key, finished || seconds FROM runs WHERE name != 'claims'"
                ).fetchall()
            )
        except sqlite3.OperationalError:  # the table is about to be made
            return {}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rank", "17"], "--rank must be at most min(rows, columns) = 16, got 17"),
        (["--rank", "0"], "--rank must be at least 1, got 0"),
        (
            ["--target", "digits", "--rank", "65"],
            "--rank must be at most min(rows, columns) = 64, got 65",
        ),
        (["--rates", "0.1", "-0.2"], "--rates must be positive and finite, got -0.2"),
        (["--rates", "nan"], "--rates must be positive and finite, got nan"),
        (["--seeds", "2"], "--seeds must be at least 3, got 2"),
        (["--steps", "3"], "--steps must be at least 4, got 3"),
    ],
)
def test_an_impossible_value_ends_with_code_2_and_one_sentence(capsys, flags, words):
    with pytest.raises(SystemExit) as ended:
        PROXY.main(flags)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"error: {words}\n")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--ranks", "3"], "unknown flag --ranks; did you mean --rank?"),
        (
            ["--target", "cifar"],
            "--target must be one of synthetic, gauss, ill, well, digits, got 'cifar'",
        ),
    ],
)
def test_an_unknown_flag_or_choice_ends_with_code_2_and_one_sentence(tmp_path, flags, words):
    result = run(tmp_path, *flags)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"error: {words}\n")
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_a_killed_run_goes_on_a_finished_one_is_not_repeated_and_rates_replace_the_grid(
    tmp_path, monkeypatch, capsys
):
    store = tmp_path / "store" / "s.sqlite"
    flags = (*SMALL, "--store", str(store))
    environment = os.environ | {"LORALAB_HOME": str(tmp_path), "LORALAB_JOBS": "1"}
    child = subprocess.Popen(
        command(*flags),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while len(before := trials(store)) < 3:
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "no three trials in a minute"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    before = trials(store)

    # In this process, which has imported everything.
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    monkeypatch.setenv("LORALAB_JOBS", "1")
    with pytest.raises(SystemExit) as second:
        PROXY.main(flags)
    assert second.value.code in (0, 1), capsys.readouterr().err
    after = trials(store)
    assert len(after) > len(before) >= 3, "it was killed in the middle"
    assert before.items() <= after.items(), "a finished trial is not computed again"

    capsys.readouterr()
    with pytest.raises(SystemExit) as third:
        PROXY.main([*flags, "--json"])
    assert trials(store) == after
    assert third.value.code == second.value.code
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == [
        claim.id for claim in PROXY.claims
    ]
    figures = sorted(path.name for path in (store.parent / "figures").glob("*/matfac-*"))
    assert figures == [
        "matfac-rates.pdf",
        "matfac-rates.svg",
        "matfac-steps.pdf",
        "matfac-steps.svg",
    ]

    # The laws do not depend on the flags, so with other rates only the sweeps are new.
    with pytest.raises(SystemExit) as fourth:
        PROXY.main([*flags, "--rates", "0.01", "0.1", "--json"])
    assert fourth.value.code in (0, 1)
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute(
            "SELECT result FROM runs WHERE name = 'claims' AND config LIKE '%\"rates\":[0.01,%'"
        )
        (stored,) = (json.loads(row[0]) for row in rows)
    assert all(line["rates"] == [0.01, 0.1] for line in stored["data"]["series"])
    assert set(stored["measured"]["OP11"].values()) == {None}, "a window needs the grid"

"""The run store: whole runs or none, whatever kills the writer, and one clear sentence when it
cannot be used."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from loralab import store as module
from loralab.store import Store, StoreError, canonical, run_key

KILLS = 15
WRITER = """
import sys
from pathlib import Path
from loralab.store import Store
store, round = Store(Path(sys.argv[1])), int(sys.argv[2])
print("open", flush=True)
for i in range(10_000):
    run = store.put("family", "trial", {"round": round, "i": i}, "code", 0.5, {"x": [i] * 5_000})
    print(run.key, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "test.sqlite"


def sound_keys(path: Path) -> set[str]:
    """The keys of a store in which every row is whole and under its own key."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = connection.execute("SELECT key, family, name, config, code, result FROM runs").fetchall()
    connection.close()
    for key, family, name, config, code, result in rows:
        assert key == run_key(family, name, json.loads(config), code)
        assert len(json.loads(result)["x"]) == 5_000
    return {row[0] for row in rows}


def test_a_writer_killed_at_any_moment_leaves_every_finished_run_and_no_part_of_another(path):
    rng, promised, moments = random.Random(0), set(), set()
    for round in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(round)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        time.sleep(rng.uniform(0, 0.2))
        os.kill(writer.pid, signal.SIGKILL)
        said = [
            line.strip()
            for line in writer.communicate()[0].splitlines(keepends=True)
            if line.endswith("\n")
        ]
        promised |= set(said)
        moments.add(len(said))
        kept = sound_keys(path)
        assert promised <= kept, "a run that put() gave back is in the store"
        assert len(kept) <= len(promised) + round + 1, (
            "and at most the one that was being written besides"
        )
    assert len(moments) > 2, "the kills fell on different moments"


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT", "COMMIT"])
def test_a_writer_killed_inside_a_write_leaves_nothing_of_it(path, statement):
    kept = Store(path).put("family", "trial", {}, "code", 0.0, {"x": [0] * 5_000})
    killer = f"""
import os, sqlite3
connect = sqlite3.connect
def deadly(*arguments, **options):
    connection = connect(*arguments, **options)
    connection.set_trace_callback(
        lambda sql: sql.startswith({statement!r}) and os.kill(os.getpid(), 9)
    )
    return connection
sqlite3.connect = deadly
"""
    writer = subprocess.run(
        [sys.executable, "-c", killer + WRITER, str(path), "0"], capture_output=True, check=False
    )
    assert (writer.returncode, writer.stdout) == (-signal.SIGKILL, b"open\n")
    assert sound_keys(path) == {kept.key}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_canonical_json_gives_the_value_back(value):
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(), values, max_size=4))
def test_the_order_of_a_configuration_does_not_matter(config):
    backwards = dict(reversed(config.items()))
    assert run_key("f", "n", config, "c") == run_key("f", "n", backwards, "c")


def test_every_part_of_a_key_counts():
    parts = [
        ("f", "n", {"a": 1}, "c"),
        ("g", "n", {"a": 1}, "c"),
        ("f", "m", {"a": 1}, "c"),
        ("f", "n", {"a": 2}, "c"),
        ("f", "n", {"a": 1}, "d"),
        ("f", "n", {"a": "1"}, "c"),
    ]
    assert len({run_key(*part) for part in parts}) == len(parts)


def test_a_key_stays_what_it_is():
    """Another rule would lose every run that a user has stored."""
    config = {"b": [1, 2.5, None], "a": "é"}
    assert run_key("family", "trial", config, "code") == "9f73c46b9688dfd8bb6f522f"


def test_a_run_comes_back_as_it_went_in(path):
    put = Store(path).put("f", "n", {"a": (1, 2)}, "c", 1.5, {"x": [1.0, None], "y": "ü"})
    assert Store(path).get(put.key) == put
    assert put.result == {"x": [1.0, None], "y": "ü"}
    assert put.config == {"a": [1, 2]}
    assert {"commit", "python", "machine", "numpy", "torch"} <= put.provenance.keys()
    assert Store(path).get("other") is None


def test_a_second_run_under_one_key_replaces_the_first(path):
    store = Store(path)
    keys = {store.put("f", "n", {}, "c", 0.0, result).key for result in (1, 2)}
    assert [store.get(key).result for key in keys] == [2]  # type: ignore[union-attr]


@pytest.mark.parametrize("result", [float("nan"), {"x": [1.0, float("inf")]}, {"x": object()}])
def test_what_json_cannot_hold_is_refused_by_name(path, result):
    with pytest.raises(
        ValueError, match=r"^f: trial with \{'seed': 3\} gave a result that cannot be recorded"
    ):
        Store(path).put("f", "trial", {"seed": 3}, "c", 0.0, result)
    assert Store(path).get(run_key("f", "trial", {"seed": 3}, "c")) is None


def test_a_locked_store_is_waited_for_and_then_named(path, monkeypatch):
    monkeypatch.setattr(module, "WAIT", 0.1)
    store, holder = Store(path), sqlite3.connect(path)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        StoreError,
        match=r"cannot use the run store .*test\.sqlite: another process has kept it locked",
    ):
        store.put("f", "n", {}, "c", 0.0, 1)
    holder.rollback()
    holder.close()
    store.put("f", "n", {}, "c", 0.0, 1)


def test_a_file_of_another_kind_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("my thesis " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Store(path)
    assert path.read_text() == "my thesis " * 100


def test_a_full_disk_is_said_and_loses_nothing(path, monkeypatch):
    store = Store(path)
    first = store.put("f", "n", {"i": 0}, "c", 0.0, 1)
    connect = sqlite3.connect

    def full(*arguments, **options):
        connection = connect(*arguments, **options)
        # SQLite then answers as it does on a full disk
        connection.execute("PRAGMA max_page_count = 3")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", full)
        with pytest.raises(StoreError, match="database or disk is full"):
            store.put("f", "n", {"i": 1}, "c", 0.0, ["x"] * 100_000)
    assert store.get(first.key) == first
    assert store.put("f", "n", {"i": 1}, "c", 0.0, 2).result == 2


def test_the_default_store_is_where_runs_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    assert Store().path == tmp_path / "runs" / "loralab.sqlite"
    assert Store().path.is_file()


def test_no_connection_outlives_its_transaction(path, monkeypatch):
    opened, connect = [], sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **kw: opened.append(connect(*args, **kw)) or opened[-1]
    )
    store = Store(path)
    store.put("family", "trial", {}, "code", 0.0, 1)
    store.get("nothing")
    assert len(opened) == 3
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot make the folder of the run store"):
        Store(tmp_path / "file" / "runs" / "test.sqlite")


def test_a_store_that_cannot_be_written_is_said(path, monkeypatch):
    store, connect = Store(path), sqlite3.connect
    read_only = lambda file, **options: connect(f"file:{file}?mode=ro", uri=True, **options)
    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(StoreError, match="attempt to write a readonly database"):
        store.put("f", "n", {}, "c", 0.0, 1)


def test_a_lock_that_cannot_be_made_is_said(path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with (
        pytest.raises(StoreError, match=r"cannot lock the run store .*: Permission denied"),
        Store(path).lock("f"),
    ):
        pass


def test_the_second_to_ask_for_a_family_waits_and_says_so(path, capfd):
    holder = (
        "from pathlib import Path; from loralab.store import Store\n"
        f"with Store(Path({str(path)!r})).lock('f'):\n"
    )
    holder += "    print('held', flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    with Store(path).lock("g"):
        assert capfd.readouterr().err == "", "another family is free"
    os.kill(child.pid, signal.SIGSTOP)
    waiter = subprocess.Popen(
        [sys.executable, "-c", holder.replace("input()", "")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiter.stderr is not None
    assert waiter.stderr.readline() == f"waiting: another process is running f on {path}.\n"
    os.kill(child.pid, signal.SIGKILL)
    assert waiter.communicate(timeout=30)[0] == "held\n", "the death of its holder frees the lock"
    child.communicate()


def test_processes_that_make_a_store_at_once_wait_for_each_other(tmp_path):
    """Without a wait of its own one start in hundreds found the new file locked: here six make each
    of forty."""

    def make(path: Path, number: int) -> int:
        if (child := os.fork()) == 0:
            try:
                Store(path).put("family", "name", {"number": number}, "code", 1.0, {})
                os._exit(0)
            except BaseException:
                os._exit(1)
        return child

    for i in range(40):
        children = [make(tmp_path / f"{i}.sqlite", number) for number in range(6)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6

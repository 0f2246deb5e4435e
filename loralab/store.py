"""The run store: one SQLite file that holds finished runs, and nothing else.

A run is keyed by a hash of its canonical configuration and of the code it depends on, so a run that
is done is not repeated. It is written once, in one transaction, after it has finished: a process
killed at any moment leaves whole runs or none. Writers wait for each other (WAL, one writer at a
time).
"""

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from loralab.code import home, provenance

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    key TEXT PRIMARY KEY,       -- hash of family, name, config and code
    family TEXT NOT NULL,       -- stem of the proxy
    name TEXT NOT NULL,         -- what was run within the family
    config TEXT NOT NULL,       -- canonical JSON
    code TEXT NOT NULL,         -- fingerprint of the code
    provenance TEXT NOT NULL,   -- JSON: commit, versions, machine
    finished TEXT NOT NULL,     -- UTC, ISO 8601
    seconds REAL NOT NULL,
    result TEXT NOT NULL        -- JSON
) STRICT
"""
WAIT = 60.0  # seconds a writer waits for another before it gives up
PAUSE = 0.05  # seconds between tries of what SQLite does not wait for itself


class StoreError(Exception):
    """The store cannot be used; the message says why, in one sentence."""


@dataclass(frozen=True)
class Run:
    key: str
    family: str
    name: str
    config: dict[str, Any]
    code: str
    provenance: dict[str, str]
    finished: str
    seconds: float
    result: Any


def canonical(value: Any) -> str:
    """JSON with sorted keys; NaN and infinity are refused, because a diverged run is recorded as
    null."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def run_key(family: str, name: str, config: dict[str, Any], code: str) -> str:
    return hashlib.sha256(canonical([family, name, config, code]).encode()).hexdigest()[:24]


def default_path() -> Path:
    return home() / "runs" / "loralab.sqlite"


class Store:
    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the folder of the run store {self.path}: {error.strerror}."
            ) from error
        with self._connect() as connection:
            _to_wal(connection)
            connection.execute(SCHEMA)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: committed on success, rolled back and explained on
        failure."""
        connection = None
        try:
            connection = sqlite3.connect(self.path, timeout=WAIT)
            with connection:
                yield connection
        except sqlite3.Error as error:
            reason = f"{error}"
            if "locked" in reason:
                reason = f"another process has kept it locked for {WAIT:.0f} s"
            raise StoreError(f"cannot use the run store {self.path}: {reason}.") from error
        finally:
            if connection is not None:
                connection.close()

    def get(self, key: str) -> Run | None:
        with self._connect() as connection:
            row = connection.execute("SELECT * FROM runs WHERE key = ?", (key,)).fetchone()
        return _run(row) if row else None

    def of(self, family: str, name: str, code: str) -> list[Run]:
        """The finished runs of this name, the latest first."""
        where = "family = ? AND name = ? AND code = ? ORDER BY finished DESC"
        with self._connect() as connection:
            rows = connection.execute(f"SELECT * FROM runs WHERE {where}", (family, name, code))
            return [_run(row) for row in rows]

    def put(
        self, family: str, name: str, config: dict[str, Any], code: str, seconds: float, result: Any
    ) -> Run:
        """Record a finished run, replacing an earlier one with the same key, and give it back as
        stored."""
        key, now = (
            run_key(family, name, config, code),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        try:
            recorded = json.dumps(result, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{family}: {name} with {config} gave a result that cannot be recorded: {error}."
            ) from error
        origin = provenance()
        kept = json.loads(canonical(config)), json.loads(recorded)
        run = Run(key, family, name, kept[0], code, origin, now, seconds, kept[1])
        self.add(run)
        return run

    def add(self, run: Run) -> None:
        """Record a run as it is, one that was made elsewhere, say."""
        # Not canonical: the order of a result's keys is the order of a table's columns.
        result = json.dumps(run.result, separators=(",", ":"), allow_nan=False)
        config, origin = canonical(run.config), canonical(run.provenance)
        about = (run.key, run.family, run.name, config, run.code, origin)
        with self._connect() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*about, run.finished, run.seconds, result),
            )

    @contextmanager
    def lock(self, family: str) -> Iterator[None]:
        """Hold a family for this process; a second process waits, and then finds the finished runs.

        The operating system frees the lock when its holder dies, whatever killed it.
        """
        lock = FileLock(f"{self.path}.{family}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(
                f"waiting: another process is running {family} on {self.path}.",
                file=sys.stderr,
                flush=True,
            )
            lock.acquire()
        except OSError as error:
            raise StoreError(f"cannot lock the run store {self.path}: {error.strerror}.") from error
        try:
            yield
        finally:
            lock.release()


def _to_wal(connection: sqlite3.Connection) -> None:
    """To change the mode SQLite must be alone, and where it is not it refuses at once: so the wait
    is here."""
    until = time.monotonic() + WAIT
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return  # in that mode or, where the file system has none, in the old one
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(PAUSE)


def _run(row: tuple) -> Run:
    key, family, name, config, code, origin, finished, seconds, result = row
    return Run(
        key,
        family,
        name,
        json.loads(config),
        code,
        json.loads(origin),
        finished,
        seconds,
        json.loads(result),
    )

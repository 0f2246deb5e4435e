"""Trials: computed once, in order, on one thread, and never lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from loralab.memo import Memo
from loralab.process import Lost, Stopped
from loralab.store import Store
from loralab.workers import cores, local


def square(i: int, log: str) -> int:
    with Path(log).open("a") as file:
        file.write(f"{i}\n")
    return i * i


def undefined(i: int) -> float:
    return float("nan") if i == 3 else 1.0


def failing(i: int, log: str) -> int:
    if i == 2:
        raise RuntimeError("trial 2 is broken")
    return square(i, log)


def killed(i: int, log: str) -> int:
    if i == 2:
        time.sleep(1.0)  # the trials before it are done, and their results with the driver
        os.kill(os.getpid(), signal.SIGKILL)
    return square(i, log)


def pid(i: int) -> int:
    time.sleep(0.1)
    return os.getpid() + 0 * i


def first_use(i: int) -> int:
    return i


def threads(i: int) -> list[int]:
    del i
    # libraries may choose their threads at first use
    torch.mm(torch.ones(300, 300), torch.ones(300, 300))
    return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]


@pytest.fixture
def memo(tmp_path: Path) -> Memo:
    return Memo(Store(tmp_path / "test.sqlite"), "family", "code")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").touch()
    return tmp_path / "log"


@pytest.fixture(params=["1", "2"], ids=["in process", "workers"])
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("LORALAB_JOBS", request.param)
    return int(request.param)


def trials(log: Path, *numbers: int) -> list[dict]:
    return [{"i": i, "log": str(log)} for i in numbers]


def computed(log: Path) -> list[int]:
    return sorted(int(line.split()[0]) for line in log.read_text().splitlines())


def test_results_are_in_order_and_computed_once(memo, log, jobs):
    assert memo.map(square, trials(log, 3, 1, 2)) == [9, 1, 4]
    assert memo.map(square, trials(log, 2, 5, 3)) == [4, 25, 9]
    assert memo(square, i=5, log=str(log)) == 25
    assert computed(log) == [1, 2, 3, 5]


def test_an_interrupt_says_what_is_kept_and_the_next_run_what_it_found(memo, log, capsys):
    cells = trials(log, *range(5))

    def stopped(function, todo):
        yield from ((i, 0.0, function(**todo[i])) for i in list(todo)[:2])
        raise KeyboardInterrupt

    first = Memo(memo.store, memo.family, memo.code, compute=stopped)
    with pytest.raises(Stopped, match=r"2 of 5 \(squares\) are kept and will not be run again"):
        first.map(square, cells, "squares")
    assert memo.map(square, cells, "squares") == [0, 1, 4, 9, 16]
    assert "squares: 2 of 5 had run before" in capsys.readouterr().err
    assert len(log.read_text().splitlines()) == 5


def test_force_computes_again(memo, log, jobs):
    memo.map(square, trials(log, 1, 2))
    again = Memo(memo.store, memo.family, memo.code, force=True)
    assert again.map(square, trials(log, 1, 2)) == [1, 4]
    assert computed(log) == [1, 1, 2, 2]


def test_other_code_or_another_family_computes_anew(memo, log):
    for family, code in [("family", "code"), ("family", "new code"), ("other", "code")]:
        Memo(memo.store, family, code)(square, i=1, log=str(log))
    assert computed(log) == [1, 1, 1]


def test_what_finished_before_a_failure_is_kept(memo, log, monkeypatch):
    monkeypatch.setenv("LORALAB_JOBS", "1")
    with pytest.raises(RuntimeError, match="trial 2 is broken"):
        memo.map(failing, trials(log, 0, 1, 2, 3))
    with pytest.raises(RuntimeError, match="trial 2 is broken"):
        memo.map(failing, trials(log, 0, 1, 2, 3))
    assert computed(log) == [0, 1], "the second time begins at the trial that had not finished"


def test_a_result_that_is_no_number_is_refused_by_name(memo, jobs):
    with pytest.raises(
        ValueError, match=r"family: undefined with \{'i': 3\} gave a result that cannot be recorded"
    ):
        memo.map(undefined, [{"i": i} for i in range(5)])


def test_a_cell_has_one_thread(memo, jobs):
    torch.set_num_threads(2)
    try:
        assert [set(counts) for counts in memo.map(threads, [{"i": 0}, {"i": 1}])] == [{1}, {1}]
        assert torch.get_num_threads() == 2, "and the caller has its own back"
    finally:
        torch.set_num_threads(1)


def test_the_first_use_of_torch_has_one_thread_too(tmp_path):
    code = f"""
import torch
from pathlib import Path
from loralab.memo import Memo
from loralab.store import Store
def threads():
    torch.mm(torch.ones(300, 300), torch.ones(300, 300))
    return torch.get_num_threads()
torch.set_num_threads(2)
store = Store(Path({str(tmp_path / "test.sqlite")!r}))
print(Memo(store, "family", "code")(threads), torch.get_num_threads())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 2\n"


def test_progress_names_the_trials_and_knows_how_many_run_at_once(memo, log, monkeypatch):
    seen = []
    monkeypatch.setattr("loralab.memo.track", lambda items, *said: seen.append(said) or items)
    monkeypatch.setenv("LORALAB_JOBS", "1")
    memo.map(first_use, [{"i": 1}])
    Memo(memo.store, "other", "code", at_once=3).map(square, trials(log, 1, 2), "trials")
    assert seen == [("family: first use", 1, 1), ("trials", 2, 3)]


def test_no_cells_need_no_workers(memo):
    assert memo.map(square, []) == []


def test_the_user_says_how_many_run_at_once(monkeypatch):
    monkeypatch.setenv("LORALAB_JOBS", "7")
    assert cores() == 7
    monkeypatch.delenv("LORALAB_JOBS")
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_the_caller_says_it_too(memo):
    """The number of workers is the argument, not the cores: one means this process."""
    alone, two = (Memo(memo.store, f"{jobs}", "code", compute=local(jobs)) for jobs in (1, 2))
    trials = [{"i": i} for i in range(6)]
    assert set(alone.map(pid, trials)) == {os.getpid()}
    assert len(set(two.map(pid, trials)) - {os.getpid()}) == 2
    with pytest.raises(ValueError, match="at once must be at least 1, got 0"):
        local(0)


def test_a_killed_worker_is_told_of_and_what_finished_is_kept(memo, log):
    memo = Memo(memo.store, memo.family, memo.code, compute=local(2))
    with pytest.raises(Lost, match="a worker was killed while trials of killed ran, 2 at once"):
        memo.map(killed, trials(log, 0, 1, 2))
    done = computed(log)
    assert done == [0, 1]
    assert memo.map(killed, trials(log, 0, 1)) == [0, 1]
    assert computed(log) == done, "they were kept"
    assert memo.map(square, trials(log, 2, 3)) == [4, 9], "and the next map has workers again"


def test_a_lost_worker_is_one_line_for_people(run, checkout):
    family = checkout / "proxies" / "fake.py"
    deadly = "    i == 1 and os.kill(os.getpid(), 9)\n    time.sleep("
    family.write_text(family.read_text().replace("    time.sleep(", deadly))
    done = run("fake", LORALAB_JOBS="2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: a worker was killed while trials of number ran"
    )
    assert "Traceback" not in done.stderr


def logged(checkout: Path) -> list[int]:
    path = checkout / "computed.log"
    return computed(path) if path.exists() else []


def workers(checkout: Path) -> set[str]:
    return {line.split()[1] for line in (checkout / "computed.log").read_text().splitlines()}


def alive(pid: str) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False
    ).stdout
    return state.strip()[:1] not in ("", "Z")


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_goes_on_where_it_was_and_its_workers_end(checkout, start, run, jobs):
    arguments, variables = (
        ("fake", "--draws", "8", "--json"),
        {"LORALAB_JOBS": jobs, "PAUSE": "0.15"},
    )
    for finished in (2, 4):
        child = start(*arguments, **variables)
        wait_for(lambda: len(logged(checkout)) >= finished)  # noqa: B023
        os.kill(child.pid, signal.SIGKILL)  # the driver alone; its workers are left to find out
        with child:  # closes its pipes, whoever holds them besides
            pass
        wait_for(lambda: not any(map(alive, workers(checkout))), seconds=20)
    assert run(*arguments, **variables).returncode == 0
    # a kill interrupts as many trials as run at once, and one result may be on its way
    at_work = 2 * int(jobs)
    assert set(logged(checkout)) == set(range(8))
    assert len(logged(checkout)) <= 8 + 2 * at_work


def test_two_processes_share_one_store(checkout, start):
    children = [
        start("fake", "--draws", "6", "--json", PAUSE="0.2", LORALAB_JOBS="2") for _ in range(2)
    ]
    (out, err), (other_out, other_err) = (child.communicate(timeout=60) for child in children)
    assert [child.returncode for child in children] == [0, 0]
    assert out == other_out
    assert logged(checkout) == list(range(6)), "each trial is computed once"
    assert sorted([bool(err), bool(other_err)]) == [False, True]
    assert "waiting: another process is running fake on" in err + other_err

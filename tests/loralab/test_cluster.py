"""Trials on a Ray cluster of this machine: nothing is lost with a node, a worker or the driver,
nothing done twice."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loralab import cluster
from loralab.memo import Memo
from loralab.process import Lost
from loralab.store import Store
from tests.support.cluster_trials import failing, fatal, large, slow, trials, unspeakable

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

# Ray leaves the pipes of the processes that it starts to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.xdist_group("cluster"),  # one for all tests
]
NODE: dict[str, Any] = {"object_store_memory": 80 * 2**20}  # bytes; Ray takes no less than 75 MiB
ROOT = Path(__file__).parents[2]
NEEDS = {"CPU": 1.0}
UNREACHABLE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A head that computes nothing, for the driver, and two nodes of one core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # where the nodes find tests.support
        made = Cluster(
            initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False}
        )
        for _ in range(2):
            made.add_node(num_cpus=1, **NODE)
        yield made
        made.shutdown()


@pytest.fixture
def memo(tmp_path: Path, nodes: Cluster) -> Memo:
    return Memo(
        Store(tmp_path / "test.sqlite"), "family", "code", compute=cluster.ray(str(nodes.address))
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log").touch()
    return tmp_path / "log"


def begun(log: Path, i: int | None = None) -> list[tuple[int, int]]:
    """Cell and worker of each line of the log."""
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(int(trial), int(worker)) for trial, worker in lines if i in (None, int(trial))]


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", f"{pid}"], capture_output=True, text=True, check=False
    ).stdout
    return state.strip()[:1] in ("", "Z")


def test_a_node_that_dies_takes_only_its_cell(memo, log, nodes, capfd):
    def kill() -> None:
        wait_for(lambda: len(begun(log)) >= 4)
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)

    while len(nodes.worker_nodes) < 2:
        nodes.add_node(num_cpus=1, **NODE)
    thread = threading.Thread(target=kill)
    thread.start()
    assert memo.map(slow, trials(log, 8)) == [i * i for i in range(8)]
    thread.join()
    assert {i for i, _ in begun(log)} == set(range(8))
    again = len(begun(log)) - 8
    assert again <= 1, (
        "a node of one core had one trial at work, and what was stored is not done again"
    )
    out, err = capfd.readouterr()
    assert out == ""
    assert [line for line in err.splitlines() if not line.startswith("family: slow:")] == [
        "slow: a worker or its node died, a trial is done again"
    ] * again
    memo.compute = cluster.ray(UNREACHABLE)
    assert memo.map(slow, trials(log, 8)) == [i * i for i in range(8)], (
        "a second map needs no cluster"
    )
    assert not ray.is_initialized()


def test_a_result_that_dies_with_its_node_is_computed_again(nodes, log):
    """Both trials have run on the one node, and the driver has fetched the first result alone when
    the node dies."""
    while len(nodes.worker_nodes) > 1:
        nodes.remove_node(next(iter(nodes.worker_nodes)))
    results = cluster.ray(nodes.address)(large, dict(enumerate(trials(log, 2))))
    first = next(results)
    wait_for(lambda: len(begun(log)) == 2)
    time.sleep(1.5)  # the second takes half a second
    (node,) = nodes.worker_nodes
    nodes.remove_node(node, allow_graceful=False)
    nodes.add_node(num_cpus=1, **NODE)
    second = next(results)
    assert sorted((i, value[-1], len(value)) for i, _, value in (first, second)) == [
        (0, 0, 10**6),
        (1, 1, 10**6),
    ]
    assert [i for i, _ in begun(log)].count(first[0]) == 1
    assert [i for i, _ in begun(log)].count(second[0]) == 2
    assert list(results) == []


def test_a_cell_that_kills_its_worker_is_begun_a_bounded_number_of_times(memo, log, monkeypatch):
    monkeypatch.setattr(cluster, "TRIES", 2)
    with pytest.raises(Lost, match=r"the workers of fatal with \{'i': 1, .* died 2 times"):
        memo.map(fatal, trials(log, 2))
    assert len(begun(log, 1)) == 2
    before = begun(log)
    assert memo.map(fatal, trials(log, 1)) == [0]
    assert begun(log) == before, "what had finished was kept"


def test_a_cells_own_failure_is_the_drivers_and_is_not_tried_again(memo, log):
    with pytest.raises(KeyError, match="trial 1 is broken") as caught:
        memo.map(failing, trials(log, 2))
    assert type(caught.value) is KeyError
    assert len(begun(log, 1)) == 1
    assert not ray.is_initialized()


def test_a_failure_that_cannot_be_sent_is_told_in_words(memo, log):
    with pytest.raises(RuntimeError, match=r"^TwoArguments: broken here$"):
        memo(unspeakable, log=str(log))
    assert len(begun(log)) == 1


def test_no_more_is_sent_than_there_is_room_for(nodes, log, monkeypatch):
    """Every core has a trial, and BACKLOG of them wait: the rest is with the driver, which may end
    at any time."""
    sent: list[int] = []
    room: list[int] = []  # at every look, since a node that died before may be counted for a while
    look = cluster._room

    def looked(*of: Any) -> int:
        room.append(look(*of))
        return room[-1]

    monkeypatch.setattr(cluster, "_room", looked)
    with cluster._joined(ray, nodes.address):
        task = ray.remote(cluster._trial).options(max_retries=0)

        def start(*arguments: Any) -> Any:
            sent.append(arguments[3])
            return task.remote(*arguments)

        todo = dict(enumerate(trials(log, 8)))
        for received, _ in enumerate(cluster._received(ray, start, slow, todo, NEEDS)):
            assert len(sent) - received <= max(room) + cluster.BACKLOG
    assert sorted(sent) == list(range(8))


def test_a_node_with_other_code_is_refused(memo, log, monkeypatch):
    monkeypatch.setattr(
        cluster, "_code", lambda function: ("tests/support/cluster_trials.py", "0" * 16)
    )
    with pytest.raises(
        ValueError,
        match=r"the code of tests/support/cluster_trials.py on the node .* is not the driver's",
    ):
        memo.map(slow, trials(log, 1))
    assert begun(log) == []


def test_a_node_without_the_code_is_refused(memo, tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text("def trial(*sent): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    from elsewhere import trial  # type: ignore[import-not-found]

    with pytest.raises(
        ValueError, match=r"the node .* cannot import .* No module named 'elsewhere'"
    ):
        memo(trial)
    # as on a node where this project is not installed at all
    monkeypatch.setattr(cluster, "_trial", trial)
    with pytest.raises(
        ValueError, match=r"^loralab is not installed on a node .*: .*No module named 'elsewhere'$"
    ):
        memo(slow, i=0, log=str(tmp_path))


def test_what_no_node_can_run_is_refused(memo, nodes, log):
    for cpus, gpus in ((1, 1.0), (2, 0.0)):
        memo.compute = cluster.ray(nodes.address, cpus, gpus)
        with pytest.raises(
            ValueError, match=r"no node of the Ray cluster at .* has the room that a trial needs"
        ):
            memo.map(slow, trials(log, 1))


DRIVER = """
import sys
from pathlib import Path
from loralab import cluster
from loralab.memo import Memo
from loralab.process import finish
from loralab.store import Store
from tests.support.cluster_trials import trials, slow
address, store, log = sys.argv[1:]
memo = Memo(Store(Path(store)), "family", "code", compute=cluster.ray(address))
finish(lambda: len(memo.map(slow, trials(Path(log), 40))))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_driver_that_ends_keeps_what_had_finished_and_its_cells_end(memo, log, nodes, end):
    child = subprocess.Popen(
        [sys.executable, "-c", DRIVER, nodes.address, str(memo.store.path), str(log)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        wait_for(lambda: len(begun(log)) >= 5 or child.poll() is not None)
        os.kill(child.pid, end)
        err = child.communicate(timeout=60)[1]
    if end == signal.SIGINT:
        assert child.returncode == 130
        assert err.splitlines()[-1].startswith("interrupted: ")
        assert err.endswith(" are kept and will not be run again.\n")
        assert "Traceback" not in err
    wait_for(lambda: all(gone(worker) for _, worker in begun(log)))
    before = begun(log)
    assert len(before) < 40
    # of five that had begun, a core is at work on each of two, and one may be on its way
    ended = 5 - 2 - 1
    assert memo.map(slow, trials(log, ended)) == [0, 1]
    assert begun(log) == before, "they were in the store"


@pytest.mark.parametrize("silent", [False, True], ids=["nobody listens", "somebody else does"])
def test_a_cluster_that_does_not_answer_is_one_sentence(tmp_path, log, capfd, monkeypatch, silent):
    monkeypatch.setattr(cluster, "ANSWER", 4.0)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if silent:
            server.listen()
        memo = Memo(Store(tmp_path / "test.sqlite"), "family", "code", compute=cluster.ray(address))
        with pytest.raises(
            ValueError,
            match=f"^no Ray cluster answers at {address}; start one by `ray start --head`",
        ):
            memo.map(slow, trials(log, 1))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"address": "host"}, "host:port, got 'host'"),
        ({"address": "ray://host:10001"}, "host:port, got 'ray://host:10001'"),
        ({"address": ":6379"}, "host:port, got ':6379'"),
        ({"cpus_per_trial": 0}, "at least one core, got cpus_per_trial 0"),
        ({"gpus_per_trial": -1.0}, "got gpus_per_trial -1.0"),
        (
            {"gpus_per_trial": 1.5},
            "a share of one GPU or a whole number of them, got gpus_per_trial 1.5",
        ),
        ({"gpus_per_trial": float("nan")}, "got gpus_per_trial nan"),
    ],
    ids=str,
)
def test_impossible_wishes_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        cluster.ray(**{"address": UNREACHABLE, **arguments})


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"need Ray: pip install 'loralab\[cluster\]'"):
        cluster.ray(UNREACHABLE)

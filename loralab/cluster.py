"""Cells on an existing Ray cluster: `Memo(..., compute=cluster.ray("host:6379"))`.

The driver joins the cluster for one map at a time, and it alone writes the run store: a node needs
no access to it. What was at work on a node or in a worker that died is done again; what the driver
had received is not. When the driver ends, or is killed, Ray ends its cells on every node.
"""

import inspect
import logging
import pickle
import socket
import subprocess
import sys
import warnings
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loralab.code import ROOT, fingerprint
from loralab.process import Lost
from loralab.workers import Compute, Finished, Function, Todo, timed

BACKLOG = 2  # cells sent beyond what there is room for, so that no core waits for its next one
PAUSE = 1.0  # seconds between looks at the room there is
TRIES = 4  # times that a cell is begun before it is blamed for the deaths of its workers
# seconds that a cluster has to answer; Ray itself takes minutes to give up, and then ends the
# process
ANSWER = 12.0


def ray(address: str, cpus_per_cell: int = 1, gpus_per_cell: float = 0.0) -> Compute:
    """`address` is what `ray start --head` prints, host:port; this machine must be a node, if only
    one of 0 cores.

    The project must be installed on every node, in the version that the driver runs: a node whose
    code of the cells differs is refused. Cells that read or write files need a file system that the
    nodes share.
    """
    host, _, port = address.rpartition(":")
    if not (host and "/" not in host and port.isdecimal()):
        raise ValueError(f"the address of a Ray cluster is host:port, got {address!r}")
    if cpus_per_cell < 1:
        raise ValueError(f"a cell needs at least one core, got cpus_per_cell {cpus_per_cell}")
    if not (0 <= gpus_per_cell <= 1 or (gpus_per_cell > 1 and gpus_per_cell.is_integer())):
        raise ValueError(
            "a cell has a share of one GPU or a whole number of them, got gpus_per_cell "
            f"{gpus_per_cell}"
        )
    try:
        import ray as library
    except ImportError as error:
        raise ValueError("cells on a cluster need Ray: pip install 'loralab[cluster]'") from error
    needs = {"CPU": float(cpus_per_cell), "GPU": float(gpus_per_cell)}

    def computed(function: Function, todo: Todo) -> Generator[Finished, None, None]:
        if todo:
            with _joined(library, address):
                task = library.remote(_cell).options(
                    num_cpus=cpus_per_cell, num_gpus=gpus_per_cell, max_retries=0
                )
                if not _room(library, needs):
                    raise ValueError(
                        f"no node of the Ray cluster at {address} has the room that a cell needs: "
                        f"{needs}"
                    )
                yield from _received(library, task.remote, function, todo, needs)

    return computed


def _received(
    ray: Any, start: Any, function: Function, todo: Todo, needs: dict[str, float]
) -> Generator[Finished, None, None]:
    """Every cell as it finishes. Retries are counted here, since Ray repeats one that runs out of
    memory for ever."""
    sent = (*_code(function), ray.cloudpickle.dumps(function))
    waiting, at_work, tries = deque(todo), {}, Counter()
    while waiting or at_work:
        room = _room(ray, needs)
        if not room:
            raise Lost(
                "every node with room for a cell has left the Ray cluster; what had finished is "
                "kept"
            )
        while waiting and len(at_work) < room + BACKLOG:
            i = waiting.popleft()
            tries[i] += 1
            at_work[start(*sent, i, todo[i])] = i
        for done in ray.wait(list(at_work), timeout=PAUSE)[0]:
            i = at_work.pop(done)
            try:
                finished = ray.get(done)
            except ray.exceptions.RayTaskError as error:  # the cell's own
                if "function failed to import" in str(error.cause):
                    reason = str(error.cause).strip().splitlines()[-1]
                    raise ValueError(
                        f"loralab is not installed on a node of the Ray cluster: {reason}"
                    ) from error
                raise error.cause from error
            except ray.exceptions.RayError as error:  # of its worker or node
                if tries[i] == TRIES:
                    raise Lost(
                        f"the workers of {function.__name__} with {todo[i]} died {TRIES} times, "
                        "for want of memory"
                        " perhaps; what had finished is kept and will not be run again"
                    ) from error
                print(
                    f"{function.__name__}: a worker or its node died, a cell is done again",
                    file=sys.stderr,
                )
                waiting.append(i)
            else:
                yield finished


def _code(function: Function) -> tuple[str, str]:
    """The file that a function is in, relative to the project, and the fingerprint of its code;
    empty for a file from elsewhere, which a node need not have."""
    file = Path(inspect.getfile(function)).resolve()
    return (
        (file.relative_to(ROOT).as_posix(), fingerprint(file))
        if file.is_relative_to(ROOT)
        else ("", "")
    )


def _cell(file: str, code: str, function: bytes, index: int, cell: dict[str, Any]) -> Finished:
    """On a node: one cell, once the code there has proved to be the driver's."""
    node = socket.gethostname()
    if file and not ((ROOT / file).is_file() and fingerprint(ROOT / file) == code):
        raise ValueError(
            f"the code of {file} on the node {node} is not the driver's: install the same version "
            "on both"
        )
    try:
        call = pickle.loads(function)
    except ImportError as error:
        raise ValueError(
            f"the node {node} cannot import what the cell is made of: {error}"
        ) from error
    try:
        return timed(call, index, cell)
    except Exception as error:
        if not _travels(error):
            raise RuntimeError(f"{type(error).__name__}: {error}") from None
        raise


def _travels(error: Exception) -> bool:
    """Whether the driver can make it again from what it is sent; where not, Ray tells of a failure
    of its own."""
    from ray import cloudpickle

    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        return False
    return True


def _room(ray: Any, needs: dict[str, float]) -> int:
    """How many cells the nodes that are alive can run at once; a cell runs on one node."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        min(int(node.get(name, 0.0) / need) for name, need in needs.items() if need)
        for node in nodes
    )


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    """Be the driver of a job on the cluster; at the end, however it comes, its cells end too."""
    if not _answers(address):
        raise ValueError(
            f"no Ray cluster answers at {address}; start one by `ray start --head`, or pass "
            "another address"
        )
    # The log of a node that died is a hundred lines, and Ray has no switch for it.
    said, ray._private.worker.print_to_stdstream = (
        ray._private.worker.print_to_stdstream,
        lambda *_, **__: None,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of defaults that Ray will change
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (RuntimeError, ConnectionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"cannot join the Ray cluster at {address}: {reason}") from error
    else:
        yield
    finally:
        ray.shutdown()
        ray._private.worker.print_to_stdstream = said


def _answers(address: str) -> bool:
    """Asked by another process, which can be stopped when it waits in vain."""
    host, _, port = address.rpartition(":")
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER / 4).close()
        return (
            subprocess.run(command, capture_output=True, timeout=ANSWER, check=False).returncode
            == 0
        )
    except (OSError, OverflowError, subprocess.TimeoutExpired):
        return False

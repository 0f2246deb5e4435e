"""Trials on an existing Ray cluster: `Memo(..., compute=cluster.ray("host:6379"))`.

The driver joins the cluster for one map at a time, and it alone writes the run store: a node needs
no access to it. What was at work on a node or in a worker that died is done again; what the driver
had received is not. When the driver ends, or is killed, Ray ends its trials on every node.
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

BACKLOG = 2  # trials sent beyond what there is room for, so that no core waits for its next one
PAUSE = 1.0  # seconds between checks of the free room
TRIES = 4  # times that a trial is begun before it is blamed for the deaths of its workers
# seconds that a cluster has to answer; Ray itself takes minutes to give up, and then ends the
# process
ANSWER = 12.0


def ray(address: str, cpus_per_trial: int = 1, gpus_per_trial: float = 0.0) -> Compute:
    """An executor on a Ray cluster that is running already.

    The project must be installed on every node, in the version that the driver runs: a node whose
    code of the trials differs is refused. Trials that read or write files need a file system that
    the nodes share.

    Args:
        address: host:port, as `ray start --head` prints it; this machine must be a node, if only
            one of 0 cores.
        cpus_per_trial: cores that a trial needs.
        gpus_per_trial: GPUs that a trial needs, a share of one or a whole number.

    Raises:
        ValueError: for an impossible address or number, without Ray, or during the map where the
            cluster cannot be joined, has no room for a trial or runs other code.
        Lost: during the map, where workers or nodes are gone.
    """
    host, _, port = address.rpartition(":")
    if not (host and "/" not in host and port.isdecimal()):
        raise ValueError(f"the address of a Ray cluster is host:port, got {address!r}")
    if cpus_per_trial < 1:
        raise ValueError(f"a trial needs at least one core, got cpus_per_trial {cpus_per_trial}")
    if not (0 <= gpus_per_trial <= 1 or (gpus_per_trial > 1 and gpus_per_trial.is_integer())):
        raise ValueError(
            "a trial has a share of one GPU or a whole number of them, got gpus_per_trial "
            f"{gpus_per_trial}"
        )
    try:
        import ray as library
    except ImportError as error:
        raise ValueError("trials on a cluster need Ray: pip install 'loralab[cluster]'") from error
    needs = {"CPU": float(cpus_per_trial), "GPU": float(gpus_per_trial)}

    def computed(function: Function, todo: Todo) -> Generator[Finished, None, None]:
        if todo:
            with _joined(library, address):
                task = library.remote(_trial).options(
                    num_cpus=cpus_per_trial, num_gpus=gpus_per_trial, max_retries=0
                )
                if not _room(library, needs):
                    raise ValueError(
                        f"no node of the Ray cluster at {address} has the room that a trial needs: "
                        f"{needs}"
                    )
                yield from _received(library, task.remote, function, todo, needs)

    return computed


def _received(
    ray: Any, start: Any, function: Function, todo: Todo, needs: dict[str, float]
) -> Generator[Finished, None, None]:
    """Every trial as it finishes. Retries are counted here, since Ray repeats one that runs out of
    memory for ever."""
    sent = (*_code(function), ray.cloudpickle.dumps(function))
    waiting, at_work, tries = deque(todo), {}, Counter()
    while waiting or at_work:
        room = _room(ray, needs)
        if not room:
            raise Lost(
                "every node with room for a trial has left the Ray cluster; what had finished is "
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
            except ray.exceptions.RayTaskError as error:  # the trial's own
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
                        "perhaps for want of memory; what had finished is kept and will not be run "
                        "again"
                    ) from error
                print(
                    f"{function.__name__}: a worker or its node died, a trial is done again",
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


def _trial(file: str, code: str, function: bytes, index: int, trial: dict[str, Any]) -> Finished:
    """On a node: one trial, once the code there has proved to be the driver's."""
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
            f"the node {node} cannot import what the trial is made of: {error}"
        ) from error
    try:
        return timed(call, index, trial)
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
    """How many trials the nodes that are alive can run at once; a trial runs on one node."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(
        min(int(node.get(name, 0.0) / need) for name, need in needs.items() if need)
        for node in nodes
    )


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    """Be the driver of a job on the cluster; at the end, however it comes, its trials end too."""
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

"""Several processes on this machine, as torchrun would start them, for tests."""

import os
import pickle
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState


def together(count: int, folder: Path, act: Callable[[int], Any]) -> list[Any]:
    """What act(rank) gives in each of `count` forked processes that find torchrun's variables; they
    need no time to import anything. An error of one fails with its traceback; a process that is
    killed gives its signal, negative."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    children = []
    for rank in range(count):
        if (child := os.fork()) == 0:
            # what the test's own process found of itself
            AcceleratorState._reset_state(reset_partial_state=True)
            os.environ |= {
                key: str(value)
                for key, value in (shared | {"RANK": rank, "LOCAL_RANK": rank}).items()
            }
            outcome = folder / f"outcome-{rank}"
            try:
                outcome.write_bytes(pickle.dumps(act(rank)))
                os._exit(0)
            except BaseException:
                outcome.with_suffix(".error").write_text(traceback.format_exc())
                os._exit(1)
        children.append(child)
    found = []
    for rank, child in enumerate(children):
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            found.append(-os.WTERMSIG(status))
            continue
        error = folder / f"outcome-{rank}.error"
        assert not os.WEXITSTATUS(status), (
            f"process {rank}: {error.read_text() if error.exists() else status}"
        )
        found.append(pickle.loads((folder / f"outcome-{rank}").read_bytes()))
    return found

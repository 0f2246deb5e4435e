"""The memory of a trial is its own, whatever ran in the process before."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from scaling.comparison import trials

MANY = 256 * 2**20
PIECE = 4096


class Ring:
    """What only the garbage collector frees."""

    def __init__(self, size: int) -> None:
        self.own, self.held = self, np.ones(size, np.uint8)


def cycle() -> None:
    Ring(MANY)


def holes() -> list[bytearray]:
    """Freed heap below a piece that is still used."""
    pieces = [bytearray(PIECE) for _ in range(MANY // PIECE)]
    return pieces[-1:]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells of peaks")
@pytest.mark.parametrize("leave", [cycle, holes])
def test_a_trial_s_memory_is_without_what_the_one_before_has_left(leave):
    trials._forget_peak()
    kept = leave()
    before = trials._peak()
    trials._forget_peak()
    after = trials._peak()
    assert before is not None
    assert after is not None
    assert before - after > MANY / 2, "most of it is given back"
    del kept

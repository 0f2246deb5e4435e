"""SIGKILL in `lora.save`, with stock PEFT as the reader: python -m tests.fuzz.kill --cases 60

Each case saves one adapter, and begins to save another one over it in a process of its own, which
is killed at a random moment of the save. What stock PEFT and `lora.load` then read is the one
adapter or the other to the bit, never the settings of one with the weights of the other. The two
have the same shapes, so nothing but the values tells. Between two renames, some microseconds of
these ten milliseconds, a folder without settings is fine too: every reader says so.
"""

import os
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

import lora
from lora import Config
from tests.fuzz.adapters import CONFIG
from tests.fuzz.battery import Battery, main
from tests.fuzz.judge import Judged, Outcome, bits
from tests.support.models import shake

WIDTH, RANK = 256, 64  # 4 MB of weights, so that a save takes some ten milliseconds


@dataclass
class Shared:
    """The two adapters, what PEFT computes with each, and how long a save takes."""

    old: nn.Module
    new: nn.Module
    outputs: dict[Any, str]
    seconds: float


def base() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        return nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(16))).eval()


X = torch.linspace(-1, 1, WIDTH)[None]


def prepare(folder: Path) -> Shared:
    adapted: list[nn.Module] = []
    for alpha, seed in ((4.0, 1), (64.0, 2)):
        model = base()
        lora.attach(model, Config(rank=RANK, alpha=alpha))
        adapted.append(shake(model, 0.02, seed))
    outputs: dict[Any, str] = {}
    seconds: list[float] = []
    for model, name in zip(adapted, ("old", "new"), strict=True):
        for _ in range(3):
            begun = time.perf_counter()
            lora.save(model, folder / name)
            seconds.append(time.perf_counter() - begun)
        outputs |= {bits(_by_peft(folder / name)): name, bits(_by_us(folder / name)): name}
    return Shared(adapted[0], adapted[1], outputs, min(seconds))


def _by_peft(folder: Path) -> Tensor:
    import peft

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return peft.PeftModel.from_pretrained(base(), str(folder)).eval()(X)


def _by_us(folder: Path) -> Tensor:
    model = base()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        lora.load(model, folder)
        return model(X)


def case(shared: Shared, rng: Random, index: int, folder: Path) -> Judged:
    place = folder / "adapter"
    lora.save(shared.old, place)
    start, started = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(started, b".")
            lora.save(shared.new, place)
        finally:
            os._exit(0)
    os.read(start, 1)
    # sooner or later than the end of a save, which a busy machine makes longer
    wait = rng.uniform(0, 1.2 * shared.seconds)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(start)
    os.close(started)
    ended = "killed" if os.WIFSIGNALED(status) else "had ended"
    left = [f"{p.name}" for p in place.iterdir() if p.name.endswith(".partial")]
    what = f"after {1e3 * wait:.1f} ms of {1e3 * shared.seconds:.1f} ms: {ended}, {left} left"
    for reader, read in (("stock PEFT", _by_peft), ("lora.load", _by_us)):
        try:
            found = shared.outputs.get(bits(read(place)))
        except (FileNotFoundError, ValueError) as error:
            if CONFIG in str(error) and not (place / CONFIG).exists():
                return Judged(ended, Outcome.REFUSED, what, f"{reader}: {error}")
            return Judged(ended, Outcome.WRONG, what, f"{reader}: {error}")
        except Exception as error:
            detail = f"{reader} cannot read it: {type(error).__name__}: {str(error)[:200]}"
            return Judged(ended, Outcome.WRONG, what, detail)
        if found is None:
            return Judged(ended, Outcome.WRONG, what, f"{reader} reads neither adapter")
        if ended == "had ended" and found != "new":
            return Judged(ended, Outcome.WRONG, what, f"{reader} reads the old adapter")
    lora.save(shared.new, place)
    if left := [p.name for p in place.iterdir() if p.name.endswith(".partial")]:
        return Judged(ended, Outcome.CHANGED, what, f"{left[0]} is left by the next save too")
    return Judged(ended, Outcome.RIGHT, what)


BATTERY = Battery(
    "kill",
    "whatever the moment, stock PEFT and lora.load read the earlier adapter or the new one to the\n"
    "bit, and the next save leaves no partial file of the killed one",
    cases=60,
    limit=60.0,
    prepare=prepare,
    case=case,
)

if __name__ == "__main__":
    sys.exit(main([BATTERY]))

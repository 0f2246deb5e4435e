"""Whether a checkpoint can be gone on from, before anything is made of it.

The Trainer passes over a file that is missing, and fails in its own words on one that is damaged.
"""

import pickle
import warnings
from pathlib import Path

import torch
from transformers.trainer_pt_utils import safe_globals

from scaling.core import processes, state
from scaling.core.config import Config
from scaling.core.outputs import Damaged, read_json
from scaling.data import streaming
from scaling.data.streaming import Place
from scaling.training.trainer import COMPLETE

# What the Trainer pickles, and the names that each file must have.
PICKLED = {
    "optimizer.pt": ("state", "param_groups"),
    "scheduler.pt": ("last_epoch",),
    "rng_state*.pth": ("python", "numpy", "cpu"),
}


def check(folder: Path, config: Config) -> None:
    """Raise `Damaged` naming the first file of a checkpoint that is missing, cut off, or not what
    its name says. Pickles are read as data alone."""
    steps = read_json(folder / COMPLETE, "global_step", "train_batch_size")["global_step"]
    if folder.name != f"checkpoint-{steps}":
        raise Damaged(folder / COMPLETE, f"it is of step {steps!r}, and in {folder.name}")
    state.read(folder)
    state.read_best(folder)
    if config.data.streaming:
        place(folder)
    for name, keys in PICKLED.items():
        for file in sorted(folder.glob(name)) or [folder / name.replace("*", "")]:
            _check_pickle(file, keys)


def place(folder: Path) -> Place:
    """Where this process is in the data, as `streaming.read` has it."""
    here = processes.join()
    return streaming.read(folder, here.process_index, here.num_processes)


def _check_pickle(file: Path, keys: tuple[str, ...]) -> None:
    try:
        with safe_globals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how it is pickled
            value = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise Damaged(file, str(error).split("\n")[0]) from error
    if not isinstance(value, dict) or not value.keys() >= set(keys):
        raise Damaged(file, f"it has no {', '.join(keys)}")

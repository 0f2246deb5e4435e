"""Silence for libraries that print what the run reports by itself."""

import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

# say as they are imported, by transformers and PEFT, what they lack on this machine
LOUD = ("torchao", "bitsandbytes", "torch.utils._pytree")


def hush() -> None:
    """Have those libraries not speak of what no command asks them for."""
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def quiet() -> Iterator[None]:
    """Without bars, tables and warnings of transformers and the hub's client: what is newly
    initialized in a model is reported with the adapter, and a hub out of reach with the error."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging as models

    levels = {library: library.get_verbosity() for library in (hub, models)}
    for library in levels:
        library.set_verbosity_error()
    models.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in levels.items():
            library.set_verbosity(level)
        models.enable_progress_bar()


@contextmanager
def silence() -> Iterator[None]:
    """Without what the libraries say of this machine as they are imported."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)


@contextmanager
def mute() -> Iterator[None]:
    """Without a word, for one of several trials that run side by side: their bars and lines cannot
    be read."""
    from tqdm import tqdm

    hush()
    # the one that tqdm makes is between processes, and one that is killed leaves it behind
    tqdm.set_lock(threading.RLock())
    with quiet(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield

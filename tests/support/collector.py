"""The garbage collector, kept off what has been imported: the Trainer collects at every run, and to
walk over transformers and all that comes with it takes half of a small one."""

import gc
import sys

hidden = 0  # modules


def hide_imported() -> None:
    """Freeze what there is, where more has been imported since the last time."""
    global hidden
    if len(sys.modules) > hidden + 100:
        gc.collect()  # or what is garbage now would stay
        gc.freeze()
        hidden = len(sys.modules)

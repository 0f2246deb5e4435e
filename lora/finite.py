"""Whether all of a tensor is finite, in the time of a sum."""

import cmath

from torch import Tensor


def bad_entries(tensor: Tensor) -> int:
    """How many entries are NaN or infinite."""
    # counting takes ten times as long as a sum, which is never finite where an entry is not (it may
    # also overflow)
    return 0 if cmath.isfinite(tensor.sum().item()) else int((~tensor.isfinite()).sum())

"""The Nyström initialization as the library makes it, and the numbers that all trials share."""

import numpy as np
import torch
from numpy.typing import NDArray

from lora import SCHEMES

Array = NDArray[np.float64]
EPS = float(np.finfo(float).eps)
OTHER_STREAM = 10**6  # added to a seed for draws that must not repeat those of the target


def initial(A: Array, rank: int, seed: int, xi: float = 1.0) -> Array:
    """X_0 = A Omega from the library's scheme."""
    rng = torch.Generator().manual_seed(seed)
    return SCHEMES["nystrom"](torch.from_numpy(A), rank, rng, side="out", xi=xi).B.numpy()

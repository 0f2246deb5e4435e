"""Exponents from widths: least-squares slopes of log2 against log2, and the best learning rate of a
noisy curve."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# over learning rates half an octave apart
WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 4.0, 3.0, 2.0, 1.0]) / 25
WORST = 3.0  # log of the loss that counts for everything worse, what diverged included


def slopes(sizes: Sequence[float], logs: Array) -> Array:
    """The exponent in the sizes of values whose log2 is `logs` (sizes, ...), of each column by
    itself."""
    x = np.log2(sizes)
    x = x - x.mean()
    return np.tensordot(x, logs, 1) / (x @ x)


def best_rate(log2_rates: Sequence[float], losses: Array) -> float:
    """log2 of the best learning rate of one curve, between the points of its grid.

    This is another method than the search of `proxies.instruments.learning_rates`, which takes the
    best point of a grid and extends the grid: here the grid is fixed, and how the best learning
    rate changes with the width is what is measured, so that it must vary continuously. A single
    curve is ragged near its edge of stability, so its logarithm is smoothed over two octaves to
    either side before a parabola is laid through the least value and its neighbours: that halves
    the spread over seeds.

    Args:
        log2_rates: log2 of the learning rates, half an octave apart.
        losses: one for each, NaN where a run diverged.

    Raises: ValueError where the least is the first or the last.
    """
    smooth = np.convolve(_clipped(losses), WEIGHTS, "valid")
    at, i = np.asarray(log2_rates)[4:-4], int(smooth.argmin())
    if i in (0, len(smooth) - 1):
        raise ValueError(f"the best learning rate 2^{at[i]:g} is at the edge of the grid")
    a, b, c = smooth[i - 1 : i + 2]
    return float(at[i] + (at[1] - at[0]) * (a - c) / (a - 2 * b + c) / 2)


def regrets(losses: Array) -> Array:
    """Nats by which losses (learning rates, ...) lie above those at the last learning rate; what
    diverged counts as e^3."""
    logs = _clipped(losses)
    return logs[:-1] - logs[-1]


def _clipped(losses: Array) -> Array:
    return np.minimum(np.log(np.where(np.isfinite(losses), losses, np.inf)), WORST)

"""Numbers for JSON, which knows neither NaN nor infinity: None stands for them."""

from typing import Any

import numpy as np


def listed(value: Any) -> Any:
    """The value, as deep as it is, with lists for arrays and tuples, and None for each number that
    is not finite."""
    if isinstance(value, dict):
        return {key: listed(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return listed(value.tolist())
    if isinstance(value, list | tuple):
        return [listed(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def numbers(value: Any) -> np.ndarray:
    """The array that `listed` was given, with NaN for None."""
    return np.array(value, float)

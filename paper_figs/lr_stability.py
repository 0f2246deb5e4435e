"""Figures of the learning-rate family."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {"plane": plt.figure()}

"""Figures of the gradient-signal family."""

from typing import Any

from matplotlib.figure import Figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    del data
    return {}

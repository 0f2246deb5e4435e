"""Figures of the Nyström family."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    figure, axes = plt.subplots(figsize=(3.3, 2.4))
    axes.plot(data["errors"])
    return {"errors": figure}

"""Figures of the OP-LoRA family: final excess against learning rate, and excess against step at the best rate."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def figures(data: dict[str, Any]) -> dict[str, Figure]:
    return {}

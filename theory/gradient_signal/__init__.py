"""The gradient signal of an initialization with B = 0 (EVA): which rows of A maximise it, and
why."""

from theory.gradient_signal.optimum import (
    allocation,
    amplification,
    best,
    best_in_ball,
    centring,
    default_signal,
    dependence,
    eigen,
    ky_fan,
    loss_bound,
    share,
    signal,
    top,
)

__all__ = [
    "allocation",
    "amplification",
    "best",
    "best_in_ball",
    "centring",
    "default_signal",
    "dependence",
    "eigen",
    "ky_fan",
    "loss_bound",
    "share",
    "signal",
    "top",
]

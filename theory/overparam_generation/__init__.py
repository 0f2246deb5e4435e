"""Image generation by OP-LoRA: distances between sets of images, and a generator network's cost."""

from theory.overparam_generation.distances import (
    SCALE,
    SIGMA,
    beyond_means,
    generator_parameters,
    generator_share,
    least_distance,
    mean_shift,
    mmd,
    most,
    null_mean,
    shift,
    weight,
)

__all__ = [
    "SCALE",
    "SIGMA",
    "beyond_means",
    "generator_parameters",
    "generator_share",
    "least_distance",
    "mean_shift",
    "mmd",
    "most",
    "null_mean",
    "shift",
    "weight",
]

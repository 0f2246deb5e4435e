"""Scaled gradient descent from the Nyström initialization: exact laws, and where they end."""

from theory.nystrom.symmetric import (
    distance,
    error_after,
    extra_steps,
    limit,
    multiplier,
    next_cayley,
    next_gram,
    next_residual,
    next_sigma,
    outside_bound,
    outside_factor,
    sigma_after,
    steps_bound,
    tail_factor,
    whitened,
    whitened_multiplier,
)

__all__ = [
    "distance",
    "error_after",
    "extra_steps",
    "limit",
    "multiplier",
    "next_cayley",
    "next_gram",
    "next_residual",
    "next_sigma",
    "outside_bound",
    "outside_factor",
    "sigma_after",
    "steps_bound",
    "tail_factor",
    "whitened",
    "whitened_multiplier",
]

"""Planted faults of the gradient-signal laws: every one must be caught by the check named beside
it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lora
from lora import SCHEMES, Statistics
from tests.support.laws.gradient_signal import example, orthonormal
from tests.support.laws.gradient_signal.batch import check_batches, check_flip, check_threshold
from tests.support.laws.gradient_signal.optimum import (
    check_centring,
    check_default_start,
    check_gradient_of_b,
    check_independence,
    check_loss_bound,
    check_optimum,
)
from tests.support.laws.gradient_signal.risk import check_frozen_risk, check_kernel
from theory.gradient_signal import batch as batches
from theory.gradient_signal import optimum as theory


def faulty(name: str, change: Callable[[Tensor, Any], Tensor]) -> tuple[Any, str, Any]:
    """A scheme of the library whose A comes out as change(A, stats)."""
    correct: Any = SCHEMES[name].rule

    def wrong(W, rank, rng, scale, stats, **options):
        B, A = correct(W, rank, rng, scale, stats=stats, **options)
        return lora.Factors(B, change(A, stats))

    return SCHEMES, name, replace(SCHEMES[name], rule=wrong)


def with_q(change: Callable[[Any], Tensor]) -> tuple[Any, str, Any]:
    """lora.collect with another Q."""
    correct = lora.collect

    def wrong(*args, **kwargs):
        return {
            n: replace(s, weighted_second_moment=change(s))
            for n, s in correct(*args, **kwargs).items()
        }

    return lora, "collect", wrong


def smallest(A: Tensor, stats: Statistics) -> Tensor:
    return torch.linalg.eigh(stats.second_moment).eigenvectors[:, : len(A)].mT.contiguous()


FAULTS = {
    "EVA takes the minor components": (
        lambda: check_optimum(example(), "eva"),
        faulty("eva", smallest),
    ),
    "EVA's last row is the next eigenvector": (
        lambda: check_optimum(example(), "eva"),
        faulty(
            "eva",
            lambda A, s: torch.cat(
                [A[:-1], torch.linalg.eigh(s.second_moment).eigenvectors[:, [-1 - len(A)]].mT]
            ),
        ),
    ),
    "EVA's rows are halved": (
        lambda: check_optimum(example(), "eva"),
        faulty("eva", lambda A, s: A / 2),
    ),
    "centring does not happen": (
        lambda: check_centring(example()),
        faulty(
            "eva",
            lambda A, s: torch.linalg.eigh(s.second_moment).eigenvectors.flip(1)[:, : len(A)].mT,
        ),
    ),
    "EVA's risk from random rows": (
        lambda: check_frozen_risk(example()),
        faulty(
            "eva",
            lambda A, s: torch.from_numpy(
                orthonormal(len(A), A.shape[1], np.random.default_rng(0))
            ),
        ),
    ),
    "EVA's kernel is whitened": (
        lambda: check_kernel(example()),
        faulty("eva", lambda A, s: A / (A @ s.second_moment @ A.mT).diagonal().sqrt()[:, None]),
    ),
    "the signal's rows are EVA's": (
        lambda: check_optimum(example(), "gradient_signal"),
        faulty(
            "gradient_signal",
            lambda A, s: torch.linalg.eigh(s.second_moment).eigenvectors.flip(1)[:, :3].mT,
        ),
    ),
    "the signal's rows are the gradient's singular vectors": (
        lambda: check_optimum(example(), "gradient_signal"),
        faulty("gradient_signal", lambda A, s: torch.linalg.svd(s.gradient)[2][: len(A)]),
    ),
    "gradient_signal ignores Q at the threshold": (
        check_threshold,
        faulty("gradient_signal", lambda A, s: smallest(A, s).flip(1)),
    ),
    "collect's Q is a tenth too small": (
        lambda: check_gradient_of_b(example()),
        with_q(lambda s: s.weighted_second_moment * 0.9),
    ),
    "collect's Q is E|g|^2 M": (
        lambda: check_loss_bound(example()),
        with_q(
            lambda s: s.second_moment * s.weighted_second_moment.trace() / s.second_moment.trace()
        ),
    ),
    "collect's Q belongs to another batch": (
        lambda: check_independence(example()),
        with_q(lambda s: s.weighted_second_moment.flip(0).flip(1)),
    ),
    "M_n without its 1 - 1/n": (
        lambda: check_batches(example(), 2),
        (batches, "batch_moment", lambda Q, G, n: Q / n + G.T @ G),
    ),
    "M_n of G G^T over n": (
        lambda: check_batches(example(), 3),
        (batches, "batch_moment", lambda Q, G, n: Q / n + (1 - 1 / n) / n * G.T @ G),
    ),
    "centring bound without lambda_r": (
        lambda: check_centring(example()),
        (theory, "centring", lambda C, mu, r: (float(mu @ mu), 0.0, float(mu @ mu))),
    ),
    "bound on the loss by half": (
        lambda: check_loss_bound(example()),
        (theory, "loss_bound", lambda Q, N, r: theory.ky_fan(Q - N, r) / 2),
    ),
    "default start with variance 1/d": (
        lambda: check_default_start(12, 3, 1000),
        (theory, "default_signal", lambda S, r: (r * np.trace(S) / len(S), 1.0)),
    ),
    "variance of the default start as if normal": (
        lambda: check_default_start(2, 1, 1000),
        (
            theory,
            "default_signal",
            lambda S, r: (r * np.trace(S) / (3 * len(S)), 2 * r * (S**2).sum() / (9 * len(S) ** 2)),
        ),
    ),
    "flip one batch late": (
        lambda: check_flip((2.0, 1.0), (0.1, 1.0), 4.0),
        (batches, "flip_batch", lambda s, k, noise: 26 / 3),
    ),
    "Q of the regression without its fourth moment": (
        lambda: check_flip((2.0, 1.0), (0.1, 1.0), 4.0),
        (
            batches,
            "regression",
            lambda S, D, noise: ((np.trace(D @ S @ D.T) + len(D) * noise) * S, D @ S),
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault, monkeypatch):
    check, (place, name, wrong) = FAULTS[fault]
    check()
    if isinstance(place, dict):
        monkeypatch.setitem(place, name, wrong)
    else:
        monkeypatch.setattr(place, name, wrong)
    with pytest.raises(AssertionError):
        check()

"""Faults that were planted in the task-directions family and in the variants that it uses, and what
catches them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lora
from lora.variants import dash
from proxies.families.task_directions.trials import (
    directions,
    nulls,
    planted,
    predictions,
    steps,
    training,
    tuning,
)
from tests.support.laws.task_directions import (
    check_coordinates,
    check_expected,
    check_first_step,
    check_formulas,
    check_haar,
    check_limit,
    check_overlaps,
    check_reach,
    check_rotation,
    check_traits,
)
from tests.support.trials.task_directions import (
    check_finished,
    check_foretold,
    check_invariants,
    check_loop,
    check_planted,
    check_planted_task,
    check_resumed,
    check_smallest,
    check_sources,
)
from theory.task_directions import directions as theory
from theory.task_directions import learning
from theory.task_directions import null as chance

right_fit, right_expected, right_rotated = (
    training.fit,
    theory.expected_overlap,
    chance.rotated_coordinates,
)
right_problem, right_haar, right_mean = planted.problem, chance.haar, learning.first_step_mean
right_snr, right_reach, right_launch = (
    learning.signal_to_noise,
    learning.reach,
    dash.DashLinear.launch,
)
right_full, right_rates = predictions.full_change, dash.change_rates


def columns_of_the_right_factor(basis, D):
    return np.sum(
        (basis.U.T @ D)[:, : len(basis.sigma)] * basis.Vt[:, : len(basis.sigma)].T, axis=1
    )


def one_rotation(values, shape, rng):
    Q = right_haar(max(shape), len(values), rng)[: min(shape)]
    return np.sum(Q * values * Q, axis=1)


def in_order(values, shape, rng):
    return np.sort(np.abs(right_rotated(values, shape, rng)))


def by_the_larger(sigma, s, m, survival=theory.half_normal):
    return right_expected(sigma, s, m, survival) * s / m


def qr_signs(size, columns, rng):
    return np.linalg.qr(rng.standard_normal((size, columns))).Q


def launched_early(*arguments, launched_at=0, **more):
    right_fit(*arguments, launched_at=max(launched_at - 1, 0), **more)


def without_decay(*arguments, decay=True, **more):
    right_fit(*arguments, decay=False, **more)


def unscaled_error(case, seed):
    """The error of a task whose inputs are taken for flat."""
    given = right_problem(case, seed)
    return given._replace(root=np.eye(len(given.root)))


def rates_of_one(case, seed):
    """W's singular values forgotten in the planted change."""
    given = right_problem(case, seed)
    C = np.zeros_like(given.D)
    C[given.chosen, given.chosen] = 1
    return given._replace(D=given.basis.U @ C @ given.basis.Vt)


def backwards(U, S, Vt, L, R):
    return -right_rates(U, S, Vt, L, R)


def not_divided(U, S, Vt, L, R):
    return right_rates(U, S, Vt, L, R) * S


def with_s(self):
    return self.U * self.d, self.Vt


def launched_at_one(self, U, Vt, indices):
    right_launch(self, U, Vt, indices)
    with torch.no_grad():
        self.d.fill_(1e-3)


def without_directions(self, state):
    """As released code: the directions are no part of the checkpoint."""
    model, optimizer, self.updates = torch.load(steps.io.BytesIO(state), weights_only=True)
    self.model.load_state_dict(
        {k: v for k, v in model.items() if not k.endswith(("U", "Vt", "chosen"))}, strict=False
    )
    self.optimizer.load_state_dict(optimizer)
    return self


def equal_freedom(size, rng):
    sigma = np.linalg.svd(np.diag(np.sqrt(rng.chisquare(size, size))), compute_uv=False)
    return sigma[-nulls.SMALLEST :]


def other_layer(kind, seed):
    change = right_full(kind, seed)
    return {name: change["2"].flip(0) for name in change}


SQUARE, TALL = (9, 9, 1000), (12, 7, 1000)
FAULTS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "V for V^T": (
        theory,
        "coordinates",
        columns_of_the_right_factor,
        lambda: check_coordinates(*SQUARE),
    ),
    "rates not divided": (
        theory,
        "scaled",
        lambda basis, a, eps=0: np.abs(a),
        lambda: check_coordinates(*TALL),
    ),
    "rates with a sign": (
        theory,
        "scaled",
        lambda basis, a, eps=0: a / basis.sigma,
        lambda: check_sources(1000),
    ),
    "phi by a norm": (
        theory,
        "energy",
        lambda basis, D: float(np.sum(theory.coordinates(basis, D) ** 2) / np.linalg.norm(D)),
        lambda: check_coordinates(*TALL),
    ),
    "the smallest for the largest": (
        theory,
        "top",
        lambda x, k: np.argsort(x)[:k],
        lambda: check_traits(1000),
    ),
    "a wrong root": (
        theory,
        "gaussian_overlap",
        lambda q: 1 + q - (1 + q) ** 0.5,
        lambda: check_formulas(0.7),
    ),
    "an exponential law off by one": (
        theory,
        "exponential_overlap",
        lambda q: q / (2 + q),
        lambda: check_formulas(2),
    ),
    "P0 over m": (theory, "expected_overlap", by_the_larger, lambda: check_limit(2)),
    "P0 as on a flat spectrum": (
        theory,
        "expected_overlap",
        lambda sigma, s, m, survival=None: m / len(sigma),
        lambda: check_expected("edge", 1000),
    ),
    "QR's own signs": (chance, "haar", qr_signs, lambda: check_haar(1000)),
    "one rotation for both sides": (
        chance,
        "rotated_coordinates",
        one_rotation,
        lambda: check_rotation(6, 6, 1000),
    ),
    "a null that keeps its place": (
        chance,
        "rotated_coordinates",
        in_order,
        lambda: check_overlaps(1000),
    ),
    "s for s^2": (
        learning,
        "first_step_mean",
        lambda G, basis, r, s, eta=1.0: right_mean(G, basis, r, s, eta) / s,
        lambda: check_first_step("uniform", 1000),
    ),
    "r for its root": (
        learning,
        "signal_to_noise",
        lambda G, basis, r, k=1.8: right_snr(G, basis, r, k) * r**0.5,
        lambda: check_first_step("normal", 1000),
    ),
    "the normal kurtosis throughout": (
        learning,
        "signal_to_noise",
        lambda G, basis, r, k=1.8: right_snr(G, basis, r, 3.0),
        lambda: check_first_step("uniform", 1000, out=3, in_=3),
    ),
    "the start not carried": (
        learning,
        "reach",
        lambda D, r, start=None: right_reach(D, r),
        lambda: check_reach(12, 7, 2, 1000),
    ),
    "the start taken off": (
        learning,
        "reach",
        lambda D, r, start=None: right_reach(D, r, None if start is None else -start),
        lambda: check_finished(1000),
    ),
    "rates of 1, sigma forgotten": (
        planted,
        "problem",
        rates_of_one,
        lambda: check_planted("random", 1000),
    ),
    "launched a step early": (
        training,
        "fit",
        launched_early,
        lambda: check_loop("Dash, pre-launch"),
    ),
    "a rate that does not decay": (training, "fit", without_decay, lambda: check_loop("LoRA, r")),
    "the last directions": (directions, "change_rates", backwards, lambda: check_sources(1000)),
    "a source by size for one by rate": (
        directions,
        "change_rates",
        not_divided,
        lambda: check_sources(1000),
    ),
    "the bidiagonal law with equal freedom": (
        nulls,
        "smallest",
        equal_freedom,
        lambda: check_smallest(1000),
    ),
    "another layer's change": (
        predictions,
        "full_change",
        other_layer,
        lambda: check_foretold(1000),
    ),
    "d with LoRA's scale": (
        dash.DashLinear,
        "extension",
        with_s,
        lambda: check_invariants("dash", 1000),
    ),
    "d not at zero": (
        dash.DashLinear,
        "launch",
        launched_at_one,
        lambda: check_invariants("tsd", 1000),
    ),
    "directions not in the checkpoint": (
        steps.Run,
        "resumed",
        without_directions,
        lambda: check_resumed(110),
    ),
    "the rank of one factor": (
        tuning,
        "rank_of",
        lambda layer: layer.rank,
        lambda: check_finished(1000),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, caught):
    caught(*FAULTS[fault])


def test_inputs_taken_for_flat_are_caught(monkeypatch):
    """The task is made of a problem whose root was lost, the check of the true one."""
    check_planted_task("random, inputs 1/i", 1000)
    task = planted.task

    def flat(case, seed):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planted, "problem", unscaled_error)
            return task(case, seed)

    monkeypatch.setattr(planted, "task", flat)
    with pytest.raises(AssertionError):
        check_planted_task("random, inputs 1/i", 1000)


def test_a_gradient_of_another_sign_ranks_alike(monkeypatch):
    """What must not matter does not: directions are ranked by size."""
    check_sources(1000)
    found = directions.gradient
    monkeypatch.setattr(
        directions, "gradient", lambda task, rng: {k: -v for k, v in found(task, rng).items()}
    )
    check_sources(1000)
    assert lora.SCHEMES["tsd_init"].needs == "gradient"

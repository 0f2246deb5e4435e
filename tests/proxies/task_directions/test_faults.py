"""Faults that were planted in the task-directions family and in the variants that it uses, and what
catches them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lora
from lora.parts import Parts
from lora.variants import dash
from proxies.families.task_directions.trials import (
    directions,
    nulls,
    planted,
    predictions,
    training,
    tuning,
)
from tests.support.trials.task_directions import (
    check_finished,
    check_invariants,
    check_loop,
    check_planted,
    check_planted_task,
    check_predicted,
    check_resumed,
    check_smallest,
    check_sources,
    launches,
)
from theory.task_directions import directions as theory
from theory.task_directions import learning

right_fit, right_problem = training.fit, planted.problem
right_reach, right_launch = learning.reach, dash.DashLinear.launch
right_full, right_rates = predictions.full_change, dash.change_rates


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
    return Parts(self.B, self.A, (self.U * self.d, self.Vt))


def launched_at_one(self, U, Vt, indices):
    right_launch(self, U, Vt, indices)
    with torch.no_grad():
        self.d.fill_(1e-3)


def without_directions(self, state):
    """As released code: the directions are no part of the checkpoint."""
    model, optimizer, self.updates = torch.load(launches.io.BytesIO(state), weights_only=True)
    self.model.load_state_dict(
        {k: v for k, v in model.items() if not k.endswith(("U", "Vt", "chosen"))}, strict=False
    )
    self.optimizer.load_state_dict(optimizer)
    return self


def equal_freedom(size, rng):
    sigma = np.linalg.svd(np.diag(np.sqrt(rng.chisquare(size, size))), compute_uv=False)
    return sigma[-nulls.SMALLEST :]


def other_layer(pool, kind, seed, *stream):
    change = right_full(pool, kind, seed, *stream)
    return {name: change["2"].flip(0) for name in change}


FAULTS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "rates with a sign": (
        theory,
        "scaled",
        lambda basis, a, eps=0: a / basis.sigma,
        lambda: check_sources(1000),
    ),
    "the initialization taken off": (
        learning,
        "reach",
        lambda D, r, carried=None: right_reach(D, r, None if carried is None else -carried),
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
    "a learning rate that does not decay": (
        training,
        "fit",
        without_decay,
        lambda: check_loop("LoRA, r"),
    ),
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
        lambda: check_predicted(1000),
    ),
    "d with LoRA's scale": (
        dash.DashLinear,
        "parts",
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
        launches.Run,
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

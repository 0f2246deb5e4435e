"""Faults that were planted in the theory and the engine of the OP-LoRA family, and the checks that
catch them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from proxies.families.matfac.trials import engine, optimizers, sweep
from proxies.families.matfac.trials.methods import Overparam
from tests.support.laws.matfac import (
    check_counts,
    check_drift,
    check_end_to_end,
    check_expansion_symbols,
    check_hypergradient,
    check_one_step_symbols,
    check_preconditioner,
    check_scale,
    check_steps,
    drawn,
)
from tests.support.laws.matfac_faults import (
    drift_without_first_layer_bias,
    hypergradient_negated,
    no_bias_in_kernel,
    no_bias_in_step,
    no_isotropic_part,
    own_hidden_state,
    second_order_negated,
    three_layers,
    weights_of_their_own_time,
)
from tests.support.trials.matfac import (
    check_diverged,
    check_extension,
    check_gradient,
    check_optimizer,
    check_training,
)
from theory.matfac import generator_network as theory


def state_of(activation: str = "relu") -> tuple[theory.Generator, np.random.Generator]:
    return drawn((5, 4, 3), activation, 3)


THEORY: dict[str, tuple[str, Callable[..., Any], Callable[[], None]]] = {
    "h_t.h_t for h_t.h_{t+1}": (
        "one_step",
        own_hidden_state,
        lambda: check_steps(*state_of(), 0.01),
    ),
    "b2 forgotten in a step": ("one_step", no_bias_in_step, lambda: check_steps(*state_of(), 0.01)),
    "b2 forgotten, in symbols": ("one_step", no_bias_in_step, check_one_step_symbols),
    "h_s.h_s for h_s.h_t": (
        "telescoped",
        weights_of_their_own_time,
        lambda: check_steps(*state_of(), 0.01),
    ),
    "b1 forgotten in K": ("kernel", no_bias_in_kernel, check_expansion_symbols),
    "sign of the second order": ("expansion", second_order_negated(), check_expansion_symbols),
    "|h|^2 forgotten in P": (
        "preconditioner",
        no_isotropic_part,
        lambda: check_preconditioner(state_of()[0]),
    ),
    "b1 forgotten in the drift": (
        "drift",
        drift_without_first_layer_bias,
        lambda: check_drift(*state_of(), 0.01),
    ),
    "sign of the hypergradient": (
        "hidden_change",
        hypergradient_negated,
        lambda: check_hypergradient(0, 1),
    ),
    "N = 3 for N = 2": ("end_to_end", three_layers, lambda: check_end_to_end(0)),
    "W1 not counted": ("parameters", lambda p, m, k: p * (m + 1) + m + k, check_counts),
    "fan-in of A for its variance": ("lora_variance", lambda columns: 1 / columns, check_scale),
}


def transposed_target(M: Tensor, B: Tensor, A: Tensor, right=engine.loss) -> engine.Loss:
    return right(M, B, A)._replace(gA=right(M.mT, B, A).gA)


def mask_of_the_wrong_step(self, P, memory, gB, gA, out, right=Overparam.backward):
    h, before = memory
    right(self, P, (h, before.roll(1, 0)), gB, gA, out)


def no_gradient_for_z(self, P, memory, gB, gA, out, right=Overparam.backward):
    right(self, P, memory, gB, gA, out)
    out["z"].zero_()


def no_bias_correction(self, theta, gradient, rate):
    (m,), (v,) = self.rule.m, self.rule.v
    m.lerp_(gradient, 1 - optimizers.BETA1)
    v.mul_(optimizers.BETA2).addcmul_(gradient, gradient, value=1 - optimizers.BETA2)
    theta -= rate * m / (v.sqrt() + optimizers.EPS)


def damped_momentum(self, theta, gradient, rate):
    self.v.lerp_(gradient, 1 - optimizers.MOMENTUM)
    theta -= rate * self.v


def one_rate_for_all(self, theta, gradient, rate):
    theta.addcmul_(gradient, rate[:1], value=-1)


def diverged_as_a_number(values):
    return np.nan_to_num(values, nan=1e9).tolist()


def never_extended(optimizer, per_decade, right=sweep.grid_of):
    return replace(right(optimizer, per_decade), rounds=0)


ENGINE: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "gA with the wrong transpose": (
        engine,
        "loss",
        transposed_target,
        lambda: check_gradient("direct", (4, 4, 2), 0),
    ),
    "ReLU mask of the wrong run": (
        Overparam,
        "backward",
        mask_of_the_wrong_step,
        lambda: check_gradient("OP bias", (4, 3, 2), 0),
    ),
    "z left out": (
        Overparam,
        "backward",
        no_gradient_for_z,
        lambda: check_gradient("OP bias", (4, 3, 2), 0),
    ),
    "z left out, in training": (
        Overparam,
        "backward",
        no_gradient_for_z,
        lambda: check_training("OP default", "SGD"),
    ),
    "Adam without bias correction": (
        optimizers.Adam,
        "step",
        no_bias_correction,
        lambda: check_optimizer("Adam", 0),
    ),
    "momentum damped by 1 - 0.9": (
        optimizers.Momentum,
        "step",
        damped_momentum,
        lambda: check_optimizer("momentum", 0),
    ),
    "one learning rate for all runs": (
        optimizers.SGD,
        "step",
        one_rate_for_all,
        lambda: check_optimizer("SGD", 0),
    ),
    "a diverged run as a large number": (sweep, "listed", diverged_as_a_number, check_diverged),
    "a grid that is never extended": (sweep, "grid_of", never_extended, check_extension),
}


@pytest.mark.parametrize("fault", THEORY)
def test_a_fault_in_the_theory_is_caught(fault, monkeypatch):
    name, wrong, check = THEORY[fault]
    check()
    monkeypatch.setattr(theory, name, wrong)
    with pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize("fault", ENGINE)
def test_a_fault_in_the_engine_is_caught(fault, monkeypatch):
    where, name, wrong, check = ENGINE[fault]
    check()
    monkeypatch.setattr(where, name, wrong)
    with pytest.raises(AssertionError):
        check()

"""The trials of image generation against the library, as checks."""

import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from proxies.families.overparam_generation.trials import adapters, scores, training
from proxies.instruments import digit_targets, flow_matching
from proxies.instruments.digit_networks import Linear

EPS = np.finfo(float).eps


def small_base(seed: int) -> list[Linear]:
    """The untrained base model of one seed."""
    rng = Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64) / 8
    return [Linear(draw(out, in_), draw(out)) for out, in_ in flow_matching.SHAPES]


def by_lora(
    base, method: str, rank: int, seed: int, data: Tensor, rate: float, plan: training.Plan
):
    """One run as anybody would make it: lora.attach, torch's Adam, the same draws. Gives its losses
    and its module."""
    net = adapters.attached(base, method, rank, seed)
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], rate)
    rng, losses = Generator().manual_seed(seed), []
    for step in range(plan.steps):
        x, t, v = flow_matching.draws(data, plan.batch, rng)
        optimizer.zero_grad()
        value = (net(x, t) - v).square().mean()
        value.backward()
        optimizer.param_groups[0]["lr"] = rate * (1 - step / plan.steps)
        optimizer.step()
        losses.append(value.item())
    return losses, net


def check_engine(method: str, rank: int = 2) -> None:
    """Every run of two rates and two seeds against a model adapted by `lora`, in float64: losses
    and final function."""
    plan, seeds, rates = training.Plan(8, 16), [1000, 1001], [1e-3, 1e-1]
    bases = [small_base(seed) for seed in seeds]
    base = adapters.stacked(bases)
    data = [digit_targets.split("new classes", seed).train.double() for seed in seeds]
    parameters, loss = training.train(
        base, adapters.initial(base, method, rank, seeds, 2), data, seeds, rates, plan
    )
    x, t = (
        torch.randn(5, 64, generator=Generator().manual_seed(7), dtype=torch.float64),
        torch.linspace(0, 1, 5).double(),
    )
    found = flow_matching.velocity(
        adapters.layers(base, parameters), x.expand(2, 5, 64), t.expand(2, 5)
    )
    for i, rate in enumerate(rates):
        for j, seed in enumerate(seeds):
            losses, net = by_lora(bases[j], method, rank, seed, data[j], rate, plan)
            # Adam divides by |g|, which amplifies the rounding of a gradient near zero.
            torch.testing.assert_close(
                loss[:, i, j], torch.tensor(losses, dtype=torch.float64), rtol=1e-9, atol=0
            )
            with torch.no_grad():
                torch.testing.assert_close(found[i, j], net(x, t), rtol=1e-9, atol=1e-9)
    assert (loss[-1] != loss[-1, 0, 0]).sum() == 3, "no two runs are the same"


def check_images(method: str) -> None:
    """Images of trained runs are those of the adapted layers, run by run."""
    seeds, rates = [1000, 1001], [1e-3, 1e-2]
    base = adapters.stacked([small_base(seed) for seed in seeds])
    data = [digit_targets.split("new classes", seed).train.double() for seed in seeds]
    initial = adapters.initial(base, method, 2, seeds, 2)
    parameters = training.train(base, initial, data, seeds, rates, training.Plan(8, 16))[0]
    x = torch.randn(2, 6, 64, generator=Generator().manual_seed(7), dtype=torch.float64)
    layers = adapters.layers(base, parameters)
    expected = flow_matching.integrate(
        lambda x, t: flow_matching.velocity(layers, x, t), x.expand(2, *x.shape), scores.MIDPOINTS
    )
    # sums of 128 terms in another order, four layers and 24 evaluations one after the other
    torch.testing.assert_close(
        scores.draw(base, parameters, x),
        expected,
        rtol=0,
        atol=24 * 4 * 128 * EPS * float(expected.abs().max()),
    )
    assert not torch.isclose(expected[0], expected[1]).all(), "what was learnt shows"


def check_norms() -> None:
    rng = Generator().manual_seed(3)
    W, B, A = (
        torch.randn(*s, generator=rng, dtype=torch.float64)
        for s in ((3, 6, 5), (2, 3, 6, 2), (2, 3, 2, 5))
    )
    expected = torch.linalg.vector_norm(W + B @ A, dim=-1)
    # n^2 is a sum of terms of a size up to |W|^2 + |B A|^2, here at most 100 times n^2
    torch.testing.assert_close(adapters.row_norms(W, B, A), expected, rtol=1e3 * EPS, atol=0)


def check_midpoint() -> None:
    """dx/dt = a x + t has a closed form; halving the step divides the error by four."""
    a, x = -1.5, torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    exact = (x + 1 / a**2) * math.exp(a) - 1 / a - 1 / a**2
    errors = [
        float(
            (flow_matching.integrate(lambda x, t: a * x + t[..., None], x, steps) - exact)
            .abs()
            .max()
        )
        for steps in (20, 40)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)  # the next term is of order 1/steps


def check_path() -> None:
    """x_t and v of (1): at x_t following v for the time that is left ends at an image, going back
    at noise."""
    data = digit_targets.split("new style", 1000).train.double()
    x, t, v = flow_matching.draws(data, 500, Generator().manual_seed(1))
    ends = x + (1 - t)[:, None] * v
    distance = torch.cdist(ends, data, compute_mode="donot_use_mm_for_euclid_dist").min(1).values
    assert float(distance.max()) <= 100 * EPS * 8
    noise = x - t[:, None] * v
    # 32,000 standard normals: mean and variance within five standard errors
    assert abs(float(noise.mean())) <= 5 / 32_000**0.5
    assert abs(float(noise.var()) - 1) <= 5 * (2 / 32_000) ** 0.5
    assert abs(float(t.mean()) - 0.5) <= 5 * (1 / 12 / 500) ** 0.5

"""The measurements of proxies/overparam_generation.py: the batch of runs against `lora`, and every rule by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

import lora
from proxies.families.overparam_generation.trials import adapters, training
from proxies.instruments import digit_targets, flow_matching
from proxies.instruments.digit_networks import Linear

EPS = np.finfo(float).eps


def small_base(seed: int) -> list[Linear]:
    rng = Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64) / 8
    return [Linear(draw(out, in_), draw(out)) for out, in_ in flow_matching.SHAPES]


def by_lora(base, method: str, rank: int, seed: int, data: Tensor, rate: float, plan: training.Plan):
    """One run as anybody would make it: lora.attach, torch's Adam, the same draws. Gives its losses and its module."""
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
    """Every run of two rates and two seeds against a model adapted by `lora`, in float64: losses and final function."""
    base, plan, seeds, rates = small_base(1000), training.Plan(8, 16), [1000, 1001], [1e-3, 1e-1]
    data = [digit_targets.split("new classes", seed).train.double() for seed in seeds]
    parameters, loss = training.train(base, adapters.start(base, method, rank, seeds, 2), data, seeds, rates, plan)
    x, t = (
        torch.randn(5, 64, generator=Generator().manual_seed(7), dtype=torch.float64),
        torch.linspace(0, 1, 5).double(),
    )
    found = flow_matching.velocity(adapters.layers(base, parameters), x, t)
    for i, rate in enumerate(rates):
        for j, seed in enumerate(seeds):
            losses, net = by_lora(base, method, rank, seed, data[j], rate, plan)
            # Adam divides by |g|, which amplifies the rounding of a gradient near zero.
            torch.testing.assert_close(loss[:, i, j], torch.tensor(losses, dtype=torch.float64), rtol=1e-9, atol=0)
            with torch.no_grad():
                torch.testing.assert_close(found[i, j], net(x, t), rtol=1e-9, atol=1e-9)
    assert (loss[-1] != loss[-1, 0, 0]).sum() == 3, "no two runs are the same"


@pytest.mark.parametrize("method", adapters.METHODS)
def test_every_run_of_a_batch_is_loras(method):
    check_engine(method)


def check_norms() -> None:
    rng = Generator().manual_seed(3)
    W, B, A = (torch.randn(*s, generator=rng, dtype=torch.float64) for s in ((6, 5), (2, 3, 6, 2), (2, 3, 2, 5)))
    expected = torch.linalg.vector_norm(W + B @ A, dim=-1)
    # n^2 is a sum of terms of a size up to |W|^2 + |B A|^2, here at most 100 times n^2
    torch.testing.assert_close(adapters.row_norms(W, B, A), expected, rtol=1e3 * EPS, atol=0)


def test_row_norms_are_those_of_the_dense_weight():
    check_norms()


def test_the_generators_product_has_its_gradient():
    rng = Generator().manual_seed(4)
    draw = lambda *shape: torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_()
    W, h = draw(2, 3, 4, 5), draw(2, 3, 5)
    assert torch.autograd.gradcheck(adapters._Product.apply, (W, h))
    torch.testing.assert_close(adapters._Product.apply(W, h), torch.einsum("abpm,abm->abp", W, h))


def test_a_start_is_the_librarys_and_adds_nothing():
    base = small_base(1001)
    x, t = torch.randn(4, 64, dtype=torch.float64, generator=Generator().manual_seed(1)), torch.rand(4).double()
    with torch.no_grad():
        expected = adapters.module(base)(x, t)
    for method in adapters.METHODS:
        start = adapters.start(base, method, 2, [5, 6], 3)
        found = flow_matching.velocity(adapters.layers(base, start), x, t)
        assert found.shape == (3, 2, 4, 64)
        torch.testing.assert_close(
            found, expected.expand_as(found), rtol=0, atol=100 * EPS * float(expected.abs().max())
        )
        library = lora.adapters(adapters.attached(base, method, 2, 6))
        for i, P in enumerate(start):
            _, A, _ = adapters.factors(base[i], P)
            torch.testing.assert_close(A[2, 1], library[f"layers.{i}"].factors().A.detach(), rtol=1e-14, atol=0)
            assert not torch.equal(A[0, 0], A[0, 1]), "each seed has its own start"


def check_midpoint() -> None:
    """dx/dt = a x + t has a closed form; halving the step divides the error by four."""
    a, x = -1.5, torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    exact = (x + 1 / a**2) * math.exp(a) - 1 / a - 1 / a**2
    errors = [
        float((flow_matching.integrate(lambda x, t: a * x + t[..., None], x, steps) - exact).abs().max())
        for steps in (20, 40)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)  # the next term is of order 1/steps


def test_the_sampler_is_of_second_order():
    check_midpoint()


def check_path() -> None:
    """x_t and v of (1): at x_t following v for the time that is left ends at an image, going back at noise."""
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


def test_draws_lie_on_straight_paths_from_noise_to_images():
    check_path()


def test_a_split_shares_no_image_and_a_target_is_what_it_says():
    every, labels = digit_targets.both_styles()
    for target, wanted in digit_targets.TARGETS.items():
        parts = digit_targets.split(target, 1003)
        assert [len(part) for part in parts][:2] == [200, 200]
        together = torch.cat(list(parts))
        assert len(together) == len(digit_targets.of(wanted)) == int(torch.isin(labels, torch.tensor(wanted)).sum())
        assert torch.equal(together.sort(0).values, digit_targets.of(wanted).sort(0).values), "every image once"
        assert not torch.equal(parts.train, digit_targets.split(target, 1004).train)
    seen, style = digit_targets.of(digit_targets.SEEN), digit_targets.of(digit_targets.TARGETS["new style"])
    assert torch.equal(seen, -style)
    assert float(every.abs().max()) == 1

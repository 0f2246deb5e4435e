"""The bound and the prediction of a learning rate against dense computations."""

from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers")

import lora
from scaling.advice import rates
from scaling.core.config import Config
from tests.support.probes import DEEP, RANK, Net, data, net, squares


def plain(model: Net, scale: float) -> Any:
    """The squared error of the adapted net as a function of all that is trained, in one vector,
    from plain products."""
    shapes = [(8, RANK), (RANK, 6), (3, RANK), (RANK, 8)]

    def loss(theta: Tensor, batch: dict[str, Tensor]) -> Tensor:
        parts = theta.split([a * b for a, b in shapes])
        B1, A1, B2, A2 = (part.view(shape) for part, shape in zip(parts, shapes, strict=True))
        h = batch["x"] @ (model.up.weight + scale * B1 @ A1).mT + model.up.bias
        out = model.bend(h) @ (model.down.weight + scale * B2 @ A2).mT + model.down.bias
        return (out - batch["y"]).square().mean()

    return loss


def adapted(bend: bool, config: Config) -> Net:
    model = net(bend)
    lora.attach(model, config.adapter)
    return model


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_the_bound_is_that_of_the_dense_hessian(ratio):
    config, [batch] = Config.of(rank=RANK, ratio=ratio), data(1)
    model = adapted(True, config)
    line = rates.Line(config, model, batch, squares)
    found = rates.bound_on(line)
    line.leave()
    loss = plain(net(), config.adapter.alpha / RANK)
    layers = lora.adapters(model).values()
    theta = torch.cat(
        [factor.detach().flatten() for layer in layers for factor in (layer.B, layer.A)]
    )
    [g] = torch.autograd.grad(loss(theta.requires_grad_(), batch), theta)
    H: Any = torch.autograd.functional.hessian(lambda theta: loss(theta, batch), theta)
    rate = torch.cat(
        [
            torch.full_like(f, r).flatten()
            for layer in layers
            for f, r in ((layer.B, ratio), (layer.A, 1))
        ]
    )
    clipped = g / max(1, g.norm().item() / config.training.clip)
    d = -rate * clipped / (clipped.abs() + 1e-8)  # the first step of Adam with its epsilon
    slope, c = -(g @ d).item(), (d @ H @ d).item()
    # torch adds 1e-6 to the norm that it clips by
    assert found.slope == pytest.approx(slope, rel=1e-9)

    def fourth(e: Tensor) -> float:
        e = e.clone().requires_grad_()
        value = loss(theta.detach() + e * d, batch)
        for _ in range(4):
            [value] = torch.autograd.grad(value, e, create_graph=True)
        return value.item()

    # at most so far the difference reaches
    e = min(rates.REACH * found.loss / slope, slope / (2 * c))
    grid = torch.linspace(-e, e, 21, dtype=DEEP)
    error = e**2 / 12 * max(abs(fourth(value)) for value in grid)  # Taylor's remainder
    assert error < 0.2 * c, "the difference reaches too far, or the test shows nothing"
    assert abs(found.curvature - c) <= 1.1 * error + 1e-9 * c  # 1.1: between the points of the grid
    assert found.bound == pytest.approx(2 * slope / found.curvature, rel=1e-12)


def test_beyond_the_bound_a_step_raises_a_quadratic_loss():
    """Without tanh, in B alone (the first step leaves A), the squared error of one adapted layer is
    a quadratic."""
    config, [batch] = Config.of(rank=RANK, target_modules=("down",)), data(1)
    line = rates.Line(config, adapted(False, config), batch, squares)
    found = rates.bound_on(line)
    bound, crossing = found.bound, found.crossing
    line.leave()
    assert bound is not None
    assert crossing is not None
    assert crossing < bound * (1 + 1e-9) < 2**0.5 * crossing * (1 + 1e-9)
    after = []
    for part in (0.99, 1.01):
        model = adapted(False, config)
        optimizer = torch.optim.AdamW(lora.param_groups(model, part * bound))
        before = squares(model, batch)
        before.backward()
        optimizer.step()
        after.append(squares(model, batch).item() - before.item())
    assert after[0] < 0 < after[1]
    # A parabola: 1 % beyond as much above as 1 % short is below, but for the term of second order,
    # 1 %.
    assert -after[0] / after[1] == pytest.approx(1, abs=0.05)


def test_a_line_that_no_gradient_begins_is_refused_and_leaves_no_trace():
    config, [batch] = Config.of(rank=RANK, train_b=False), data(1)
    model = adapted(True, config)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="would not lower the loss"):
        rates.Line(config, model, batch, squares)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_straight_loss_has_no_bound():
    config, [batch] = Config.of(rank=RANK, target_modules=("down",)), data(1)
    line = rates.Line(
        config, adapted(False, config), batch, lambda model, batch: 9 + model(batch["x"]).mean()
    )
    assert rates.bound_on(line).bound is None


def test_the_rate_foretold_is_the_theorys_power_of_the_reference():
    config = Config()
    lr = config.lr
    assert rates.from_width(config, "init_a", 384) == lr, "the reference is the default run"
    # n^-1/2
    assert rates.from_width(config, "init_a", 4 * 384) == pytest.approx(lr / 2, rel=1e-12)
    # n^-1
    assert rates.from_width(config, "init_b", 4 * 384) == pytest.approx(lr / 4, rel=1e-12)
    assert rates.from_width(config.replace(rank=32), "init_a", 384) == pytest.approx(lr, rel=1e-12)
    stable = config.replace(rank=32, rank_stabilized=True)
    # (s r)^-1/2
    assert rates.from_width(stable, "init_a", 384) == pytest.approx(lr / 2**0.5, rel=1e-12)
    assert rates.from_width(stable, "eva", 384) == lr, "no power of the rank is known for eva"
    assert rates.from_width(config.replace(optimizer="scaled_sgd"), "init_a", 384) is None


def test_the_prediction_is_higher_where_no_head_is_new():
    config = Config()
    by_width = rates.from_width(config, "init_a", 576)
    assert rates.predicted(config, "init_a", 576, fresh=True) == by_width
    for width in (384, 4 * 384):
        n = width / 384
        # those of claim L8d, and what the calculus gives for EVA
        for scheme, power in (("init_a", 0.75), ("eva", 1), ("init_b", 1)):
            found = rates.predicted(config, scheme, width, fresh=False)
            assert found == pytest.approx(rates.HEADLESS * n**-power, rel=1e-12), scheme
    other = config.replace(optimizer="scaled_sgd")
    assert rates.predicted(other, "init_a", 576, fresh=False) is None

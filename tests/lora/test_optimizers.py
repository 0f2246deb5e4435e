"""Preconditioned optimisers: the first-order law, the invariances that it buys, and plain
optimisers elsewhere."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import lora
from lora import OPTIMIZERS, Config
from lora.optimizers import directions
from tests.support.models import IDS, shake, small

EPS = torch.finfo(torch.float64).eps
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
SHAPES = st.tuples(st.integers(2, 9), st.integers(2, 9))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def factors(
    shape: tuple[int, int], rank: int, seed: int
) -> tuple[nn.Parameter, nn.Parameter, Tensor]:
    """B, A with the gradients that a weight gradient G gives them at s = 1, and G."""
    out, in_ = shape
    B, A, G = (
        draw(*s, seed=seed + i) for i, s in enumerate(((out, rank), (rank, in_), (out, in_)))
    )
    B, A = nn.Parameter(B), nn.Parameter(A)
    B.grad, A.grad = G @ A.detach().mT, B.detach().mT @ G
    return B, A, G


def projector(X: Tensor) -> Tensor:
    return X @ torch.linalg.pinv(X)


def condition(B: Tensor, A: Tensor) -> float:
    """Solving with a Gram matrix loses its condition number, the square of the factor's."""
    return float(max(torch.linalg.cond(B), torch.linalg.cond(A)) ** 2)


def first_order_move(B: nn.Parameter, A: nn.Parameter) -> Tensor:
    step = dict(directions(B, A, damping=1e-14, normalize=False))
    return step[B] @ A + B @ step[A]


@given(SHAPES, st.data(), st.integers(0, 2**32))
def test_to_first_order_the_weight_moves_along_the_projected_gradient(shape, data, seed):
    B, A, G = factors(shape, data.draw(st.integers(1, min(shape))), seed)
    with torch.no_grad():
        moved = first_order_move(B, A)
        expected = projector(B) @ G + G @ projector(A.mT)
        # damping changes a direction by at most damping x condition, relatively
        bar = (100 * EPS + 1e-13) * condition(B, A) * G.norm() * min(shape)
        assert (moved - expected).norm() <= bar


@given(SHAPES, st.data(), st.integers(0, 2**32), st.floats(0.05, 20))
def test_the_move_does_not_depend_on_how_the_product_is_split(shape, data, seed, ratio):
    rank = data.draw(st.integers(1, min(shape)))
    B, A, G = factors(shape, rank, seed)
    R = torch.linalg.qr(draw(rank, rank, seed=seed + 7)).Q * torch.linspace(
        1, ratio, rank, dtype=torch.float64
    )
    with torch.no_grad():
        B2, A2 = nn.Parameter(B @ R), nn.Parameter(torch.linalg.solve(R, A))
        B2.grad, A2.grad = G @ A2.mT, B2.mT @ G
        bar = (200 * EPS + 2e-13) * (condition(B, A) + condition(B2, A2)) * G.norm() * min(shape)
        assert (first_order_move(B, A) - first_order_move(B2, A2)).norm() <= bar


def test_a_plain_step_does_see_it():
    B, A, G = factors((6, 5), 2, 0)
    assert B.grad is not None
    assert A.grad is not None
    scaled = 4 * A.detach()
    assert not torch.allclose(B.grad @ A, (G @ scaled.mT) @ scaled)


def test_a_plain_step_ignores_a_turned_split_and_a_step_of_adam_does_not():
    """P12: B R and R^T A with R orthogonal. Adam's first step is the sign of the gradient."""
    B, A, G = factors((6, 5), 2, 0)
    R = torch.linalg.qr(draw(2, 2, seed=3)).Q
    moves = []
    for b, a in ((B.detach(), A.detach()), (B.detach() @ R, R.mT @ A.detach())):
        moves.append([f(G @ a.mT) @ a + b @ f(b.mT @ G) for f in (lambda g: g, torch.sign)])
    (sgd, adam), (turned_sgd, turned_adam) = moves
    assert (sgd - turned_sgd).norm() <= 100 * EPS * sgd.norm()
    assert (adam - turned_adam).norm() > 0.1 * adam.norm()


@given(SHAPES, st.data(), st.integers(0, 2**32))
def test_normalised_directions_have_a_preconditioner_of_norm_one(shape, data, seed):
    B, A, _ = factors(shape, data.draw(st.integers(1, min(shape))), seed)
    with torch.no_grad():
        plain, normal = (dict(directions(B, A, 1e-6, normalize)) for normalize in (False, True))
        for factor, gram in ((A, B.mT @ B), (B, A @ A.mT)):
            damped = gram + 1e-6 * gram.trace() / len(gram) * torch.eye(len(gram), dtype=gram.dtype)
            size = torch.linalg.inv(damped).norm()
            bar = 1e3 * EPS * torch.linalg.cond(damped) * normal[factor].norm()
            assert (normal[factor] * size - plain[factor]).norm() <= bar * size


def adapted(**options: Any) -> Any:
    model = small(torch.float64)
    lora.attach(model, Config(rank=3, **options))
    return model


def loss(model) -> Tensor:
    return model(IDS).square().sum()


def parameters(model) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters() if p.requires_grad]


@every_optimizer
@pytest.mark.parametrize("scheme", ["init_a", "init_b", "pissa"])
@pytest.mark.parametrize("normalize", [False, True])
def test_training_descends_from_every_kind_of_start(name, scheme, normalize):
    model = adapted(scheme=scheme, modules_to_save=("head",))
    optimizer = OPTIMIZERS[name](model, lr=1e-4, normalize=normalize)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        value = loss(model)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses == sorted(losses, reverse=True)


@every_optimizer
def test_gradients_are_as_they_were_after_a_step(name):
    model = shake(adapted())
    optimizer = OPTIMIZERS[name](model, lr=1e-3)
    loss(model).backward()
    before = {
        n: (p.grad, p.grad.clone()) for n, p in model.named_parameters() if p.grad is not None
    }
    optimizer.step()
    for n, p in model.named_parameters():
        if n in before:
            gradient, value = before[n]
            assert p.grad is gradient
            assert torch.equal(gradient, value)


@every_optimizer
def test_accumulated_gradients_are_preconditioned_once(name):
    """Four quarter losses, accumulated, give the step of the whole: nothing is preconditioned on
    the way."""
    whole, parts = shake(adapted()), shake(adapted())
    for model, pieces in ((whole, 1), (parts, 4)):
        optimizer = OPTIMIZERS[name](model, lr=1e-3)
        for _ in range(pieces):
            (loss(model) / pieces).backward()
        optimizer.step()
    for one, other in zip(parameters(whole), parameters(parts), strict=True):
        # four quarters sum to the whole exactly but for rounding, which the solve amplifies; Adam's
        # first step is a sign, so equality there is equality of signs
        torch.testing.assert_close(one, other, rtol=0, atol=1e6 * EPS)


@every_optimizer
def test_what_is_no_factor_gets_the_plain_optimiser(name):
    base = {"scaled_sgd": torch.optim.SGD, "scaled_adamw": torch.optim.AdamW}[name]
    scaled, plain = (adapted(modules_to_save=("head",)) for _ in range(2))
    for model in (scaled, plain):
        shake(model)
    for model, optimizer in (
        (scaled, OPTIMIZERS[name](scaled, lr=1e-2, weight_decay=0.1)),
        (plain, base(lora.param_groups(plain, lr=1e-2, weight_decay=0.1))),
    ):
        loss(model).backward()
        optimizer.step()
    assert torch.equal(scaled.head.weight, plain.head.weight)
    assert torch.equal(scaled.head.bias, plain.head.bias)
    assert not torch.equal(scaled.up.A, plain.up.A)


@every_optimizer
@pytest.mark.parametrize(("train_a", "train_b"), [(True, False), (False, True)])
def test_a_frozen_factor_stays_and_still_preconditions(name, train_a, train_b):
    model = shake(adapted(scheme="pissa", train_a=train_a, train_b=train_b))
    layer = lora.adapters(model)["up"]
    A, B = layer.A.clone(), layer.B.clone()
    optimizer = OPTIMIZERS[name](model, lr=1e-2)
    loss(model).backward()
    optimizer.step()
    assert torch.equal(A, layer.A) == (not train_a)
    assert torch.equal(B, layer.B) == (not train_b)


@every_optimizer
def test_state_survives_a_round_trip(name):
    model, other = shake(adapted()), shake(adapted())
    first, second = (OPTIMIZERS[name](m, lr=1e-3) for m in (model, other))
    loss(model).backward()
    first.step()
    other.load_state_dict(model.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # torch would share the tensors
    for m, optimizer in ((model, first), (other, second)):
        optimizer.zero_grad()
        loss(m).backward()
        optimizer.step()
    for one, two in zip(parameters(model), parameters(other), strict=True):
        assert torch.equal(one, two)


@every_optimizer
def test_a_scheduler_and_the_ratio_of_rates_apply(name):
    model = adapted()
    optimizer = OPTIMIZERS[name](model, lr=1e-3, ratio=16.0)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, 1.0, 2)
    loss(model).backward()
    optimizer.step()
    scheduler.step()
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates["B"] == 16 * rates["A"] == pytest.approx(16 * 0.75e-3)


@every_optimizer
def test_a_group_that_is_added_later_has_the_learning_rate(name):
    optimizer = OPTIMIZERS[name](adapted(), lr=0.25)
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
    assert optimizer.param_groups[-1]["lr"] == 0.25


@every_optimizer
def test_bad_arguments_are_refused(name):
    with pytest.raises(ValueError, match="carries no adapter"):
        OPTIMIZERS[name](small(), lr=1e-3)
    with pytest.raises(ValueError, match="damping must be positive"):
        OPTIMIZERS[name](adapted(), lr=1e-3, damping=0.0)
    with pytest.raises(ValueError, match="up: the factors of Overparam are generated"):
        OPTIMIZERS[name](adapted(variant="overparam"), lr=1e-3)
    with pytest.raises(ValueError, match="closure is not supported"):
        OPTIMIZERS[name](adapted(), lr=1e-3).step(lambda: torch.zeros(()))

"""The fused product against plain torch: values, gradients, and what it keeps in memory."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from lora.product import low_rank_linear


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def problem(dtype=torch.float64, tokens=(3, 5), out=6, in_=7, k=2) -> tuple[Tensor, ...]:
    shapes = ((*tokens, in_), (out, in_), (out,), (out, k), (k, in_))
    return tuple(draw(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes))


def plain(x, W, b, L, R, s):
    return F.linear(x, W, b) + s * F.linear(F.linear(x, R), L)


@pytest.mark.parametrize("bias", [False, True])
@given(
    trains=st.tuples(*[st.booleans()] * 4), tokens=st.sampled_from([(4,), (2, 3), (1, 1, 2), (0,)])
)
def test_gradients_agree_with_finite_differences(trains, tokens, bias):
    x, W, b, L, R = problem(tokens=tokens)
    b = b if bias else None
    inputs = [x, b, L, R]
    for tensor, train in zip(inputs, trains, strict=True):
        if tensor is not None:
            tensor.requires_grad_(train)
    if not any(t is not None and t.requires_grad for t in inputs):
        x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, b, L, R: low_rank_linear(x, W, b, L, R, 0.7), inputs)


@given(
    st.integers(1, 20),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 4),
    st.integers(0, 2**32),
)
def test_value_and_gradients_agree_with_plain_torch(tokens, out, in_, k, seed):
    x, W, b, L, R = (
        draw(*s, seed=seed + i, dtype=torch.float32)
        for i, s in enumerate(((tokens, in_), (out, in_), (out,), (out, k), (k, in_)))
    )
    leaves = (x, b, L, R)
    results = []
    for function in (low_rank_linear, plain):
        for leaf in leaves:
            leaf.requires_grad_().grad = None
        y = function(x, W, b, L, R, 1.5)
        y.backward(draw(*y.shape, seed=seed + 9, dtype=torch.float32))
        results.append([y.detach(), *(leaf.grad for leaf in leaves)])
    # both are sums of at most n terms: their rounding differs by at most n eps of the sum of
    # magnitudes
    n = tokens + out + in_ + k
    with torch.no_grad():
        size = (
            plain(x.abs(), W.abs(), b.abs(), L.abs(), R.abs(), 1.5).max()
            * (1 + x.abs().max())
            * n
            * 5
        )
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= n * torch.finfo(torch.float32).eps * size


def kept(function) -> list[Tensor]:
    """Every tensor that autograd keeps for backward while `function` runs, those without a storage
    of their own too."""
    found: list[Tensor] = []
    with saved_tensors_hooks(lambda t: found.append(t) or t, lambda t: t):
        function()
    return found


@pytest.mark.parametrize(
    ("train_left", "train_right"), [(True, True), (True, False), (False, True)]
)
def test_keeps_x_only_while_right_trains_and_its_image_only_while_left_trains(
    train_left, train_right
):
    x, W, b, L, R = problem(tokens=(64,))
    x.requires_grad_()
    L.requires_grad_(train_left)
    R.requires_grad_(train_right)
    found = kept(lambda: low_rank_linear(x, W, b, L, R, 2.0))
    weights = {W.data_ptr(), L.data_ptr(), R.data_ptr()}
    sizes = sorted(t.numel() for t in found if t.data_ptr() not in weights)
    assert sizes == sorted([64 * 7] * train_right + [64 * 2] * train_left)


def test_keeps_no_float32_copy_of_a_half_precision_input():
    x, W, b, L, R = problem(torch.bfloat16, tokens=(64,))
    L, R = L.float().requires_grad_(), R.float().requires_grad_()
    found = kept(lambda: low_rank_linear(x.requires_grad_(), W, b, L, R, 2.0))
    wide = [t for t in found if t.dtype == torch.float32]
    assert {t.data_ptr() for t in wide} <= {L.data_ptr(), R.data_ptr()}
    assert any(t.data_ptr() == x.data_ptr() for t in found), "x itself is kept, not a copy"


def test_gradients_of_float32_masters_are_float32():
    x, W, b, L, R = problem(torch.bfloat16)
    L, R = L.float().requires_grad_(), R.float().requires_grad_()
    y = low_rank_linear(x, W, b, L, R, 2.0)
    y.sum().backward()
    assert y.dtype == torch.bfloat16
    assert L.grad is not None
    assert R.grad is not None
    assert L.grad.dtype == R.grad.dtype == torch.float32


def test_an_input_smaller_than_the_factors_is_cast_in_their_place():
    """Then only the sum is rounded, once, and the factors' gradients not at all."""
    x, W, _, L, R = problem(torch.bfloat16, tokens=(2,), k=5)
    L, R = (draw(*t.shape, seed=i, dtype=torch.float32) for i, t in enumerate((L, R)))
    for leaf in (x, L, R):
        leaf.requires_grad_()
    y = low_rank_linear(x, W, None, L, R, 1.5)
    dy = draw(*y.shape, seed=7).to(torch.bfloat16)
    found = [y, *torch.autograd.grad(y, (x, L, R), dy)]
    exact = [t.detach().double().requires_grad_() for t in (x, L, R)]
    base = F.linear(x, W).double()
    expected = base + 1.5 * F.linear(F.linear(exact[0], exact[2]), exact[1])
    dL, dR = torch.autograd.grad(expected, exact[1:], dy.double())
    assert found[0].dtype == found[1].dtype == torch.bfloat16
    # a sum of two rounded terms in bfloat16, and sums of at most 7 terms in float32
    assert (
        (y - expected).abs() <= torch.finfo(torch.bfloat16).eps * expected.abs() / 2 + 1e-6
    ).all()
    for ours, theirs in zip(found[2:], (dL, dR), strict=True):
        assert ours.dtype == torch.float32
        bound = 7 * 4 * torch.finfo(torch.float32).eps * (1 + theirs.abs().max())
        assert (ours - theirs).abs().max() <= bound


def test_autocast_gives_what_linear_would():
    x, W, b, L, R = problem(torch.float32)
    leaves = [t.requires_grad_() for t in (x, L, R)]
    with torch.autocast("cpu", torch.bfloat16):
        y, expected = low_rank_linear(x, W, b, L, R, 1.0), F.linear(x, W, b)
    assert y.dtype == expected.dtype == torch.bfloat16
    y.float().sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.dtype == torch.float32
    # one bfloat16 rounding of each operand and of the result, over sums of at most 7 + 2 terms
    with torch.no_grad():
        bound = (
            12
            * torch.finfo(torch.bfloat16).eps
            * plain(x.abs(), W.abs(), b.abs(), L.abs(), R.abs(), 1.0)
        )
        assert ((y.float() - plain(x, W, b, L, R, 1.0)).abs() <= bound).all()


@pytest.mark.parametrize("trained", ["x", "L", "R", "xLR"])
def test_second_derivatives_agree_with_finite_differences(trained):
    x, W, b, L, R = problem(tokens=(4,))
    inputs = {"x": x, "b": b, "L": L, "R": R}
    for name in trained:
        inputs[name].requires_grad_()

    def value(x, b, L, R):
        return low_rank_linear(x, W, b, L, R, 0.7).sin()  # its gradient depends on every input

    assert torch.autograd.gradgradcheck(value, list(inputs.values()))


def test_a_base_weight_that_a_user_trains_gets_its_gradient():
    x, W, b, L, R = problem()
    W.requires_grad_()
    (ours,) = torch.autograd.grad(low_rank_linear(x, W, b, L, R, 1.5).square().sum(), W)
    (theirs,) = torch.autograd.grad(plain(x, W, b, L, R, 1.5).square().sum(), W)
    # sums over 15 tokens in another order
    assert (ours - theirs).abs().max() <= 100 * torch.finfo(x.dtype).eps * theirs.abs().max()


@pytest.mark.parametrize("stacked", ["x", "W", "b", "L", "R", "LR", "xLR"])
def test_any_argument_may_be_stacked(stacked):
    """torch.vmap over inputs, adapters or base weights gives what a loop gives, gradients too."""
    names, single = "xWbLR", problem()
    more = problem(), [2 * t for t in problem()]
    arguments = [
        torch.stack([m[i] for m in more]) if name in stacked else single[i]
        for i, name in enumerate(names)
    ]

    def gradients(x, W, b, L, R):
        loss = lambda x, b, L, R: low_rank_linear(x, W, b, L, R, 1.5).square().sum()
        return torch.func.grad(loss, argnums=(0, 1, 2, 3))(x, b, L, R)

    in_dims = tuple(0 if name in stacked else None for name in names)
    found = torch.vmap(gradients, in_dims)(*arguments)
    for k in range(2):
        chosen = [a[k] if name in stacked else a for name, a in zip(names, arguments, strict=True)]
        for ours, theirs in zip((f[k] for f in found), gradients(*chosen), strict=True):
            # the same sums of at most 15 terms, batched
            bound = 1000 * torch.finfo(torch.float64).eps * theirs.abs().max()
            assert (ours - theirs).abs().max() <= bound

"""Row norms of W + L R without forming it, against the matrix formed in float64."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import lora
from lora import Config
from lora.norms import Norms, excess, growth, row_norms


def draw(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**20))
def test_they_are_those_of_the_matrix(dtype, out, in_, k, seed):
    W, L, R = (
        draw(*shape, seed=seed + i, dtype=dtype)
        for i, shape in enumerate([(out, in_), (out, k), (k, in_)])
    )
    n = (row_norms(W).double().square() + growth(W, L, R).double()).clamp(min=0)
    W, L, R = (each.double() for each in (W, L, R))
    expected = (W + L @ R).norm(dim=1).square()
    # sums of in + k terms; each product is rounded, and the norms of W and L R bound their sizes
    size = (W.norm(dim=1) + (L.abs() @ R.abs()).norm(dim=1)).square()
    assert ((n - expected).abs() <= (in_ + k) * 4 * torch.finfo(dtype).eps * size).all()


def test_an_update_that_vanishes_by_zeros_leaves_every_bit():
    W, A, B = draw(5, 8, seed=0), draw(2, 8, seed=1), draw(5, 2, seed=2)
    zeros = [(B * 0, A), (B, A * 0), (torch.cat([B * 0, B], 1), torch.cat([A, A * 0]))]
    for dtype in (torch.float32, torch.bfloat16):
        w = W.to(dtype)
        for L, R in zeros:
            grown = growth(w, L.float(), R.float())
            assert not excess(row_norms(w), row_norms(w), grown).any()


def test_a_row_that_vanishes_keeps_its_output():
    m, norms = torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0])
    assert excess(m, norms, torch.zeros(2)).tolist() == [0, 1]
    # W and L R cancel: rounding may leave less than nothing
    assert excess(m, norms, torch.tensor([0.0, -1.0 - 1e-6])).tolist() == [0, 0]


class Counted(TorchDispatchMode):
    """How often row norms are measured."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        self.norms += function.overloadpacket.__name__ == "linalg_vector_norm"
        return function(*args, **(kwargs or {}))


def write_in_place(layer: nn.Module, W: Tensor) -> None:
    with torch.no_grad():
        layer.get_parameter("weight").mul_(2)


def write_data(layer: nn.Module, W: Tensor) -> None:
    layer.get_parameter("weight").data = 2 * W


def replace(layer: nn.Module, W: Tensor) -> None:
    layer.weight = nn.Parameter(2 * W, requires_grad=False)


def load(layer: nn.Module, W: Tensor) -> None:
    layer.load_state_dict({"weight": 2 * W})


@pytest.mark.parametrize("write", [write_in_place, write_data, replace, load])
def test_the_norms_of_a_frozen_weight_are_measured_again_where_it_was_written(write):
    layer, norms = nn.Linear(4, 3, bias=False).requires_grad_(False), Norms()
    W = layer.weight.detach().clone()
    with Counted() as seen:
        for _ in range(3):
            norms.of(layer, layer.weight)
    assert seen.norms == 1
    write(layer, W)
    assert torch.equal(norms.of(layer, layer.weight), row_norms(2 * W))


def test_those_of_a_weight_that_may_be_trained_are_measured_each_time():
    layer, norms = nn.Linear(4, 3, bias=False), Norms()
    norms.of(layer, layer.weight)
    layer.weight.data.mul_(2)  # as an optimiser may, unseen
    assert torch.equal(norms.of(layer, layer.weight), row_norms(layer.weight))


def test_a_model_that_is_cast_measures_the_weight_that_it_has_now():
    model = nn.Sequential(nn.Linear(6, 5))
    lora.attach(model, Config(rank=2, variant="dora"))
    layer: Any = model[0]
    x = draw(3, 6, seed=3)
    model(x.float())
    model.to(torch.bfloat16)
    assert torch.equal(layer.base_norms.of(layer.base_layer, layer.weight), row_norms(layer.weight))
    assert torch.equal(model(x.to(torch.bfloat16)), layer.base_layer(x.to(torch.bfloat16)))

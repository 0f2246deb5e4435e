"""What a layer reads and gives while it is watched: refused by the layer's name where nothing can
be summed."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lora
from lora import Config, collect


class Between(nn.Module):
    """A layer that reads what `change` makes of the activations of another."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.first, self.inner, self.change = nn.Linear(4, 3), nn.Identity(), change

    def forward(self, x: Tensor) -> Tensor:
        self.inner(self.change(self.first(x)))
        return self.first(x)


class Of(nn.Module):
    """A function as a layer."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x)


def square(model: nn.Module, batch: Tensor) -> Tensor:
    return model(batch).square().mean()


X = torch.arange(20.0).reshape(5, 4)


@pytest.mark.parametrize("need", ["inputs", "gradient"])
@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda x: x.to("meta"), "the meta device"),
        (lambda x: x.detach().to_sparse(), "torch.sparse_coo"),
        (lambda x: torch.nested.nested_tensor([x, x[:2]]), "nested"),
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_an_input_that_holds_no_rows_is_refused_by_the_layer_s_name(change, what, need):
    with pytest.raises(ValueError, match=rf"^inner: its input must be .*{what}"):
        collect(Between(change), ["inner"], [X], need, square)


@pytest.mark.parametrize("options", [{}, {"axes": 1, "tolerance": 0.1}])
def test_an_input_of_another_width_than_before_is_refused_by_the_layer_s_name(options):
    model = nn.Sequential(nn.Identity(), nn.Flatten(1))
    with pytest.raises(ValueError, match=r"^0: its input was 4 wide at first and is 3 wide later"):
        collect(model, ["0"], [X, X[:, :3]], **options)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda x: x.mean(0), r"\(4,\)"),
        (lambda x: x.mean(), r"\(\)"),
        (lambda x: x.argmax(1, keepdim=True), "torch.int64"),
        (lambda x: x.to(torch.complex64), "torch.complex64"),
    ],
)
def test_an_output_that_has_no_gradient_a_row_is_refused_by_the_layer_s_name(change, what):
    model = nn.Sequential(Of(change))
    with pytest.raises(ValueError, match=rf"^0: its output must .*{what}"):
        collect(model, ["0"], [X], "gradient", lambda model, x: model(x).abs().sum())


def test_an_output_of_another_width_than_before_is_refused_by_the_layer_s_name():
    model = nn.Sequential(Of(lambda x: x[:, : len(x)]))
    with pytest.raises(ValueError, match=r"^0: its output was 4 wide at first and is 3 wide later"):
        collect(model, ["0"], [X, X[:3]], "gradient", square)


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_a_loss_without_gradients_is_refused_and_the_model_left_alone(without):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(ValueError, match=r"^0: .*torch\.no_grad"):
        lora.attach(model, Config(rank=1, scheme="lora_one"), [X], without()(square))
    assert [type(module) for module in model.modules()] == kinds
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_the_model_s_own_error_passes_through_unchanged():
    model = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(RuntimeError) as own:
        model(X[:, :3])
    with pytest.raises(RuntimeError) as ours:
        collect(model, ["0"], [X[:, :3]])
    assert str(ours.value) == str(own.value)

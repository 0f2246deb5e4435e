"""What is counted, against cases counted by hand."""

import torch
from torch import nn

from benchmarks.harness.counting import bytes_saved, graphs, operator_calls


def test_a_linear_layer_is_three_products_of_a_step():
    x, W = torch.randn(5, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    gradient = torch.ones(5, 4)
    calls = operator_calls(lambda: (x @ W.mT).backward(gradient))
    # forward, and backward to each factor; transposes are views
    assert calls == {"mm": 3}


def test_views_and_allocations_are_no_calls_and_casts_are():
    x = torch.randn(4, 6)

    def run():
        y = x.view(6, 4).mT[1:].reshape(-1)  # the last copies
        torch.empty(3).new_empty(2)
        return y.to(torch.bfloat16)

    assert operator_calls(run) == {"clone": 1, "_to_copy": 1}


def test_saved_for_backward_are_activations_once_and_no_parameters():
    rows, n = 7, 16
    layer = nn.Linear(n, n, bias=False)
    x = torch.randn(rows, n)
    # The layer saves x, 4 bytes a number, and its weight, which is the model's own.
    assert bytes_saved(lambda: layer(x + 1).sum(), layer) == 4 * rows * n
    # Two layers that read one x save it once; tanh saves its result.
    twice = lambda x: (layer(x) + layer(x)).tanh().sum()
    assert bytes_saved(lambda: twice(x + 1), layer) == 2 * 4 * rows * n
    # A frozen layer saves nothing of x, which needs no gradient.
    layer.requires_grad_(False)
    given = x.clone().requires_grad_()
    assert bytes_saved(lambda: layer(given).sum(), layer) == 0


class Broken(nn.Module):
    def forward(self, x):
        y = x.sin()
        torch._dynamo.graph_break()
        return y.cos()


def test_graphs_are_counted_at_breaks():
    x = torch.randn(3)
    run = lambda model: model(x)
    assert graphs(run, nn.Tanh()) == 1
    assert graphs(run, Broken()) == 2

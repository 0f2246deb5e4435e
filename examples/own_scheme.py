"""An initialization of your own, and the tests that all of loralab's pass: no model is needed.

    python examples/own_scheme.py

The scheme: A selects the r inputs of largest second moment, B = 0. Its laws: A A^T = I, and A does
not change with the size of W or of the gradient.
"""

import torch
from torch import nn

import lora
from lora.testing import Laws, check_round_trip, check_scheme


def busiest(W, rank, rng, scale, stats):
    """B = 0, and a row of A for each of the r inputs whose E[x_i^2] is largest."""
    del rng, scale  # it draws nothing, and B A = 0 at every scale
    size = stats.second_moment.diagonal()
    if not size.isfinite().all():
        raise ValueError("the second moment of the inputs must be finite")
    inputs = size.topk(rank).indices
    A = W.new_zeros(rank, W.shape[1])
    A[torch.arange(rank), inputs] = 1
    return lora.Factors(W.new_zeros(W.shape[0], rank), A)


scheme = lora.Scheme(busiest, "inputs", "derived", zero_product=True)
check_scheme(scheme, laws=Laws(orthonormal="A", weight=(0, 0), gradient=(0, 0)))
check_round_trip(scheme)
print("the scheme passes")


def unseeded(W, rank, rng, scale, stats):
    """With a fault: it draws from torch's global generator, so that the seed decides nothing."""
    A = torch.randn(rank, W.shape[1], dtype=W.dtype)
    return lora.Factors(W.new_zeros(W.shape[0], rank), A)


try:
    check_scheme(lora.Scheme(unseeded, "inputs", "derived", zero_product=True))
except AssertionError as error:
    print(f"the one with a fault does not: {error}")

# In your own script a row of the table is enough; to add it to loralab, see CONTRIBUTING.md.
lora.SCHEMES["busiest"] = scheme
model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
batches = torch.randn(8, 32, 16, generator=torch.Generator().manual_seed(0)).unbind()
print(lora.attach(model, lora.Config(rank=4, scheme="busiest"), batches))

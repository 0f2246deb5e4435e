"""The candidate kernel against the plain product, in Triton's interpreter, which a process has to
ask for before it imports Triton."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytest.importorskip("triton", reason="Triton has no build for this machine's torch")

# Half precision is float16 here: the interpreter of Triton 3.9 multiplies the bits of bfloat16
# numbers as if they were integers.
# tokens, in, out and rank that fill no block, and that fill several
SHAPES = ((5, 24, 40, 3), (70, 300, 136, 16), (64, 128, 128, 20))
COMPARE = """
import json, sys, torch
from benchmarks.kernels.low_rank import LowRankLinear
from lora.product import low_rank_linear
found = []
for tokens, n, m, r in json.loads(sys.argv[1]):
    for dtype in (torch.float32, torch.float16):
        rng = torch.Generator().manual_seed(0)
        new = lambda *shape: torch.randn(*shape, generator=rng)
        x, W, dy = new(tokens, n).to(dtype), new(m, n).to(dtype) / n**0.5, new(tokens, m).to(dtype)
        L, R = new(m, r), new(r, n) / n**0.5
        leaves = [tensor.requires_grad_() for tensor in (x, L, R)]
        outcomes = []
        for product in (
            lambda: LowRankLinear.apply(x, W, L, R, 0.7),
            lambda: low_rank_linear(x, W, None, L, R, 0.7),
        ):
            y = product()
            outcomes.append([y, *torch.autograd.grad(y, leaves, dy)])
        errors = [float((a - b).double().norm() / b.double().norm()) for a, b in zip(*outcomes)]
        types = [g.dtype == leaf.dtype for g, leaf in zip(outcomes[0][1:], leaves)]
        found.append([torch.finfo(dtype).eps, errors, types])
print(json.dumps(found))
"""


def test_the_kernel_is_the_plain_product():
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, json.dumps(SHAPES)],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for eps, errors, types in json.loads(done.stdout):
        # Each of the few roundings to the type on the way is eps / 2 of its number at most, and
        # float32 sums of n <= 300 terms add n^(1/2) eps of their own: 20 covers both.
        assert max(errors) <= 20 * eps
        assert all(types)

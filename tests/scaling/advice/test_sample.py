"""Which layers are measured."""

import pytest
from torch import nn

from scaling.advice import sample


def test_layers_are_of_every_kind_and_depth():
    def module(out: int) -> nn.Module:
        return nn.Linear(8, out, device="meta")

    layers = {
        f"block.{k}.{name}": module(out)
        for k in range(6)
        for name, out in (("q", 8), ("up", sample.WIDE + 1))
    }
    layers |= {
        "block.0.table": nn.Embedding(4, 8),
        "vast": module(sample.WIDEST + 1),
        "pooler": module(8),
    }
    assert sample.sampled(layers) == ["block.1.q", "block.3.up", "block.4.q", "pooler"]
    with pytest.raises(ValueError, match="no layer can be measured"):
        sample.sampled({"vast": layers["vast"], "table": layers["block.0.table"]})

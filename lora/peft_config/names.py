"""Layers by name, where PEFT takes a name for the end of a name."""

import re
from collections.abc import Collection

from torch import nn

from lora.patterns import matches


def target_names(model: nn.Module, layers: Collection[str]) -> list[str] | str:
    """The full names, or a regular expression of them where a name also ends another layer's."""
    return exactly_these(layers, [name for name, _ in model.named_modules()])


def exactly_these(wanted: Collection[str], names: Collection[str]) -> list[str] | str:
    """`target_names` among these names of all modules."""
    ends = tuple(wanted)
    if any(matches(ends, name) and name not in wanted for name in names):
        return "|".join(re.escape(name) for name in ends)
    return list(ends)

"""The hooks of `lora.collect`: which layers read one tensor, where a forward may end, what is summed."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lora.accumulate import GradientMoments, Moments


class Stop(BaseException):
    """Ends a forward at the last layer asked for; no Exception, so that no model takes it for an error of its own."""


class Divergence(BaseException):
    """Two layers that read one tensor at their first call turn out to read different ones later."""


class Recorder:
    """Sums over the calls of some layers.

    Two layers share an accumulator when each of their calls reads the same tensor: same memory, shape, strides and
    version within one forward. That is found on the first batch, whose inputs are kept alive so that no address is
    used twice, and checked on every later one.
    """

    def __init__(self, modules: dict[str, nn.Module], gradient: bool, max_width: int) -> None:
        self.modules, self.gradient, self.max_width = modules, gradient, max_width
        self.alone: set[str] = set()  # layers that share with none
        self.calls_of_first: dict[str, int] | None = None
        self._clear()

    def _clear(self) -> None:
        self.owner: dict[str, str] = {}  # of every layer that ran, the one whose accumulator it uses
        self.moments: dict[str, Moments] = {}
        self.gradients: dict[str, GradientMoments] = {}

    @property
    def tokens(self) -> int:
        return max((moments.count for moments in self.moments.values()), default=0)

    def begin(self, mask: Tensor | None) -> None:
        """Before each forward."""
        if self.calls_of_first is None:
            self._clear()
        self.mask = mask
        self.read: dict[str, list[tuple]] = {}  # what each layer has read in this forward, call by call
        self.rows: dict[str, int] = {}
        self.first_reader: dict[tuple, str] = {}
        self.alive: list[Tensor] = []

    def end(self) -> None:
        """After each whole forward."""
        for name, owner in self.owner.items():
            if len(self.read.get(name, ())) != len(self.read.get(owner, ())):
                self._diverged(name)
        if self.calls_of_first is None:
            self.calls_of_first = {name: len(calls) for name, calls in self.read.items()}
        self.alive.clear()

    def hook(self, name: str, module: nn.Module) -> Iterator[RemovableHandle]:
        def before(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
            self._see(name, _input(args, kwargs))

        def after(_: nn.Module, args: tuple, kwargs: dict[str, Any], output: Tensor) -> Tensor:
            return self._tap(name, _input(args, kwargs), output)

        yield module.register_forward_pre_hook(before, with_kwargs=True)
        if self.gradient:
            yield module.register_forward_hook(after, with_kwargs=True)

    def _see(self, name: str, x: Tensor) -> None:
        x = x.detach()
        key = (x.data_ptr(), x.shape, x.stride(), x.dtype, _version(x))
        calls = self.read.setdefault(name, [])
        calls.append(key)
        if name not in self.owner:
            share = self.calls_of_first is None and name not in self.alone
            self.owner[name] = self.first_reader.setdefault(key, name) if share else name
        if self.calls_of_first is None:
            self.alive.append(x)
        rows = self._counted(x)
        self.rows[name] = self.rows.get(name, 0) + len(rows)
        owner = self.owner[name]
        if owner == name:
            self._add(name, rows)
        elif len(self.read.get(owner, ())) < len(calls) or self.read[owner][len(calls) - 1] != key:
            self._diverged(name)
        if not self.gradient and self._all_seen():
            raise Stop

    def _add(self, name: str, rows: Tensor) -> None:
        width = rows.shape[1]
        if width > self.max_width:
            raise ValueError(
                f"{name}: its input is {width} wide, above max_width = {self.max_width}; the second moment would take "
                f"{8 * width**2 / 2**20:.0f} MiB: raise max_width, or leave the layer out"
            )
        if name not in self.moments:
            self.moments[name] = Moments(width, rows.device)
        try:
            self.moments[name].add(rows)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def _tap(self, name: str, x: Tensor, output: Tensor) -> Tensor:
        """Have the gradient at the output summed when the backward comes by."""
        version = _version(x)
        x = x.detach()

        def absorb(g: Tensor) -> None:
            if _version(x) != version:
                raise ValueError(f"{name}: its input is changed in place after it was read; gradients need it whole")
            rows, gradients = self._counted(x), self._counted(g)
            sums = self.gradients.setdefault(name, GradientMoments(g.shape[-1], x.shape[-1], x.device))
            try:
                sums.add(gradients, rows, self.rows[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error

        if not output.requires_grad:  # everything upstream is frozen; a clone, which the model may change in place
            output = output.detach().requires_grad_().clone()
        output.register_hook(absorb)
        return output

    def _counted(self, x: Tensor) -> Tensor:
        rows, mask = x.reshape(-1, x.shape[-1]), self.mask
        if mask is None:
            return rows
        if x.shape[:-1] in (mask.shape, (mask.numel(),)):
            return rows[mask.reshape(-1).to(rows.device)]
        if x.shape[:-1] == mask.mT.shape:  # a model that puts tokens first
            return rows[mask.mT.reshape(-1).to(rows.device)]
        return rows

    def _all_seen(self) -> bool:
        known = self.calls_of_first
        if known is None or len(known) < len(self.modules):
            return False
        return all(len(self.read.get(name, ())) == calls for name, calls in known.items())

    def _diverged(self, name: str) -> None:
        if self.calls_of_first is None:
            self.alone.add(name)
            raise Divergence
        raise ValueError(
            f"{name}: it read the same tensor as {self.owner[name]} on the first batch, and another on a later one; "
            "collect the two in separate passes"
        )


def _input(args: tuple, kwargs: dict[str, Any]) -> Tensor:
    return args[0] if args else next(iter(kwargs.values()))


def _version(x: Tensor) -> int:
    return 0 if torch.is_inference(x) else x._version

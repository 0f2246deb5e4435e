"""The hooks of `lora.collect`: which layers read one tensor, where a forward may end, what is
summed."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lora.accumulate import GradientMoments, Gram, Moments, squares, total_like
from lora.sketch import Frame, Nystrom, columns


class Stop(BaseException):
    """Ends a forward at the last layer asked for; no Exception, so that no model takes it for an
    error of its own."""


class SharingBroken(BaseException):
    """Two layers that read one tensor at their first call turn out to read different ones later."""


@dataclass(frozen=True)
class Widths:
    """Which inputs are stored whole, and which as a sketch for `axes` axes."""

    axes: int | None
    sketch_above: int
    largest: int  # that is stored whole

    def columns(self, width: int) -> int | None:
        """Of the sketch of an input of this width; None for all of it, also where a sketch would be
        no smaller.

        Raises ValueError for an input too wide to be stored whole.
        """
        if self.axes is not None and width > max(self.sketch_above, 2 * columns(self.axes)):
            return columns(self.axes)
        if width > self.largest:
            raise ValueError(
                f"its input is {width} wide, above max_width = {self.largest}; the second moment "
                f"would take {8 * width**2 / 2**20:.0f} MiB: say how many axes will be asked for "
                "(axes=...), so that a sketch will do, raise max_width, or leave the layer out"
            )
        return None


class Recorder:
    """Sums over the calls of some layers, in `parts` parts to which whole batches go in turn: of
    the `wanted` of "inputs", "G" and "Q".

    Two layers share an accumulator when each of their calls reads the same tensor: same memory,
    shape, strides and version within one forward. That is found on the first batch, whose inputs
    are kept alive so that no address is used twice, and checked on every later one.
    """

    def __init__(
        self, modules: dict[str, nn.Module], wanted: Collection[str], widths: Widths, parts: int = 1
    ) -> None:
        self.modules, self.wanted, self.widths, self.parts = modules, wanted, widths, parts
        self.gradient = "G" in wanted or "Q" in wanted
        self.alone: set[str] = set()  # layers that share with none
        self.calls_of_first: dict[str, int] | None = None
        self._clear()

    def _clear(self) -> None:
        # of every layer that ran, the one whose accumulator it uses
        self.owner: dict[str, str] = {}
        self.moments: list[dict[str, Moments]] = [{} for _ in range(self.parts)]
        self.frames: dict[str, Frame] = {}  # which the parts share
        self.gradients: dict[str, GradientMoments] = {}
        self.width: dict[tuple[str, str], int] = {}  # of each layer's input and output

    @property
    def tokens(self) -> int:
        return max((sum(sums.tokens for sums in self.of(name)) for name in self.owner), default=0)

    def of(self, owner: str) -> list[Moments]:
        """The sums of the parts in which some token counts."""
        return [part[owner] for part in self.moments if owner in part and part[owner].count]

    def take(self, owner: str) -> Moments:
        """The sum of all parts, which are released."""
        total, *others = self.of(owner)
        for other in others:
            total.absorb(other)
        for part in self.moments:
            part.pop(owner, None)
        return total

    def begin(self, mask: Tensor | None, weights: Tensor | None, part: int) -> None:
        """Before each forward: which of the (batch, tokens) count, how much each weighs, and what
        it is added to."""
        if self.calls_of_first is None:
            self._clear()
        self.mask, self.weights, self.part = mask, weights, part
        self.weighed = False  # some layer's rows are the tokens of the weights
        # what each layer has read in this forward, call by call
        self.read: dict[str, list[tuple]] = {}
        self.calls = 0
        self.rows: dict[str, int] = {}
        self.first_reader: dict[tuple, str] = {}
        self.alive: list[Tensor] = []

    def end(self) -> None:
        """After each forward."""
        for name, owner in self.owner.items():
            if len(self.read.get(name, ())) != len(self.read.get(owner, ())):
                self._diverged(name)
        if self.calls_of_first is None:
            self.calls_of_first = {name: len(calls) for name, calls in self.read.items()}
        self.alive.clear()

    def hook(self, name: str, module: nn.Module) -> Iterator[RemovableHandle]:
        def before(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
            self._see(name, self._checked(name, "input", _first(args, kwargs)))

        def after(_: nn.Module, args: tuple, kwargs: dict[str, Any], output: Tensor) -> Tensor:
            return self._tap(name, _first(args, kwargs), self._checked(name, "output", output))

        yield module.register_forward_pre_hook(before, with_kwargs=True)
        if self.gradient:
            yield module.register_forward_hook(after, with_kwargs=True)

    def _see(self, name: str, x: Tensor) -> None:
        x = x.detach()
        key = (x.data_ptr(), x.shape, x.stride(), x.dtype, _version(x))
        calls = self.read.setdefault(name, [])
        calls.append(key)
        self.calls += 1
        if name not in self.owner:
            share = self.calls_of_first is None and name not in self.alone
            self.owner[name] = self.first_reader.setdefault(key, name) if share else name
        if self.calls_of_first is None:
            self.alive.append(x)
        owner = self.owner[name]
        if owner == name:
            self._add(name, x)
        elif len(self.read.get(owner, ())) < len(calls) or self.read[owner][len(calls) - 1] != key:
            self._diverged(name)
        if not self.gradient and self._all_seen():
            raise Stop

    def _add(self, name: str, x: Tensor) -> None:
        rows, weights = self._counted(x)
        self.rows[name] = self.rows.get(name, 0) + len(rows)
        sums = self.moments[self.part]
        try:
            if name not in sums:
                frame = self.frames.setdefault(name, Frame())
                sums[name] = Moments(x, self._squares("inputs", x, frame), frame)
            sums[name].add(rows, weights)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def _squares(self, what: str, x: Tensor, frame: Frame) -> Gram | Nystrom | None:
        return squares(x, self.widths.columns(x.shape[-1]), frame) if what in self.wanted else None

    def _tap(self, name: str, x: Tensor, output: Tensor) -> Tensor:
        """Have the gradient at the output summed when the backward comes by."""
        if output.shape[:-1].numel() != x.shape[:-1].numel():
            raise ValueError(
                f"{name}: its output must have a row for each of its input {tuple(x.shape)}, and "
                f"is {tuple(output.shape)}"
            )
        version = _version(x)
        x = x.detach()

        def absorb(g: Tensor) -> None:
            if _version(x) != version:
                raise ValueError(
                    f"{name}: its input is changed in place after it was read; gradients need it "
                    "whole"
                )
            (rows, weights), (gradients, _) = self._counted(x), self._counted(g)
            try:
                if name not in self.gradients:
                    self.gradients[name] = GradientMoments(
                        total_like(x, g.shape[-1], x.shape[-1]) if "G" in self.wanted else None,
                        self._squares("Q", x, Frame()),
                    )
                self.gradients[name].add(gradients, rows, weights, self.rows[self.owner[name]])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error

        # everything upstream is frozen; a clone, which the model may change in place
        if not output.requires_grad:
            output = output.detach().requires_grad_().clone()
        if not output.requires_grad:
            raise ValueError(
                f"{name}: it ran under torch.no_grad or torch.inference_mode, so the loss has no "
                "gradient there; compute the loss outside of both"
            )
        output.register_hook(absorb)
        return output

    def _checked(self, name: str, side: str, x: Any) -> Tensor:
        """An input or output of a layer, once it is clear that its rows can be summed."""
        if what := _unlike_rows(x):
            raise ValueError(
                f"{name}: its {side} must be a tensor (..., {side[:-3]}) of floating-point "
                f"numbers, and is {what}"
            )
        width, first = x.shape[-1], self.width.setdefault((name, side), x.shape[-1])
        if width != first:
            raise ValueError(
                f"{name}: its {side} was {first} wide at first and is {width} wide later, and "
                "rows of one width are needed"
            )
        return x

    def _counted(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The rows of x that count, and their weights where the rows are tokens."""
        rows, mask, weights = (
            x.reshape(-1, x.shape[-1]),
            _arranged(self.mask, x),
            _arranged(self.weights, x),
        )
        self.weighed |= weights is not None
        if mask is None:
            return rows, weights
        return rows[mask], None if weights is None else weights[mask]

    def before_head(self, *_: Any) -> None:
        """A hook of the layer that makes the logits: nothing after it is needed once every layer
        has run."""
        if not self.gradient and len(self.read) == len(self.modules):
            raise Stop

    def _all_seen(self) -> bool:
        known = self.calls_of_first
        # their number first: to compare them all at every call takes as long as a small layer
        if known is None or len(known) < len(self.modules) or self.calls < sum(known.values()):
            return False
        return all(len(self.read.get(name, ())) == calls for name, calls in known.items())

    def _diverged(self, name: str) -> None:
        if self.calls_of_first is None:
            self.alone.add(name)
            raise SharingBroken
        raise ValueError(
            f"{name}: it read the same tensor as {self.owner[name]} on the first batch, and "
            "another on a later one; collect the two in separate passes"
        )


def _first(args: tuple, kwargs: dict[str, Any]) -> Any:
    return next(iter((*args, *kwargs.values())), None)


def _unlike_rows(x: Any) -> str | None:
    """What x is, where no rows of numbers can be read from it."""
    if not isinstance(x, Tensor):
        return f"a {type(x).__name__}"
    if x.is_nested or x.layout != torch.strided:
        return "nested" if x.is_nested else f"of the layout {x.layout}"
    if not x.ndim:
        return "of shape ()"
    if not x.is_floating_point():
        return f"of {x.dtype}"
    return "on the meta device, without values" if x.is_meta else None


def _arranged(values: Tensor | None, x: Tensor) -> Tensor | None:
    """Values (batch, tokens), one for each row of x; None for an x whose rows are no tokens."""
    if values is None:
        return None
    if x.shape[:-1] in (values.shape, (values.numel(),)):
        return values.reshape(-1).to(x.device)
    if x.shape[:-1] == values.mT.shape:  # a model that puts tokens first
        return values.mT.reshape(-1).to(x.device)
    return None


def _version(x: Tensor) -> int:
    return 0 if torch.is_inference(x) else x._version

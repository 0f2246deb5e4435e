"""Parameterisations of the factors (B, A): what is trained, its initialization, and the gradient
through it.

Every method works on a batch of runs at once: a parameter of shape s is a tensor (runs, *s). The
backward pass is written by hand, into tensors that the engine owns, because a tape over thousands
of tiny runs costs more than the arithmetic. B is (rows, rank), A is (rank, columns), and B A = 0 at
every initialization.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from lora import SCHEMES
from theory.matfac import generator_network as theory

Params = dict[str, Tensor]
WIDTH = EMBEDDING = 32  # m and k of the generator network


class Sizes(NamedTuple):
    rows: int
    columns: int
    rank: int


class Method(Protocol):
    """`initialize` draws one run; `factors` maps a batch to (B, A) and what `backward` needs to
    remember.

    `backward` turns dL/dB and dL/dA into the gradient of every parameter, written into `out`.
    `alive` is the share of hidden units that pass a gradient, None for a method that has none.
    """

    def initialize(self, M: Tensor, rank: int, rng: Generator) -> Params: ...
    def factors(self, P: Params, sizes: Sizes) -> tuple[Tensor, Tensor, Any]: ...
    def backward(self, P: Params, memory: Any, gB: Tensor, gA: Tensor, out: Params) -> None: ...
    def alive(self, P: Params) -> Tensor | None: ...


@dataclass(frozen=True)
class Direct:
    """Plain LoRA: B and A are trained themselves. "matched" initializes A as large as the
    generator network's default does."""

    scale: Literal["plain", "matched"] = "plain"

    def initialize(self, M: Tensor, rank: int, rng: Generator) -> Params:
        B, A = SCHEMES["init_a"](M, rank, rng)
        gain = theory.scale_ratio(M.shape[1], WIDTH, EMBEDDING) if self.scale == "matched" else 1.0
        return {"A": gain * A, "B": B}

    def factors(self, P: Params, sizes: Sizes) -> tuple[Tensor, Tensor, Any]:
        return P["B"], P["A"], None

    def backward(self, P: Params, memory: Any, gB: Tensor, gA: Tensor, out: Params) -> None:
        out["B"].copy_(gB)
        out["A"].copy_(gA)

    def alive(self, P: Params) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Scaled:
    """ScaledGD: each factor's gradient is preconditioned by the inverse Gram matrix of the other.

    With the initialization "nystrom", A = 0 and the first step moves A alone, as the source has it
    (arXiv:2410.18965).
    """

    scheme: Literal["init_a", "nystrom"] = "init_a"

    def initialize(self, M: Tensor, rank: int, rng: Generator) -> Params:
        options: dict[str, Any] = {"side": "out"} if self.scheme == "nystrom" else {}
        B, A = SCHEMES[self.scheme](M, rank, rng, **options)
        return {"A": A, "B": B}

    def factors(self, P: Params, sizes: Sizes) -> tuple[Tensor, Tensor, Any]:
        return P["B"], P["A"], None

    def backward(self, P: Params, memory: Any, gB: Tensor, gA: Tensor, out: Params) -> None:
        B, A = P["B"], P["A"]
        out["B"].copy_(_over_gram(A @ A.mT, gB.mT).mT)
        out["A"].copy_(_over_gram(B.mT @ B, gA))

    def alive(self, P: Params) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Scalar:
    """theta = s u with s and u trained: a bare trainable learning rate, the generator network's
    simplest ablation."""

    def initialize(self, M: Tensor, rank: int, rng: Generator) -> Params:
        B, A = SCHEMES["init_a"](M, rank, rng)
        return {"A": A, "B": B, "s": M.new_ones(1, 1)}

    def factors(self, P: Params, sizes: Sizes) -> tuple[Tensor, Tensor, Any]:
        return P["s"] * P["B"], P["s"] * P["A"], None

    def backward(self, P: Params, memory: Any, gB: Tensor, gA: Tensor, out: Params) -> None:
        torch.mul(gB, P["s"], out=out["B"])
        torch.mul(gA, P["s"], out=out["A"])
        ds = (gB * P["B"]).sum((1, 2)) + (gA * P["A"]).sum((1, 2))
        out["s"].copy_(ds[:, None, None])

    def alive(self, P: Params) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Overparam:
    """OP-LoRA: theta = (A, B) = W2 f(W1 z + b1) + b2 (arXiv:2412.10362), one generator network and
    one z a run.

    Initializations: "bias" has W2 = 0 and b2 = LoRA's own, so that both methods begin at one point;
    "match" has torch's default W2 and b2, scaled to the variance of LoRA's A; "default" leaves the
    scale as it falls. The rows of B are always zero.
    """

    kind: Literal["bias", "match", "default"] = "bias"
    activation: Literal["relu", "linear"] = "relu"
    width: int = WIDTH
    embedding: int = EMBEDDING

    def initialize(self, M: Tensor, rank: int, rng: Generator) -> Params:
        (rows, columns), m, k = M.shape, self.width, self.embedding
        A = SCHEMES["init_a"](M, rank, rng).A  # drawn first: every method of a seed has the same A

        def uniform(*shape: int, fan_in: int) -> Tensor:
            return (2 * torch.rand(*shape, generator=rng, dtype=M.dtype) - 1) / math.sqrt(fan_in)

        z = torch.randn(k, generator=rng, dtype=M.dtype)
        W1, b1 = uniform(m, k, fan_in=k), uniform(m, fan_in=k)
        W2, b2 = uniform(A.numel(), m, fan_in=m), uniform(A.numel(), fan_in=m)
        if self.kind == "bias":
            W2, b2 = torch.zeros_like(W2), A.flatten()
        elif self.kind == "match":
            drawn = (W2 @ self._activate(W1 @ z + b1) + b2).std()
            gain = math.sqrt(theory.lora_variance(columns)) / drawn
            W2, b2 = gain * W2, gain * b2
        rest = M.new_zeros(rows * rank, m)
        return {
            "z": z,
            "W1": W1,
            "b1": b1,
            "W2": torch.cat([W2, rest]),
            "b2": torch.cat([b2, rest[:, 0]]),
        }

    def factors(self, P: Params, sizes: Sizes) -> tuple[Tensor, Tensor, Any]:
        # a row from the left: the same product with a column takes three times as long
        before = torch.baddbmm(P["b1"][:, None], P["z"][:, None], P["W1"].mT)
        h = self._activate(before)
        theta = torch.baddbmm(P["b2"][:, None], h, P["W2"].mT)[:, 0]
        rows, columns, rank = sizes
        split = rank * columns
        A = theta[:, :split].reshape(-1, rank, columns)
        return theta[:, split:].reshape(-1, rows, rank), A, (h[:, 0], before[:, 0])

    def backward(self, P: Params, memory: Any, gB: Tensor, gA: Tensor, out: Params) -> None:
        h, before = memory
        g = torch.cat([gA.flatten(1), gB.flatten(1)], 1, out=out["b2"])
        torch.mul(g[..., None], h[:, None], out=out["W2"])
        delta = torch.bmm(g[:, None], P["W2"])[:, 0]
        if self.activation == "relu":
            delta = delta * (before > 0)
        out["b1"].copy_(delta)
        torch.mul(delta[..., None], P["z"][:, None], out=out["W1"])
        out["z"].copy_(torch.bmm(delta[:, None], P["W1"])[:, 0])

    def alive(self, P: Params) -> Tensor | None:
        if self.activation == "linear":
            return None
        return (torch.einsum("gmk,gk->gm", P["W1"], P["z"]) + P["b1"] > 0).double().mean(1)

    def _activate(self, before: Tensor) -> Tensor:
        return before.relu() if self.activation == "relu" else before


def _over_gram(gram: Tensor, right: Tensor) -> Tensor:
    """(gram + damping)^-1 right; the damping is at rounding level, and its tiny part makes 0^-1 0
    equal 0."""
    numbers = torch.finfo(gram.dtype)
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    damping = 10 * numbers.eps * trace + numbers.tiny**0.5
    damped = gram + damping * torch.eye(gram.shape[-1], dtype=gram.dtype)
    return torch.linalg.solve_ex(damped, right).result  # unlike solve, lets a diverged run be NaN


METHODS: dict[str, Method] = {
    "direct": Direct(),
    "direct, large A": Direct("matched"),
    "ScaledGD": Scaled(),
    "Nyström + ScaledGD": Scaled("nystrom"),
    "scalar": Scalar(),
    "OP bias": Overparam("bias"),
    "OP default": Overparam("default"),
    "OP linear": Overparam("bias", "linear"),
}

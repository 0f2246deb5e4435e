"""A battery for initialisation schemes, ours or yours: `check_scheme(name_or_scheme)`.

    from lora import Factors, Scheme
    from lora.testing import Laws, check_scheme

    def columns(W, rank, rng, scale):
        return Factors(W[:, :rank].clone(), W.new_zeros(rank, W.shape[1]))

    check_scheme(Scheme(columns, "weight", "derived"), laws=Laws(zero_product=True, weight=(1, 0)))

Every scheme is held to the contract: a deterministic function of its arguments and its own generator, which changes
none of them, gives finite factors of the right shape and type with no dead direction, and refuses bad input. What a
scheme claims beyond that is a row of `LAWS`, or handed over. A broken law is an AssertionError of one sentence.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Generator, Tensor

from lora.laws import LAWS, Laws
from lora.schemes import SCHEMES, Factors, Scheme
from lora.statistics import Statistics

__all__ = ["LAWS", "Laws", "check_scheme", "sample"]

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# Laws are checked in float64 on matrices whose singular values are spread evenly: rounding reaches some 1e-13 of the
# factors there, while a broken law is off by parts of 1.
TOLERANCE = 1e-9


def check_scheme(
    scheme: str | Scheme,
    *,
    laws: Laws | None = None,
    shape: tuple[int, int] = (24, 16),
    rank: int = 4,
    **options: Any,
) -> None:
    """Hold a row of `SCHEMES`, or any other scheme, to the contract and to its laws.

    `laws` defaults to the scheme's row of `LAWS` where it is named and has its default options, and to none
    otherwise. Weights are (out, in) = `shape`, and its transpose. Raises AssertionError naming the law that fails.
    """
    if isinstance(scheme, str) and laws is None and not options:
        laws = LAWS.get(scheme)
    row = SCHEMES[scheme] if isinstance(scheme, str) else scheme
    for each in dict.fromkeys((shape, (shape[1], shape[0]))):
        battery = _Battery(scheme if isinstance(scheme, str) else row.rule.__name__, row, rank, options, *sample(each))
        battery.contract()
        if laws:
            battery.declared(laws)


def sample(shape: tuple[int, int], seed: int = 0) -> tuple[Tensor, Statistics]:
    """A weight (out, in) and consistent statistics in float64, W and G with evenly spread singular values.

    The tokens are x = M^1/2 z with E[z z^T] = I exactly, and g = G M^-1 x, so that E[g x^T] = G.
    """
    out, in_ = shape
    rng = Generator().manual_seed(seed)
    normal = lambda *size: torch.randn(*size, generator=rng, dtype=torch.float64)
    spread = lambda k: torch.linspace(1, 1 / k, k, dtype=torch.float64)
    k, tokens = min(shape), 4 * max(shape)
    frames = [torch.linalg.qr(normal(size, k)).Q for size in (out, in_, out, in_)]
    W, G = ((U * spread(k)) @ V.mT for U, V in (frames[:2], frames[2:]))
    V = torch.linalg.qr(normal(in_, in_)).Q
    root = (V * (1 + spread(in_))) @ V.mT
    x = tokens**0.5 * torch.linalg.qr(normal(tokens, in_)).Q @ root
    M = root @ root
    g = x @ torch.linalg.solve(M, G.mT)
    Q = (x * g.square().sum(dim=1, keepdim=True)).mT @ x / tokens
    return W, Statistics(float(tokens), x.mean(dim=0), M, G, Q)


@dataclass(frozen=True)
class _Battery:
    name: str
    scheme: Scheme
    rank: int
    options: dict[str, Any]
    W: Tensor
    stats: Statistics

    def start(self, W: Tensor | None = None, stats: Statistics | None = None, scale: float = 1.0) -> Factors:
        rng = Generator().manual_seed(7)
        W = self.W if W is None else W
        return self.scheme(W, self.rank, rng, stats or self.stats, scale, **self.options)

    def law(self, holds: bool | Tensor, sentence: str) -> None:
        if not bool(holds):
            raise AssertionError(f"{self.name} at W {tuple(self.W.shape)}, rank {self.rank}: {sentence}")

    def contract(self) -> None:
        out, in_ = self.W.shape
        for dtype in DTYPES:
            try:
                B, A = self.start(self.W.to(dtype))
            except RuntimeError as error:
                raise AssertionError(f"{self.name} fails on a weight in {dtype}: {error}") from error
            for factor, F, size in (("B", B, (out, self.rank)), ("A", A, (self.rank, in_))):
                self.law(F.shape == size, f"{factor} must have shape {size}, got {tuple(F.shape)}")
                self.law(F.dtype == dtype, f"{factor} must have W's type {dtype}, got {F.dtype}")
                self.law(F.isfinite().all(), f"{factor} is not finite in {dtype}")
            self.law((B.norm(dim=0) + A.norm(dim=1) > 0).all(), f"a direction is dead, B_i = A_i = 0, in {dtype}")
        self.pure()
        self.repeatable()
        if self.scheme.needs == "nothing":
            self.law(_same(self.start(), self.start(self.W + 1)), "depends on W, but is declared to need nothing")
        if self.scheme.needs == "inputs":
            self.start(stats=replace(self.stats, gradient=None, weighted_second_moment=None))
        self.degenerate()
        self.refusals()

    def pure(self) -> None:
        seen = [self.W, *_tensors(self.stats).values()]
        before = [tensor.clone() for tensor in seen]
        factors = self.start()
        self.law(_same(seen, before), "changes the weight or the statistics that it is shown")
        shared = {tensor.untyped_storage().data_ptr() for tensor in seen}
        self.law(
            not shared & {factor.untyped_storage().data_ptr() for factor in factors},
            "a factor shares memory with the weight or the statistics, so training it would change them",
        )

    def repeatable(self) -> None:
        found = []
        with torch.random.fork_rng(devices=[]):
            for seed in (1, 1, 2):
                torch.manual_seed(seed)
                before = torch.get_rng_state()
                found.append(self.start())
                self.law(torch.equal(before, torch.get_rng_state()), "draws from the global generator")
        self.law(_same(found[0], found[1]), "two calls with equal arguments differ")
        self.law(_same(found[0], found[2]), "depends on the global generator")

    def degenerate(self) -> None:
        """Weights and statistics that vanish or have rank 1: refused by a ValueError, or a start that can train."""
        W, parts = self.W, _tensors(self.stats)
        thin = lambda F: torch.outer(F[:, 0], F[0]) if F.ndim == 2 else F
        for what, change in (("zero", torch.zeros_like), ("of rank 1", thin)):
            poor = replace(self.stats, **{key: change(value) for key, value in parts.items()})
            for where, weight, stats in (("weight", change(W), self.stats), ("statistics", W, poor)):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # to say what is lacking is as it should be
                    try:
                        B, A = self.start(weight, stats)
                    except ValueError:
                        continue
                alive = (B.norm(dim=0) + A.norm(dim=1) > 0) & (B.isfinite().all() & A.isfinite().all())
                self.law(alive.all(), f"{where} {what}: a direction is dead (B_i = A_i = 0) or not finite")

    def refusals(self) -> None:
        nan = torch.full_like(self.W, torch.nan)
        self.refuses("a rank of 0", lambda: self.scheme(self.W, 0, stats=self.stats, **self.options))
        for rank in (min(self.W.shape) + 1, True):
            self.refuses(f"rank {rank}", lambda r=rank: self.scheme(self.W, r, stats=self.stats, **self.options))
        for scale in (0.0, -1.0, float("nan")):
            self.refuses(f"scale {scale}", lambda s=scale: self.start(scale=s))
        self.refuses("a vector for W", lambda: self.start(self.W[0]))
        if self.scheme.needs != "nothing":
            self.refuses("a weight that is NaN", lambda: self.start(nan))
        if self.scheme.needs in ("inputs", "gradient"):
            self.refuses("missing statistics", lambda: self.scheme(self.W, self.rank, **self.options))
            parts = {name: value * torch.nan for name, value in _tensors(self.stats).items()}
            self.refuses("statistics that are NaN", lambda: self.start(stats=replace(self.stats, **parts)))

    def refuses(self, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except ValueError:
            return
        except Exception as error:
            raise AssertionError(f"{self.name} must refuse {what} with a ValueError, but fails: {error!r}") from error
        self.law(False, f"must refuse {what} with a ValueError, but accepts it")

    def declared(self, laws: Laws) -> None:
        s = 2.0
        B, A = self.start(scale=s)
        size = B.norm() * A.norm()
        for name, F, gram in (("B", B, B.mT @ B), ("A", A, A @ A.mT)):
            if laws.full_rank and F.any():
                self.law(_rank(F) == self.rank, f"{name} must have full rank, got {_rank(F)}")
            if name in laws.orthonormal:
                even = gram.trace() / self.rank * torch.eye(self.rank, dtype=F.dtype)
                self.law(even.any() and _close(gram, even), f"{name} is not orthonormal up to its length")
        if laws.zero_product:
            self.law((B @ A).norm() <= TOLERANCE * size, "B A is not zero")
        if laws.balanced:
            self.law(_close(B.mT @ B, A @ A.mT), "B^T B and A A^T differ")
        if laws.best:
            least = torch.linalg.svdvals(self.W)[self.rank :].norm()
            found = torch.linalg.matrix_norm(self.W - s * B @ A)
            right = (found - least).abs() <= TOLERANCE * self.W.norm()
            self.law(right, f"misses W by {found:.6g}, the best rank-r approximation by {least:.6g}")
        self.exponents(laws)
        for sides in {"both": ("left", "right"), "left": ("left",), "": ()}[laws.rotations]:
            self.rotates(sides)

    def exponents(self, laws: Laws) -> None:
        c, S, F = 4.0, self.stats, self.start()
        assert S.gradient is not None
        assert S.weighted_second_moment is not None
        louder = replace(S, gradient=c * S.gradient, weighted_second_moment=c**2 * S.weighted_second_moment)
        for what, exponents, found in (
            ("W", laws.weight, lambda: self.start(c * self.W)),
            ("G", laws.gradient, lambda: self.start(stats=louder)),
            ("s", laws.scale, lambda: self.start(scale=c)),
        ):
            for name, before, after, p in zip("BA", F, found(), exponents or (), strict=False):
                right = _close(after, c**p * before)
                self.law(right, f"{what} -> c {what} does not take {name} to c^{p:g} {name}")

    def rotates(self, side: str) -> None:
        rng = Generator().manual_seed(11)
        turn = lambda n: torch.linalg.qr(torch.randn(n, n, generator=rng, dtype=torch.float64)).Q
        (out, in_), S = self.W.shape, self.stats
        L = turn(out) if side == "left" else torch.eye(out, dtype=torch.float64)
        R = turn(in_) if side == "right" else torch.eye(in_, dtype=torch.float64)
        assert S.gradient is not None
        assert S.weighted_second_moment is not None
        turned = Statistics(
            S.count,
            R @ S.mean,
            R @ S.second_moment @ R.mT,
            L @ S.gradient @ R.mT,
            R @ S.weighted_second_moment @ R.mT,
        )
        (B, A), (B2, A2) = self.start(), self.start(L @ self.W @ R.mT, turned)
        self.law(_close(B2 @ B2.mT, L @ B @ B.mT @ L.mT), f"B does not follow a rotation on the {side}")
        self.law(_close(A2.mT @ A2, R @ A.mT @ A @ R.mT), f"A does not follow a rotation on the {side}")


def _tensors(stats: Statistics) -> dict[str, Tensor]:
    return {f.name: value for f in fields(stats) if isinstance(value := getattr(stats, f.name), Tensor)}


def _same(first: Any, second: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _close(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).norm() <= TOLERANCE * wanted.norm())


def _rank(F: Tensor) -> int:
    return int(torch.linalg.matrix_rank(F))

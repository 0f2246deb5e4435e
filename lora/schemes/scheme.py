"""What a scheme is: a rule for the initial factors, what the rule needs, and its source."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from lora.finite import bad_entries
from lora.schemes import options as of_rules
from lora.statistics import Statistics

Need = Literal["nothing", "weight", "inputs", "gradient"]
NEEDS = get_args(Need)


class Factors(NamedTuple):
    """B is (out, r) and A is (r, in), in the paper's order of the product B A."""

    B: Float[Tensor, "out r"]
    A: Float[Tensor, "r in"]

    def frozen(self) -> "Factors | None":
        """The pair (B0, A0) that a layer with these initial factors carries: they themselves, or
        None where a factor is zero."""
        return self if self.B.any() and self.A.any() else None


@dataclass(frozen=True)
class Scheme:
    """A row of `SCHEMES`: the rule, what it needs, and where it comes from.

    Args:
        rule: rule(W, rank, rng, scale, **options), with `stats` among the options where it needs
            inputs or gradients.
        needs: "nothing" (only the shape of W), "weight", "inputs" or "gradient".
        reads: which of the gradient's statistics the rule reads, "G" or "Q", where it is not all.
        source: an arXiv id or "derived".
        pairs: how many singular pairs of the layer each rank takes: pairs * r <= min(out, in).
        zero_product: whether one factor is zero, so that B A = 0 and no frozen pair is needed.
        sharing: the options of rank sharing (`lora.ranks`), which the rule never gets.
    """

    rule: Callable[..., Factors]
    needs: Need
    source: str
    zero_product: bool = False
    pairs: int = 1
    sharing: tuple[str, ...] = ()
    reads: Literal["G", "Q"] | None = None

    def __post_init__(self) -> None:
        if self.needs not in NEEDS:
            raise ValueError(f"needs must be one of {', '.join(NEEDS)}, got {self.needs!r}")

    @property
    def need(self) -> str:
        """The `need` with which `lora.collect` gathers what it reads, and no more."""
        return self.reads or self.needs

    @property
    def needs_data(self) -> bool:
        """Whether it needs the statistics of probe batches."""
        return self.needs in ("inputs", "gradient")

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError for an option that the rule does not have, or a value that it cannot
        take. The options of rank sharing may stand among them."""
        of_rules.check(self.rule, options, self.sharing)

    def has_option(self, name: str) -> bool:
        """Whether `check_options` knows an option of this name."""
        return of_rules.has(self.rule, name, self.sharing)

    def check_rank(self, rank: int, shape: Sequence[int]) -> None:
        """Raise ValueError for a rank that a weight of this shape (out, in) cannot have."""
        most = min(shape)
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= most:
            raise ValueError(
                f"rank must be an integer from 1 to min(out, in) = {most}, got {rank!r}"
            )
        if self.pairs * rank > most:
            raise ValueError(
                f"{self.rule.__name__} takes {self.pairs} r singular pairs, so rank must be at "
                f"most min(out, in) / {self.pairs} = {most // self.pairs}, got {rank}"
            )

    def __call__(
        self,
        W: Tensor,
        rank: int,
        rng: Generator | None = None,
        stats: Statistics | None = None,
        scale: float = 1.0,
        **options: Any,
    ) -> Factors:
        """The factors for one weight, in its dtype and on its device.

        Half-precision weights are handled in float32 and the factors cast once at the end.

        Args:
            W: the frozen base weight, (out, in).
            rank: r of the factors.
            rng: seeded with 0 by default; its draws do not depend on W's device.
            stats: for the schemes that need inputs or gradients, and ignored by the others.
            scale: s of the update s B A.
            options: those of the rule.

        Raises: ValueError as `check_options` and `check_rank`, and for a scale that is not
            positive, a non-finite W, missing stats, or a rule that gives other shapes.
        """
        if W.ndim != 2:
            raise ValueError(f"W must be a matrix (out, in), got shape {tuple(W.shape)}")
        self.check_options(options)
        self.check_rank(rank, W.shape)
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be positive and finite, got {scale!r}")
        if self.needs != "nothing" and (bad := bad_entries(W.detach())):
            raise ValueError(f"W must be finite, got {bad} entries that are NaN or infinite")
        if self.needs_data:
            if stats is None:
                raise ValueError(
                    f"{self.rule.__name__} needs the statistics of the layer; pass stats, or "
                    "batches to attach"
                )
            options["stats"] = stats
        options = {key: value for key, value in options.items() if key not in self.sharing}
        rng = Generator().manual_seed(0) if rng is None else rng
        working = W.detach().to(torch.promote_types(W.dtype, torch.float32))
        B, A = _revived(*self._factors(working, rank, rng, scale, options), rng)
        return Factors(B.to(W.dtype), A.to(W.dtype))

    def _factors(
        self, W: Tensor, rank: int, rng: Generator, scale: float, options: dict[str, Any]
    ) -> Factors:
        """What the rule gives. Raises ValueError where it is no pair of factors of this rank."""
        made, (out, in_) = self.rule(W, rank, rng, scale, **options), W.shape
        if not isinstance(made, tuple) or len(made) != 2:
            raise ValueError(f"{self.rule.__name__} must give Factors(B, A), got {made!r:.60}")
        for name, F, shape in zip("BA", made, ((out, rank), (rank, in_)), strict=True):
            if F.shape != shape:
                raise ValueError(
                    f"{self.rule.__name__}: {name} must have shape {shape}, got {tuple(F.shape)}"
                )
        return Factors(*made)


def normal(W: Tensor, *shape: int, rng: Generator) -> Tensor:
    return torch.randn(*shape, generator=rng, dtype=W.dtype, device=rng.device).to(W.device)


def uniform(W: Tensor, *shape: int, bound: float, rng: Generator) -> Tensor:
    unit = torch.rand(*shape, generator=rng, dtype=W.dtype, device=rng.device).to(W.device)
    return (2 * unit - 1) * bound


def orthonormal(W: Tensor, rows: int, columns: int, rng: Generator) -> Tensor:
    """Orthonormal columns, Haar-distributed, in the dtype and on the device of W."""
    Q, R = torch.linalg.qr(normal(W, rows, columns, rng=rng))
    # the sign fix makes the QR of a Gaussian Haar-distributed
    return Q * torch.where(R.diagonal() < 0, -1, 1)


def _revived(B: Tensor, A: Tensor, rng: Generator) -> Factors:
    """The factors, with every dead direction drawn at random in A as by `init_a`.

    Where a column of B and its row of A both vanish (a rank-deficient W) neither would ever receive
    a gradient.
    """
    dead = (B.norm(dim=0) + A.norm(dim=1)) == 0
    if not dead.any():
        return Factors(B, A)
    warnings.warn(
        f"{int(dead.sum())} of the {len(dead)} directions asked for vanish in this weight; they "
        "are initialized at random",
        stacklevel=3,
    )
    drawn = uniform(A, *A.shape, bound=A.shape[1] ** -0.5, rng=rng)
    return Factors(B, torch.where(dead[:, None], drawn, A))

"""Every initialization scheme as exponents of the width n and the rank r.

They are read off the scheme's definition in the model of theory.lr_stability.stability: a square
layer, W with independent entries of variance 1/n, inputs x with entries Theta(1), a fixed number of
tokens, at least 2 r in general position. Singular values of such a W are Theta(1), the smallest r
of them Theta(1/n); the inputs' second moment has a fixed number of eigenvalues of order n, along
the tokens. Unit vectors have entries n^(-1/2). For B the question is whether it is aligned with the
gradient dZ that reaches the layer's output, for A whether with x.
"""

from dataclasses import dataclass
from fractions import Fraction

from theory.lr_stability.orders import ALIGNED, HALF, INDEPENDENT, ZERO, Order, power


@dataclass(frozen=True)
class Initialization:
    """Orders of the entries of A_0 (r, n) and B_0 (n, r), and how they contract with x and dZ.

    `rank_known` is False where the powers of r follow the spectrum of W or of the data, or where
    both factors start with signs of their own, so that the sum over r is aligned only later. `why`
    says in words where the exponents come from.
    """

    A: Order
    B: Order
    A_tag: Fraction = INDEPENDENT
    B_tag: Fraction = INDEPENDENT
    rank_known: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        if not (self.A or self.B):
            raise ValueError(
                "at least one factor must start away from zero: with both at zero no gradient "
                "reaches either"
            )


def random_A(a: Fraction | int, rank: int = 0, why: str = "") -> Initialization:
    """B_0 = 0 and A_0 with independent entries n^a r^rank."""
    return Initialization(power(a, rank), ZERO, rank_known=True, why=why)


def data_A(a: Fraction | int, why: str) -> Initialization:
    """B_0 = 0 and the rows of A_0 along the data, with entries n^a."""
    return Initialization(power(a), ZERO, ALIGNED, why=why)


def both(a: Fraction | int, b: Fraction | int, why: str) -> Initialization:
    """Neither factor zero, and neither along the data."""
    return Initialization(power(a), power(b), why=why)


_UNIT = "orthonormal rows along the data"
_SMALL = "singular vectors of entries n^(-1/2) times the roots of singular values of order 1/n"

# One row for every scheme of the adapter library, at its default options.
INITIALIZATIONS = {
    "init_a": random_A(-HALF, why="variance 1/(3 n)"),
    "init_b": Initialization(ZERO, power(0, -HALF), rank_known=True, why="variance 1/(3 r)"),
    "gaussian": random_A(0, -1, "variance 1/r^2, whatever the width"),
    "orthogonal": random_A(-HALF, why="orthonormal rows of uniform direction"),
    "pissa": both(
        -HALF,
        -HALF,
        "singular vectors times the roots of singular values of order 1, W blind to the data",
    ),
    "milora": both(-1, -1, _SMALL),
    "olora": both(-HALF, -HALF, "orthonormal B, and A = B^T W"),
    "mica": Initialization(ZERO, power(-HALF), why="orthonormal columns"),
    "nystrom": Initialization(
        power(0), ZERO, why="a standard normal sketch of W: sums of n terms of order n^(-1/2)"
    ),
    "eva": data_A(-HALF, _UNIT),
    "corda": Initialization(
        power(-1),
        power(0),
        ALIGNED,
        why="W P has singular values of order n along the data: B takes their root, A = root V^T "
        "P^-1 the rest",
    ),
    "lora_ga": Initialization(
        power(-HALF / 2),
        power(-HALF / 2),
        ALIGNED,
        ALIGNED,
        why="singular vectors of the gradient times out^(1/4)",
    ),
    "lora_one": Initialization(
        power(-HALF), power(-HALF), ALIGNED, ALIGNED, why="singular vectors of the gradient"
    ),
    "nystrom_grad": data_A(
        -HALF, "rows of unit mean square length in the gradient's row space, that of the data"
    ),
    "gradient_signal": data_A(-HALF, _UNIT),
    "tsd_init": both(
        -1, -1, "the largest change rates divide by singular values, so the smallest win; " + _SMALL
    ),
}

# Initializations by other options, or of the literature, that are not rows of the library's table.
OTHERS = {
    "nystrom_out": Initialization(
        ZERO, power(0), why="nystrom with side = out: a standard normal sketch of W"
    ),
    "eva_whitened": data_A(
        -1, "eva with whiten: rows along the data over the roots of eigenvalues of order n"
    ),
    "pissa_aligned": Initialization(
        power(-HALF), power(-HALF), ALIGNED, why="pissa of a W whose row space is the data's"
    ),
    "init_ab": both(-HALF, -HALF, "both factors of variance 1/n"),
}


def initialization_of(scheme: str | Initialization) -> Initialization:
    """The exponents of a scheme by its name; ValueError for an unknown one."""
    if isinstance(scheme, Initialization):
        return scheme
    known = INITIALIZATIONS | OTHERS
    if scheme not in known:
        raise ValueError(f"no exponents for the scheme {scheme!r}; known are {', '.join(known)}")
    return known[scheme]


def check_rank(scheme: str | Initialization) -> None:
    """Raises ValueError for an initialization whose dependence on the rank is not a power."""
    if not initialization_of(scheme).rank_known:
        raise ValueError(
            f"the orders from {scheme!r} are no powers of the rank: they follow W, the data or "
            "the signs of two factors"
        )

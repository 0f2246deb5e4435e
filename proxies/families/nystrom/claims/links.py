"""What the claims of this family point to and share: source, theory, tests, trials, problems and
units."""

from loralab.claims import Within

ACCURACY = 1e-12  # relative error at which a run counts as converged
PAPER = "2410.18965"
THEORY = "theory.nystrom"
TESTS = "tests/theory/nystrom"
TRIAL_TESTS = "tests/proxies/nystrom"
TRIALS = "proxies.families.nystrom.trials"
UNIT = "in units of eps cond(X_0)"
# Of theory.nystrom, to which a test holds them: sympy keeps a --help waiting.
SIX = 6  # asymmetric.scalar_steps(0.5, ACCURACY)
EXTRA = 3.858842150229474  # symmetric.extra_steps(ACCURACY)

SYMMETRIC = (
    "ScaledGD X+ = X - eta (X X^T - A) X (X^T X)^+, X (X^T X)^+ the transposed pseudo-inverse of X "
    "by its SVD, cut at the rank of A (an inverse of X^T X would lose what float64 has), from X_0 "
    "= A Omega with Omega standard normal and as many columns as that rank; A = Q diag(L) Q^T "
    "of 60 rows and rank 6, Q uniform among orthonormal matrices, L geometric from 1 to 1/cond; "
    "relative errors |X X^T - A|/|A|; float64"
)
ASYMMETRIC = (
    "ScaledGD with D = X Y^T - A: X+ = X - eta D Y (Y^T Y)^+ and Y+ = Y - eta D^T X (X^T X)^+, "
    "both from the old values, pseudo-inverses by SVD as in X (X^T X)^+ = (X^+)^T and cut at the "
    "rank of A, from X_0 = A Omega with Omega "
    "standard normal and Y_0 = 0, the first step moving Y alone; A = U diag(S) V^T, 60 x 50 of "
    "rank 6, U and V uniform among orthonormal matrices, S geometric from 1 to 1/cond; relative "
    "errors |X Y^T - A|/|A|; float64"
)
CONDITIONED = "cond = 10, 1e2, ..., 1e6"


def rounding(worst: float) -> Within:
    """The bar of an identity in units of rounding: ten times the worst deviation seen at seeds 0 to
    99 (N1: 0 to 19, N11c: 0 to 39), which leaves room for the heavy tail of a Gaussian's condition
    number."""
    return Within(high=10 * worst)


def close(value: float, worst: float) -> Within:
    """The same for a quantity that must be `value`."""
    return Within(value - 10 * worst, value + 10 * worst)

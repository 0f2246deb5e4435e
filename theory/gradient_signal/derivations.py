"""Derivations of the gradient-signal laws by sympy: each starts from the definition, none from its
result.

Sizes are 2 and entries free symbols: every law is a polynomial identity in them, of which a proof
at this size shows every kind of term. Each function names the equation that it derives, such as
"batch (1)" for theory.gradient_signal.batch (1).
"""

import itertools
from typing import Any

import sympy as sp

Matrix = Any  # sympy's matrices and scalars, which its annotations do not tell apart


def _matrix(name: str, rows: int = 2, columns: int = 2) -> Matrix:
    return sp.Matrix(rows, columns, lambda i, j: sp.Symbol(f"{name}{i}{j}", real=True))


def gradients() -> tuple[Matrix, Matrix, dict[str, Matrix]]:
    """optimum (1): dL/dB and dL/dA at B = 0 by differentiating L = g . (s B A x), and the symbols
    in them."""
    B, A, g, x = _matrix("B"), _matrix("A"), _matrix("g", 2, 1), _matrix("x", 2, 1)
    s = sp.Symbol("s", positive=True)
    loss = (g.T * (s * B * A * x))[0]
    zero = dict.fromkeys(B, 0)
    return (
        sp.diff(loss, B).subs(zero),
        sp.diff(loss, A).subs(zero),
        {"A": A, "g": g, "x": x, "s": s},
    )


def batch_square(batch: int) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """batch (1): E of the square of a mean of `batch` draws, by enumeration; and E of the square,
    and the mean.

    One entry of g x^T A^T, which takes the value u with probability p and v otherwise.
    """
    p, u, v = sp.symbols("p u v", real=True)
    law = ((p, u), (1 - p, v))
    outcomes = itertools.product(law, repeat=batch)
    square: Any = sum(
        sp.prod([weight for weight, _ in draws])
        * (sum(value for _, value in draws) / sp.Integer(batch)) ** 2
        for draws in outcomes
    )
    return sp.expand(square), p * u**2 + (1 - p) * v**2, p * u + (1 - p) * v


def _gaussian_mean(expression: Any, variances: dict[sp.Symbol, Any]) -> sp.Expr:
    """E of a polynomial in independent centred normals: E z^(2m) = (2m - 1)!! var^m."""
    symbols = list(variances)
    total: Any = 0
    for powers, coefficient in sp.Poly(expression, *symbols).terms():
        if all(power % 2 == 0 for power in powers):
            each = zip(powers, variances.values(), strict=True)
            moments = [sp.factorial2(power - 1) * v ** (power // 2) for power, v in each]
            total += coefficient * sp.prod(moments)
    return sp.expand(total)


def regression_moments() -> tuple[Matrix, Matrix, dict[str, Any]]:
    """batch (2): Q and G by taking E of |D x + e|^2 x x^T and (D x + e) x^T entry by entry, S
    diagonal."""
    D, (x0, x1, e0, e1) = _matrix("D"), sp.symbols("x0 x1 e0 e1", real=True)
    s0, s1, noise = sp.symbols("s0 s1 sigma2", positive=True)
    x, variances = sp.Matrix([x0, x1]), {x0: s0, x1: s1, e0: noise, e1: noise}
    g = D * x + sp.Matrix([e0, e1])
    square = (g.T * g)[0]
    mean = lambda matrix: matrix.applyfunc(lambda entry: _gaussian_mean(entry, variances))
    return mean(square * x * x.T), mean(g * x.T), {"S": sp.diag(s0, s1), "D": D, "noise": noise}


def flip() -> sp.Expr:
    """batch (3): where the diagonal entries of M_n agree for S = diag(2, 1), K = diag(1/10, 1), k
    s2 = 4."""
    n = sp.Symbol("n", positive=True)
    S, K = sp.diag(2, 1), sp.diag(sp.Rational(1, 10), 1)
    c = (K * S).trace() + 4
    M = (c * S + 2 * S * K * S) / n + (1 - 1 / n) * S * K * S
    (solution,) = sp.solve(M[0, 0] - M[1, 1], n)
    return solution


def tail_moments() -> tuple[Any, Any, sp.Symbol]:
    """batch (4): P(|z| > c) and E[z^2 1{|z| > c}] by integrating the density."""
    z, c = sp.symbols("z c", positive=True)
    density = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    both = lambda power: sp.simplify(2 * sp.integrate(z**power * density, (z, c, sp.oo)))
    return both(0), both(2), c


def default_moments() -> tuple[sp.Expr, sp.Expr]:
    """optimum (6): variance and excess kurtosis of U(-1/sqrt(d), 1/sqrt(d))."""
    a, d = sp.symbols("a d", positive=True)
    bound = 1 / sp.sqrt(d)
    moment = lambda power: sp.integrate(a**power / (2 * bound), (a, -bound, bound))
    return sp.simplify(moment(2)), sp.simplify(moment(4) / moment(2) ** 2 - 3)


def default_variance() -> tuple[sp.Expr, Matrix, sp.Symbol]:
    """optimum (6): Var(a^T S a) for one row a of independent entries with variance v and excess
    kurtosis -6/5."""
    a0, a1, v = sp.symbols("a0 a1 v", positive=True)
    S = sp.Matrix(2, 2, lambda i, j: sp.Symbol(f"S{min(i, j)}{max(i, j)}", real=True))
    a = sp.Matrix([a0, a1])
    form = sp.expand((a.T * S * a)[0])
    moments = {0: 1, 1: 0, 2: v, 3: 0, 4: sp.Rational(9, 5) * v**2}  # 3 - 6/5

    def mean(expression: Any) -> Any:
        terms = sp.Poly(expression, a0, a1).terms()
        return sum(coefficient * moments[i] * moments[j] for (i, j), coefficient in terms)

    return sp.expand(mean(sp.expand(form**2)) - mean(form) ** 2), S, v


def best_frozen_b() -> tuple[sp.Expr, sp.Expr]:
    """risk (1): the minimum over b of E(D x - b A x)^2 for one output and r = 1, and Tr(D R
    D^T)."""
    D, A, b = _matrix("D", 1, 2), _matrix("A", 1, 2), sp.Symbol("b")
    M = sp.Matrix(2, 2, lambda i, j: sp.Symbol(f"M{min(i, j)}{max(i, j)}", real=True))
    risk = ((D - b * A) * M * (D - b * A).T)[0]
    (minimiser,) = sp.solve(sp.diff(risk, b), b)
    R = M - M * A.T * (A * M * A.T).inv() * A * M
    return sp.simplify(risk.subs(b, minimiser)), sp.simplify((D * R * D.T)[0])

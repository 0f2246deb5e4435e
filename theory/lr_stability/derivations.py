"""Derivations of theory.lr_stability by sympy: each starts from the update rule and none from the
max-plus algebra.

Every quantity is one positive monomial n^e with a symbolic exponent, which keeps all powers of n
and drops constants. A bare number such as (1) is an equation of theory.lr_stability.stability.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import sympy as sp

Expr = Any  # sympy's scalars, which its annotations do not tell apart
n = sp.Symbol("n", positive=True)
c, c_A, c_B = sp.symbols("c c_A c_B", real=True)
a, b, sigma, q = sp.symbols("a b sigma q", real=True)


def powers(polynomial: Expr) -> set[Expr]:
    """The exponents of n in a sum of monomials."""
    expanded = sp.powsimp(sp.expand(polynomial))
    return {
        sp.expand(
            sp.simplify(sp.expand_log(sp.log(term.as_independent(n)[1]), force=True) / sp.log(n))
        )
        for term in sp.Add.make_args(expanded)
        if term != 0
    }


def sum_square(terms: int) -> tuple[Expr, Expr, Expr]:
    """theory.lr_stability.orders (2): E of the square of a sum of iid products, by enumeration;
    their mean, and mean square.

    The products take the value u with probability p and v otherwise.
    """
    p, u, v = sp.symbols("p u v", real=True)
    law = ((p, u), (1 - p, v))
    total: Expr = 0
    for draws in itertools.product(law, repeat=terms):
        total += sp.prod([weight for weight, _ in draws]) * sum(value for _, value in draws) ** 2
    return sp.expand(total), p * u + (1 - p) * v, p * u**2 + (1 - p) * v**2


def gradients() -> tuple[Expr, Expr]:
    """SGD's update rule: dL/dB - s dZ (A x)^T, and (dL/dA) x - s B^T dZ |x|^2, for L = dZ . s B A
    x; both zero."""
    B, A = (sp.Matrix(2, 2, sp.symbols(f"{name}:4", real=True)) for name in "BA")
    dZ, x = (sp.Matrix(sp.symbols(f"{name}:2", real=True)) for name in ("g", "x"))
    s = sp.Symbol("s", positive=True)
    loss = (dZ.T * (s * B * A * x))[0]
    to_B, to_A = sp.diff(loss, B), sp.diff(loss, A)
    return sp.expand(to_B - s * dZ * (A * x).T), sp.expand(to_A * x - s * B.T * dZ * (x.T * x)[0])


def decomposition() -> Expr:
    """(1): what Z_B^t - Z_B^(t-1) differs from the sum of the three deltas by; zero."""
    B, A, dB, dA = (sp.Matrix(2, 2, sp.symbols(f"{name}:4")) for name in ("B", "A", "E", "D"))
    x, s = sp.Matrix(sp.symbols("x:2")), sp.Symbol("s")
    change = s * ((B + dB) * (A + dA) - B * A) * x
    return sp.expand(change - s * (B * dA + dB * A + dB * dA) * x)


def adam_output(B_0: Expr = n**b, Z_A0: Expr = n**a) -> set[Expr]:
    """(3): the exponents in s (B A - B_0 A_0) x after the moves (2)."""
    B, Z_A = B_0 + n**c_B, Z_A0 + n ** (c_A + 1)
    return powers(n**sigma * (B * Z_A - B_0 * Z_A0))


def largest_single_rate(exponents: set[Expr]) -> Expr:
    """The largest c = c_A = c_B at which none of these exponents is positive."""
    bounds = []
    for exponent in exponents:
        (bound,) = sp.solve(exponent.subs({c_A: c, c_B: c}), c)
        assert sp.diff(exponent.subs({c_A: c, c_B: c}), c) > 0  # so that <= 0 means c <= bound
        bounds.append(bound)
    return sp.Min(*bounds)


def init_a_rate() -> Expr:
    """The theorem of Init[A]: A_0 x = Theta(1), B_0 = 0, s = Theta(1)."""
    return largest_single_rate(
        {e.subs(sigma, 0) for e in adam_output(sp.Integer(0), sp.Integer(1))}
    )


def init_b_rate() -> Expr:
    """The theorem of Init[B]: A_0 = 0, B_0 = Theta(1), s = Theta(1)."""
    return largest_single_rate(
        {e.subs(sigma, 0) for e in adam_output(sp.Integer(1), sp.Integer(0))}
    )


def efficient_pairs(B_0: Expr, Z_A0: Expr, features: str = "any") -> list[tuple[Expr, Expr, Expr]]:
    """(6): every (c_A, c_B) with delta1 = delta2 = Theta(1) and Z_B = O(1), and the condition on
    it, at s = Theta(1).

    Of Z_A it asks nothing ("any"), O(1) ("bounded") or Theta(1) ("unit"). By cases: some exponent
    of delta1 and some of delta2, and of Z_A for "unit", is 0, and no other is positive.
    """
    B, Z_A = B_0 + n**c_B, Z_A0 + n ** (c_A + 1)
    delta1, delta2, in_Z_A = powers(B * n ** (c_A + 1)), powers(n**c_B * Z_A), powers(Z_A)
    at_most_zero = delta1 | delta2 | {e.subs(sigma, 0) for e in adam_output(B_0, Z_A0)}
    at_most_zero |= in_Z_A if features != "any" else set()
    found: set[tuple[Expr, Expr, Expr]] = set()
    for case in itertools.product(
        delta1, delta2, in_Z_A if features == "unit" else [sp.Integer(0)]
    ):
        for solution in sp.solve(case, [c_A, c_B], dict=True):
            point = (c_A.subs(solution), c_B.subs(solution))
            free = sorted(point[0].free_symbols | point[1].free_symbols, key=str)
            conditions = [sp.Le(e.subs(solution), 0) for e in at_most_zero]
            condition = sp.reduce_inequalities(conditions, free) if free else sp.And(*conditions)
            if condition != sp.false:
                found.add((*point, condition))
    return sorted(found, key=str)


def sgd_step(D_B: Expr, Z_A: Expr, B_0: Expr = 0) -> tuple[Expr, Expr]:
    """One step of SGD on one aligned coordinate: what D_B and A x become, for x = Theta(1), dZ =
    n^q."""
    back = B_0 * n ** (q + sp.Rational(1, 2)) + D_B * n ** (q + 1)
    return D_B + n ** (c_B + sigma + q) * Z_A, Z_A + n ** (c_A + sigma + 1) * back


def sgd_growth() -> tuple[Expr, Expr]:
    """(5): the two growth factors of SGD's recursion a step, minus 1, as exact eigenvalues."""
    D_B, Z_A = sp.symbols("D Z", positive=True)
    matrix = sp.Matrix(sgd_step(D_B, Z_A)).jacobian([D_B, Z_A])
    first, second = (
        sp.powsimp(sp.simplify(value - 1), force=True) for value in matrix.eigenvals(multiple=True)
    )
    return first, second


def sgd_powers(steps: int) -> set[Expr]:
    """The exponents of Z_B after some steps of SGD at one rate n^c from Init[A], with q = -1 and s
    = Theta(1)."""
    D_B, Z_A = sp.Integer(0), sp.Integer(1)
    for _ in range(steps):
        D_B, Z_A = sgd_step(D_B, Z_A)
    return powers((D_B * Z_A).subs({sigma: 0, q: -1, c_A: c, c_B: c}))


def largest(exponents: Sequence[Expr] | set[Expr], at: Expr) -> Expr:
    """The largest of some exponents that are affine in c, at a value of c."""
    return sp.Max(*(e.subs(c, at) for e in exponents))

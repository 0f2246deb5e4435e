"""Derivations of `theory.matfac.generator_network` (1), (3), (8), (9) and (10): each begins with
the update rule, none with its result.

The generator is small (p = m = k = 2) and its entries are free symbols; every law is a polynomial
identity in them, so that a proof at this size with symbols for each index shows every kind of term
of the general one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

Matrix = Any  # sympy's matrices and scalars, which its annotations do not tell apart
eta: Any = sp.Symbol("eta", positive=True)


def _vector(name: str, size: int = 2) -> Matrix:
    return sp.Matrix(sp.symbols(f"{name}:{size}", real=True))


def _matrix(name: str, rows: int = 2, columns: int = 2) -> Matrix:
    return sp.Matrix(rows, columns, lambda i, j: sp.Symbol(f"{name}{i}{j}", real=True))


@dataclass(frozen=True)
class Symbols:
    """A generator whose units keep their state: `on` holds 0 or 1 a unit, h = on * (W1 z + b1)."""

    z: Matrix
    W1: Matrix
    b1: Matrix
    W2: Matrix
    b2: Matrix
    g: Matrix
    on: Sequence[int]

    @property
    def D(self) -> Matrix:
        return sp.diag(*self.on)

    @property
    def h(self) -> Matrix:
        return self.D * (self.W1 * self.z + self.b1)

    @property
    def theta(self) -> Matrix:
        return self.W2 * self.h + self.b2

    def gradients(self) -> dict[str, Matrix]:
        """dL/d(parameter), by differentiating theta: dL = g . dtheta."""
        linear = (self.g.T * self.theta)[0]
        return {
            name: sp.diff(linear, getattr(self, name)) for name in ("z", "W1", "b1", "W2", "b2")
        }

    def step(self) -> "Symbols":
        moved = {name: getattr(self, name) - eta * d for name, d in self.gradients().items()}
        return Symbols(**moved, g=self.g, on=self.on)


def generator(on: Sequence[int] = (1, 1)) -> Symbols:
    return Symbols(
        _vector("z"), _matrix("W1_"), _vector("c"), _matrix("W2_"), _vector("b"), _vector("g"), on
    )


def one_step_change() -> tuple[Matrix, dict[str, Matrix]]:
    """theta+ - theta for any next hidden state h+ whatever, and the symbols in it: for (1)."""
    parts = {
        "W2": _matrix("W2_"),
        "b2": _vector("b"),
        "h": _vector("h"),
        "h_next": _vector("H"),
        "g": _vector("g"),
    }
    W2, b2, h, h_next, g = parts.values()
    after = (W2 - eta * g * h.T) * h_next + (b2 - eta * g)
    return (after - (W2 * h + b2)).expand(), parts


def step_coefficients(state: Symbols) -> list[Matrix]:
    """The coefficients of eta^0, eta^1, ... in theta+ - theta while no unit switches: for (3)."""
    change = (state.step().theta - state.theta).expand()
    degree = max(int(sp.Poly(entry, eta).degree()) for entry in change)
    return [change.applyfunc(lambda entry, n=n: entry.coeff(eta, n)) for n in range(degree + 1)]


def invariants(state: Symbols) -> Matrix:
    """One number a unit, then that of the first layer: (8)."""
    units = [
        state.W2[:, j].dot(state.W2[:, j]) - state.W1[j, :].dot(state.W1[j, :]) - state.b1[j] ** 2
        for j in range(state.W1.rows)
    ]
    return sp.Matrix([*units, sum(x**2 for x in state.W1) - state.z.dot(state.z)])


def invariant_changes(state: Symbols) -> list[Matrix]:
    """The coefficients of eta^0, eta^1, eta^2 in one step's change of `invariants`: for (8)."""
    change = (invariants(state.step()) - invariants(state)).expand()
    return [change.applyfunc(lambda entry, n=n: entry.coeff(eta, n)) for n in range(3)]


def balanced_flow() -> tuple[Matrix, Matrix, Matrix]:
    """(-dtheta/dt, theta, g) of theta = W2 h, both trained, at the balanced point W2^T W2 = h h^T:
    for (9).

    Balance makes W2 rank one, W2 = theta v^T / sqrt|theta| and h = sqrt|theta| v with a unit vector
    v.
    """
    theta, g, angle = _vector("t"), _vector("g"), sp.Symbol("phi", real=True)
    v, size = sp.Matrix([sp.cos(angle), sp.sin(angle)]), sp.sqrt(sum(x**2 for x in theta))
    W2: Matrix = theta * v.T / sp.sqrt(size)
    h: Matrix = sp.sqrt(size) * v
    after: Matrix = (W2 - eta * g * h.T) * (h - eta * W2.T * g)
    return -sp.simplify(after.diff(eta).subs(eta, 0)), theta, g


def mean_square_of_hidden() -> sp.Expr:
    """E|h|^2 of the default ReLU initialization, by integrating the uniform entries of W1 and b1
    and the normal z: for (10).

    A ReLU passes half of a symmetric square; the k + 1 terms of a unit's input are uncorrelated.
    """
    m, k, x = sp.symbols("m k x", positive=True)
    bound = 1 / sp.sqrt(k)
    uniform = sp.integrate(x**2 / (2 * bound), (x, -bound, bound))
    normal = sp.integrate(x**2 * sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi), (x, -sp.oo, sp.oo))
    return sp.simplify(m * sp.Rational(1, 2) * (k * uniform * normal + uniform))

"""Orders of magnitude at large width n and rank r, as exact max-plus (tropical) polynomials in the
learning rates.

With learning rates eta_A = n^c_A r^k_A and eta_B = n^c_B r^k_B a sum of products of powers is of
the order of its largest term:

    q = Theta(max over forms of n^(A c_A + B c_B + width) r^(A k_A + B k_B + rank)),             (1)

n first and r second, for r is fixed while n grows and is then taken large. A product of orders adds
every form of one to every form of the other, a sum is the union, zero has no forms. Sums are taken
as generic: no exact cancellation. A contraction over m coordinates of entries u_i, v_i gives

    Theta(m^(1/2) u v) where the two are independent and centred (central limit),
    Theta(m u v) where they are aligned, of nonzero mean product (law of large numbers).         (2)
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

Rate = int | float | Fraction  # -math.inf: a factor that is not trained
HALF = Fraction(1, 2)
INDEPENDENT, ALIGNED = HALF, Fraction(1)  # (2): the power of the number of coordinates


class Form(NamedTuple):
    """One monomial of (1): how often either rate enters, and the exponents of n and r."""

    A: int
    B: int
    width: Fraction
    rank: Fraction = Fraction(0)

    def at(self, c_A: Rate, c_B: Rate) -> Fraction | float:
        """The exponent of n at learning rates n^c_A, n^c_B; -inf where a factor that it needs is
        not trained."""
        total = self.width
        for coefficient, c in ((self.A, c_A), (self.B, c_B)):
            if coefficient and c == -math.inf:
                return -math.inf
            total += coefficient * Fraction(c) if coefficient else 0
        return total


@dataclass(frozen=True)
class Order:
    """An order of magnitude: of the forms with the same powers of the rates only the largest is
    kept."""

    forms: frozenset[Form]

    def __add__(self, other: "Order") -> "Order":
        return _order(self.forms | other.forms)

    def __mul__(self, other: "Order") -> "Order":
        return _order(
            Form(p.A + q.A, p.B + q.B, p.width + q.width, p.rank + q.rank)
            for p in self.forms
            for q in other.forms
        )

    def __bool__(self) -> bool:
        """False for a quantity that is exactly zero."""
        return bool(self.forms)

    def __call__(self, c_A: Rate, c_B: Rate) -> Fraction | float:
        """The exponent of n at learning rates n^c_A, n^c_B, exactly; -inf for zero."""
        return max((form.at(c_A, c_B) for form in self.forms), default=-math.inf)

    def leading(self, c_A: Rate, c_B: Rate) -> "Order":
        """The forms of the largest power of n at these rates, with their powers of r where those of
        n stood."""
        top = self(c_A, c_B)
        return _order(
            Form(p.A, p.B, p.rank) for p in self.forms if p.at(c_A, c_B) == top > -math.inf
        )

    def joint(self, rho: Rate) -> "Order":
        """The same quantity where the rank grows with the width as r = n^rho."""
        return _order(Form(p.A, p.B, p.width + Fraction(rho) * p.rank) for p in self.forms)


ZERO = Order(frozenset())
RATE_A, RATE_B = (Order(frozenset({Form(A, 1 - A, Fraction(0))})) for A in (1, 0))


def power(width: Rate, rank: Rate = 0) -> Order:
    """n^width r^rank."""
    return Order(frozenset({Form(0, 0, Fraction(width), Fraction(rank))}))


def over_width(left: Order, right: Order, tag: Fraction) -> Order:
    """(2) for a sum over the n coordinates of a layer's input or output."""
    return left * right * power(tag)


def over_rank(left: Order, right: Order, tag: Fraction) -> Order:
    """(2) for a sum over the r coordinates between the factors."""
    return left * right * power(0, tag)


def _order(forms: Iterable[Form]) -> Order:
    largest: dict[tuple[int, int], Form] = {}
    for form in forms:
        known = largest.get(form[:2], form)
        largest[form[:2]] = max(known, form)
    return Order(frozenset(largest.values()))

"""Where max-plus polynomials of the two learning rates are at most 0, and where exactly 0.

Plane geometry in rationals.

"q = O(1)" is a polyhedron, one half-plane a form. "q = Theta(1)" is the part of its boundary on
which some form is 0, a union of points, segments and rays.
"""

import itertools
import math
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from theory.lr_stability.orders import Order

Point = tuple[Fraction, Fraction]  # (c_A, c_B)


class HalfPlane(NamedTuple):
    """A c_A + B c_B + constant <= 0."""

    A: int
    B: int
    constant: Fraction

    def at(self, point: Point) -> Fraction:
        return self.A * point[0] + self.B * point[1] + self.constant


class Piece(NamedTuple):
    """start + t direction for 0 <= t <= length: a point (length 0), a segment, or a ray (length
    inf)."""

    start: Point
    direction: Point = (Fraction(0), Fraction(0))
    length: Fraction | float = Fraction(0)

    def point(self, t: Fraction) -> Point:
        return self.start[0] + t * self.direction[0], self.start[1] + t * self.direction[1]

    def corners(self) -> tuple[Point, ...]:
        ends = {self.start} | (
            {self.point(self.length)} if isinstance(self.length, Fraction) else set()
        )
        return tuple(sorted(ends))

    def holds(self, point: Point) -> bool:
        """Whether the point lies on the piece, exactly."""
        (u, v), (x, y) = self.direction, (point[0] - self.start[0], point[1] - self.start[1])
        along = x * u + y * v
        return (
            u * y == v * x and 0 <= along <= self.length * (u * u + v * v)
            if (u, v) != (0, 0)
            else x == y == 0
        )


def at_most_one(order: Order) -> tuple[HalfPlane, ...]:
    """The half-planes whose intersection is where the quantity is O(1), sorted."""
    return tuple(sorted(HalfPlane(form.A, form.B, form.width) for form in order.forms))


def inside(region: Iterable[HalfPlane], point: Point) -> bool:
    return all(half.at(point) <= 0 for half in region)


def largest_equal_rate(region: Iterable[HalfPlane]) -> Fraction:
    """The largest c with (c, c) in the region; ValueError where there is none."""
    slopes = [(half.A + half.B, half.constant) for half in region]
    if any(slope == 0 < constant for slope, constant in slopes):
        raise ValueError("the region holds at no learning rate")
    bounds = [-constant / slope for slope, constant in slopes if slope > 0]
    if not bounds:
        raise ValueError("the region does not bound the learning rate")
    return min(bounds)


def corners(region: Iterable[HalfPlane]) -> tuple[Point, ...]:
    """The corners of a polyhedron, sorted."""
    region = tuple(region)
    crossings = (_crossing(p, q) for p, q in itertools.combinations(region, 2))
    return tuple(
        sorted({point for point in crossings if point is not None and inside(region, point)})
    )


def both_exactly_one(first: Order, second: Order, region: Iterable[HalfPlane]) -> tuple[Piece, ...]:
    """Where both quantities are Theta(1) inside a region: pieces of which none lies in another."""
    everywhere = (*region, *at_most_one(first), *at_most_one(second))
    found: set[Piece] = set()
    for p, q in itertools.product(at_most_one(first), at_most_one(second)):
        if (point := _crossing(p, q)) is not None:
            found |= {Piece(point)} if inside(everywhere, point) else set()
        elif p == q and (p.A, p.B) != (0, 0):
            found |= _cut(p, everywhere)
    lines = {piece for piece in found if piece.length}
    points = {
        piece for piece in found - lines if not any(line.holds(piece.start) for line in lines)
    }
    return tuple(sorted(lines | points))


def turning_points(pieces: Iterable[Piece], order: Order) -> tuple[Point, ...]:
    """The corners of the pieces, and their points where the quantity is Theta(1) or its largest
    form changes."""
    found: set[Point] = set()
    for piece in pieces:
        found.update(piece.corners())
        # each form along the piece is p + t d
        along = [
            (half.at(piece.start), half.A * piece.direction[0] + half.B * piece.direction[1])
            for half in at_most_one(order)
        ]
        along += [(p - q, d - e) for (p, d), (q, e) in itertools.combinations(along, 2)]
        times = [-p / d for p, d in along if d]
        found.update(piece.point(t) for t in times if 0 <= t <= piece.length)
    return tuple(sorted(found))


def _crossing(p: HalfPlane, q: HalfPlane) -> Point | None:
    """Where the two boundaries meet in one point."""
    determinant = p.A * q.B - p.B * q.A
    if determinant == 0:
        return None
    return (
        (p.B * q.constant - q.B * p.constant) / Fraction(determinant),
        (q.A * p.constant - p.A * q.constant) / Fraction(determinant),
    )


def _cut(line: HalfPlane, region: Iterable[HalfPlane]) -> set[Piece]:
    """The part of a boundary that lies in the region."""
    square = Fraction(line.A**2 + line.B**2)
    base = (-line.constant * line.A / square, -line.constant * line.B / square)
    u, v = Fraction(line.B), Fraction(-line.A)
    low, high = -math.inf, math.inf
    for half in region:
        value, slope = half.at(base), half.A * u + half.B * v
        if slope > 0:
            high = min(high, -value / slope)
        elif slope < 0:
            low = max(low, -value / slope)
        elif value > 0:
            return set()
    if low > high:
        return set()
    if isinstance(low, float):
        low, high, u, v = -high, -low, -u, -v
    if isinstance(low, float):
        raise ValueError(f"the whole line {line} lies in the region")
    start = (base[0] + low * u, base[1] + low * v)
    return {Piece(start, (u, v), high - low)} if high > low else {Piece(start)}

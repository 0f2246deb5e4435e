"""The one search for a learning rate: it ends inside, or says at which edge it gave up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies.instruments.learning_rates import Grid, search, side


class Valley:
    """Results are the exponents; the criterion is their distance from a place."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def run(self, exponents: list[int]) -> list[int]:
        self.asked.append(exponents)
        return exponents


def away(place: int):
    return lambda exponent: float(abs(exponent - place))


@given(st.integers(-30, 30), st.integers(-6, 0), st.integers(0, 6), st.integers(1, 3))
def test_the_best_lies_inside_and_nothing_is_run_twice(place, first, last, added):
    valley = Valley()
    found = search(valley.run, Grid(first, last, added=added, rounds=40), away(place))
    asked = [i for some in valley.asked for i in some]
    assert found.best == (place,)
    assert found.edge == ""
    assert sorted(asked) == list(found.results) == list(range(min(asked), max(asked) + 1))
    assert set(range(first, last + 1)) <= set(asked)


def test_a_search_that_gives_up_says_at_which_edge():
    found = search(Valley().run, Grid(-1, 1, added=1, rounds=2), away(9))
    assert (list(found.results), found.best, found.edge) == ([-1, 0, 1, 2, 3], (3,), "high")
    assert search(Valley().run, Grid(-1, 1, rounds=0), away(-1)).edge == "low"


def test_every_criterion_has_its_own_best_and_asks_for_its_own_side():
    valley = Valley()
    found = search(valley.run, Grid(-1, 1, added=1, rounds=9), away(-3), away(2))
    assert (found.best, found.edges) == ((-3, 2), ("", ""))
    assert list(found.results) == [-4, -3, -2, -1, 0, 1, 2, 3]
    assert valley.asked[1] == [-2, 2], "both sides in one round"


def test_the_grid_grows_on_a_side_that_is_still_good():
    good = lambda exponent, best: exponent >= best - 3
    found = search(Valley().run, Grid(-2, 2, added=1, rounds=9), away(1), good=good)
    assert (found.best, found.edge, found.open) == ((1,), "", ("high",)), "never closed above"
    assert min(found.results) == -3, "closed below"


def test_what_diverged_is_never_the_best_and_a_tie_goes_to_the_lowest():
    broken = lambda exponent: math.inf if exponent < 0 else math.nan if exponent > 1 else 1.0
    assert search(Valley().run, Grid(-2, 3, rounds=0), broken).best == (0,)
    found = search(Valley().run, Grid(-2, 3), lambda exponent: math.inf)
    assert (found.best, found.learning_rate, found.result, found.edge) == ((None,), None, None, "")
    assert search(Valley().run, Grid(0, 2, rounds=0), lambda i: (1.0, -i)).best == (2,)


@pytest.mark.parametrize(("best", "where"), [(1, "low"), (2, ""), (3, "high"), (None, "")])
def test_a_side_is_an_end(best, where):
    assert side([1, 2, 3], best) == where


def test_learning_rates_are_powers_of_ten():
    found = search(Valley().run, Grid(-2, 1, per_decade=2, rounds=0), away(0))
    assert found.learning_rates == pytest.approx([0.1, 10**-0.5, 1, 10**0.5], rel=1e-15)
    assert (found.learning_rate, found.result) == (1.0, 0)

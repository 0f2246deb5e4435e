"""Evidence is wired to the right trials: in a made-up world in which every method, rank, control,
split and case has a value of its own, each check must come out as exactly the value of the right
one, and every exchange of two must be noticed.

A family takes part by its world in tests/support/worlds/<family>.py (or, with a dotted name there,
what its package is called), which has

    world()              made-up trials, new ones at each call
    measured(world)      the family's evidence in that world: id -> key -> measured
    EXPECTED             id -> key -> value, from the rule of the world and not from the family
    EXCHANGES            name -> function that exchanges two methods, controls, ranks, splits, signs
    SAME                 groups of "id/key" that are one datum by design
"""

import importlib
from itertools import combinations
from typing import Any

import pytest

from loralab.families import proxies

EPS = 2.0**-52
FAMILIES = {proxy.stem: proxy for proxy in proxies()}
LEAST = 5  # exchanges that a family tries, or as many as it has checks


def world_of(stem: str) -> Any:
    return importlib.import_module(f"tests.support.worlds.{stem}")


def values(world: Any, trials: Any) -> dict[str, float | None]:
    return {
        f"{id}/{key}": measured and measured.value
        for id, checks in world.measured(trials).items()
        for key, measured in checks.items()
    }


def expected(world: Any) -> dict[str, float]:
    return {f"{id}/{key}": x for id, checks in world.EXPECTED.items() for key, x in checks.items()}


def equal(a: float | None, b: float | None) -> bool:
    """Up to the rounding of a few dozen operations."""
    return a is not None and b is not None and abs(a - b) <= 100 * EPS * max(abs(a), abs(b))


@pytest.fixture(params=FAMILIES)
def stem(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_check_has_exactly_the_value_of_the_right_trials(stem):
    world = world_of(stem)
    found, wanted = values(world, world.world()), expected(world)
    declared = {f"{c.id}/{key}" for c in FAMILIES[stem].claims for key in c.keys}
    assert found.keys() == wanted.keys() == declared
    wrong = {
        name: (found[name], wanted[name]) for name in wanted if not equal(found[name], wanted[name])
    }
    assert not wrong


def test_no_two_checks_have_one_value_where_an_exchange_would_hide(stem):
    world = world_of(stem)
    same = {pair for group in getattr(world, "SAME", ()) for pair in combinations(sorted(group), 2)}
    alike = [
        (a, b)
        for (a, x), (b, y) in combinations(sorted(expected(world).items()), 2)
        if equal(x, y) and (a, b) not in same
    ]
    assert not alike


def test_every_exchange_is_noticed(stem):
    world = world_of(stem)
    assert len(world.EXCHANGES) >= min(LEAST, sum(len(c.keys) for c in FAMILIES[stem].claims))
    before = values(world, world.world())
    for name, exchange in world.EXCHANGES.items():
        after = values(world, exchange(world.world()))
        assert any(not equal(before[key], after[key]) for key in before), name

"""What the evidence of the Nyström family leaves out, and what its claims say of theory. Which
trial a check reads is tested by its made-up world (tests/test_wiring.py)."""

import math

import pytest

from proxies.families.nystrom.claims.adaptation import ALIGNMENTS
from proxies.families.nystrom.claims.links import ACCURACY, EXTRA, SIX
from proxies.families.nystrom.evidence import DRAW, evidence
from proxies.families.nystrom.tables import fastest_descent
from proxies.families.nystrom.trials.problem import EPS
from tests.support.worlds.nystrom import world
from theory.nystrom import asymmetric, symmetric

KINDS = ("symmetric", "asymmetric")
CHANGED = ("N11", "N11b", "N11d")


def test_what_was_not_run_has_no_value():
    found = evidence(world() | {"released": []}, timing=False)
    missing = {(id, key) for id, checks in found.items() for key, m in checks.items() if m is None}
    assert missing == {
        ("N13b", "full over randomised"),
        ("N13b", "full over sketch"),
        ("N14", "exponent"),
        ("N14b", "left"),
    }


def test_a_law_has_the_range_over_all_its_draws():
    """A range that leaves draws out would let a law hold that fails on some."""
    found = evidence(world(), timing=True)
    for id, key, low, high in (
        ("N1", "deviation", 131, 393),
        ("N3", "cycle", 139, 417),
        ("N4", "limit", 167, 501),
        ("N5b", "factor", 193, 579),
        ("N7", "outside", 199, 597),
        ("N7", "steps beyond the bound", 37, 111),
        ("N9", "range finder", 239, 717),
        ("N10", "steps saved", 15, 80),
        ("N11e", "weight", 73, 219),
    ):
        m = found[id][key]
        assert m is not None
        assert (m.low, m.high, m.design) == (pytest.approx(low), pytest.approx(high), "range"), key


DESIGNS = {  # where it is no range over targets
    "N6/slope": ("Student", "seed"),
    **{f"N6b/{p}, cond {c}": ("Student", "target") for p in KINDS for c in ("10", "1e+06")},
    "N9/factor": ("Student over clusters", "target"),
    **{f"N8/rank {rank}": ("Clopper-Pearson", "initialization") for rank in (1, 2, 4)},
    **{
        f"N8/{key}": ("range", "batch of initializations")
        for key in ("agreement", "alternating", "alternating factor")
    },
    **{f"{id}/overlap {x:g}": ("Student", DRAW) for id in CHANGED for x in ALIGNMENTS},
    **{f"N11{key}": ("range", DRAW) for key in ("c/law", "e/random", "e/weight")},
    **{f"N12/{key}": ("range", "seed") for key in ("preconditioned", "gradient", "released")},
    **{f"N13/singular {key}": ("Student", "weight") for key in ("values", "vectors")},
    **{f"N13b/full over {key}": ("Student", "weight") for key in ("randomised", "sketch")},
    "N14/exponent": ("range", "weight"),
    "N14b/left": ("range", "weight"),
}


def test_every_check_has_the_interval_of_its_design():
    for id, checks in evidence(world(), timing=True).items():
        for key, m in checks.items():
            assert m is not None
            assert (m.design, m.unit) == DESIGNS.get(f"{id}/{key}", ("range", "target")), (id, key)


def test_a_target_with_more_settings_counts_once():
    m = evidence(world(), timing=True)["N9"]["factor"]
    assert m is not None
    assert (m.draws, m.design) == (2, "Student over clusters")


def test_the_better_step_size_of_gradient_descent_counts():
    descent = [
        {"condition": condition, "eta": eta, "result": {"steps": steps}}
        for condition, counts in (
            (10.0, {0.5: (1, 1, 1), 0.9: (2, 2, 2)}),
            (100.0, {0.5: (7, 3, None), 0.9: (5, None, None)}),
        )
        for eta, times in counts.items()
        for steps in times
    ]
    assert fastest_descent(descent, 100.0) == [5, 3, None]


def test_what_the_claims_say_of_theory_is_what_it_gives():
    assert asymmetric.scalar_steps(0.5, ACCURACY) == SIX
    assert math.isclose(symmetric.extra_steps(ACCURACY), EXTRA, rel_tol=8 * EPS)  # few operations

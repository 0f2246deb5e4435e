"""What made-up trials must not do to the evidence of the generalization family, and its tables.
Which trial a check reads is tested by its made-up world (tests/test_wiring.py)."""

import pytest

from proxies.families.generalization.evidence import evidence
from proxies.families.generalization.tables import data, tables
from proxies.families.generalization.trials.chain import PUBLISHED
from proxies.families.generalization.trials.posterior import CONFIGS
from tests.support.worlds.generalization import (
    DRAWN,
    GAPS,
    LARGEST,
    ORDER,
    ORDER_DRAWN,
    SEEDS,
    SOURCES,
    VARIANTS,
    at,
    gaps,
    image,
    value,
    world,
)


def test_a_law_has_the_range_over_all_its_problems():
    found = evidence(world(), LARGEST)
    counted, not_counted = (
        [value("memory", name, n) for n in (4, 5, 6)] for name in ("counted", "not_counted")
    )
    for id, key, values in (
        ("A8", "gap", gaps()),
        ("A8", "order", ORDER),
        ("A8", "order of supersamples", ORDER_DRAWN),
        ("A8", "A from the sample", counted),
        ("A8b", "A from the sample", not_counted),
    ):
        m = found[id][key]
        assert m is not None
        assert (m.low, m.high) == (pytest.approx(min(values)), pytest.approx(max(values))), key


@pytest.mark.parametrize("name", GAPS + DRAWN)
def test_every_bound_counts_for_the_gap(name):
    trials = world()
    trials["noisy"][0]["result"][name] = 1e-3
    m = evidence(trials, LARGEST)["A8"]["gap"]
    assert m is not None
    assert m.high > 500


@pytest.mark.parametrize(
    ("key", "fine", "coarse"),
    [
        ("order", "class", "bits"),
        ("order", "entropy", "class"),
        ("order", "individual", "entropy"),
        ("order of supersamples", "evaluated", "conditional"),
        ("order of supersamples", "evaluated", "averaged"),
        ("order of supersamples", "difference_of_draws", "averaged"),
    ],
)
def test_every_pair_of_bounds_counts_for_their_order(key, fine, coarse):
    """Up to the finer bound, which another pair may hold."""
    trials = world()
    trials["noisy"][0]["result"] |= {fine: 1e3, coarse: 1e-3}
    m = evidence(trials, LARGEST)["A8"][key]
    assert m is not None
    assert m.high == pytest.approx(1e6)


def test_every_check_has_the_interval_of_its_design():
    for id, checks in evidence(world(), LARGEST).items():
        for key, m in checks.items():
            assert m is not None
            if id in ("A8", "A8b", "A14") or key == "stored bits":
                design, unit = "range", "problem"
            elif key.startswith("digits"):
                design, unit = "corrected for re-splits", "split of one data set"
            else:
                drawn = key.startswith("drawn images")
                design, unit = "Student", "sample of images" if drawn else "problem"
            assert (m.design, m.unit) == (design, unit), (id, key)


def test_splits_of_the_digits_are_no_independent_draws():
    """Of trainings with ratios 1, 1.5 and 1, the digits' interval is the wider one."""
    trials = world()
    for r in trials["images"]:
        r["result"]["divergence"] = 1.5 if (r["variant"], r["seed"]) == ("B", 1001) else 1.0
    found = evidence(trials, LARGEST)["A9c"]
    digits, drawn = (found[source] for source in SOURCES)
    assert digits is not None
    assert drawn is not None
    assert digits.value == pytest.approx(drawn.value)
    # Beside 1/3 for three splits stands what they share: 1000 of 797 others
    wider = (1 + 3 * 1000 / 797) ** 0.5
    assert (digits.low / digits.value) == pytest.approx((drawn.low / drawn.value) ** wider)
    assert (digits.design, drawn.design) == ("corrected for re-splits", "Student")
    assert drawn.unit == "sample of images"


def test_tables_and_data_are_of_their_trials():
    trials = world()
    chain, scale, *images = tables(trials, LARGEST).values()
    mean = lambda values: pytest.approx(sum(values) / len(values))
    for title, name in (("gap", "gap"), ("its losses (e-CMI)", "evaluated")):
        for row, v in zip(chain, VARIANTS, strict=True):
            assert row[title] == mean([at(name, v, seed=s) for s in SEEDS])
    assert [row["BA"] for row in scale] == [value("scale", "BA", name) for name in PUBLISHED]
    for source, table in zip(SOURCES, images, strict=True):
        for row, v in zip(table, CONFIGS, strict=True):
            assert row["certificate"] == mean([image("bound", source)(v, s) for s in SEEDS])
    assert [r["gap"] for r in data(trials)["noisy"]] == [
        r["result"]["gap"] for r in trials["noisy"]
    ]

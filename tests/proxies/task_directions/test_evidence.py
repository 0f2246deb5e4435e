"""The evidence of the task-directions family where something is missing or chosen; every value
under its own check is in tests/test_wiring.py."""

import math

import pytest

from proxies.families.task_directions import evidence
from proxies.families.task_directions.trials.plan import COMPARED
from tests.support.worlds.task_directions import made_up


def test_the_reduced_size_leaves_out_what_it_did_not_compare():
    trials = made_up.methods()
    compared = COMPARED["quick"]["random"]
    trials["tuned"] = [
        r for r in trials["tuned"] if r["case"] == "random" and r["method"] in compared
    ]
    measured = evidence.methods(trials)
    found = {id: [key for key, x in checks.items() if x] for id, checks in measured.items()}
    assert found == {
        "T10": ["random"],
        "T10b": ["pre-launch"],
        "T11": ["random"],
        "T11b": [],
        "T12": ["pre-launch", "MiLoRA"],
        "T12b": ["random"],
        "T12c": [],
    }


def test_the_default_size_leaves_out_the_digits_alone():
    trials = made_up.methods()
    trials["tuned"] = [
        r for r in trials["tuned"] if r["method"] in COMPARED["default"].get(r["case"], ())
    ]
    measured = evidence.methods(trials)
    missing = {
        (id, key) for id, checks in measured.items() for key, found in checks.items() if not found
    }
    assert missing == {(id, "digits") for id in ("T10", "T11", "T12b", "T12c")}


def tuned(case: str, method: str, error: list[float], edge: bool = False) -> dict:
    return made_up.record({"error": error, "edge": edge}, case=case, method=method)


def test_a_rate_on_the_edge_is_no_evidence():
    trials = {
        "tuned": [
            tuned("random", "a", [1.0, 2.0, 4.0]),
            tuned("random", "b", [1.0, 2.0, 4.0], edge=True),
            tuned("random", "c", [1.0, 2.0, 4.0]),
        ]
    }
    assert evidence.ratio(trials, "random", "a", "b") is None
    assert evidence.ratio(trials, "random", "b", "a") is None
    assert evidence.ratio(trials, "random", "a", "d") is None, "not run"
    found = evidence.ratio(trials, "random", "a", "c")
    assert found is not None
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_splits_of_the_digits_are_no_independent_draws():
    """Three splits whose ratios differ: the interval on the digits is wider by the square root of
    (1/3 + 597/1200) over 1/3, and that of problems that are drawn anew is Student's."""
    errors = ([2.0, 3.0, 4.5], [1.0, 1.0, 1.0])
    trials = {
        "tuned": [
            tuned(case, method, error)
            for case in ("digits", "clusters")
            for method, error in zip("ab", errors, strict=True)
        ]
    }
    wide, narrow = (evidence.ratio(trials, case, "a", "b") for case in ("digits", "clusters"))
    assert wide is not None
    assert narrow is not None
    assert wide.value == pytest.approx(3)
    assert narrow.value == pytest.approx(3)
    widths = [math.log(x.high / x.low) for x in (wide, narrow)]
    assert widths[0] / widths[1] == pytest.approx(math.sqrt(1 + 3 * 597 / 1200))
    assert (wide.design, narrow.unit) == ("corrected for re-splits", "problem")


def test_a_lift_is_the_share_of_what_chance_leaves_in_each_network():
    one = {"source": "LoRA 100", "score": "rate", "sizes": "8 in 16"}

    def network(*pairs: tuple[float, float]) -> dict:
        overlaps = [one | {"value": value, "null": null} for value, null in pairs]
        return made_up.record({"overlaps": overlaps}, pool="clusters")

    trials = {"predicted": [network((0.8, 0.6), (1.0, 0.6)), network((0.7, 0.6), (0.7, 0.6))]}
    found = evidence.lifts(trials, "clusters", "LoRA 100", "rate", "8 in 16")
    assert found == pytest.approx([0.75, 0.25])


def test_changes_are_the_unit_on_the_trained_weights():
    """Two matrices and three draws: an interval over the draws, of their means over matrices."""
    matrices = [
        {"square": True, "accuracy": [0.1, 0.4, 0.7]},
        {"square": True, "accuracy": [0.3, 0.4, 0.5]},
        {"square": False, "accuracy": [0.9, 0.9, 0.9]},
    ]
    found = evidence.of_minilm({"transformer": [made_up.record(matrices)]}, True, "accuracy")
    assert found is not None
    assert (found.value, found.draws, found.unit) == (pytest.approx(0.4), 3, "change")
    assert found.high - found.value == pytest.approx(4.3027 * 0.2 / math.sqrt(3), rel=1e-4)


def test_the_ranks_of_a_seed_are_a_cluster():
    """Three seeds of two ranks: means .9, 1.1 and 1.3, whose standard deviation is .2."""
    records = [
        made_up.record({"snr": x, "predicted": 1.0, "mean": 1.0}, rank=rank, seed=seed)
        for seed, values in enumerate(((0.8, 1.0), (1.0, 1.2), (1.5, 1.1)))
        for rank, x in zip((2, 4), values, strict=True)
    ]
    found = evidence.first_step({**made_up.first_steps(), "identified": records})["T6"]["ratio"]
    assert found is not None
    assert (found.value, found.draws) == (pytest.approx(1.1), 3)
    assert found.high - found.value == pytest.approx(4.3027 * 0.2 / math.sqrt(3), rel=1e-4)


UNITS = {
    "T1": {"pair"},
    "T2b": {"change", "weight"},
    "T3": {"change", "weight"},
    "T4": {"change", "weight"},
    **{key: {"network"} for key in ("T5", "T5b", "T5c", "T5d")},
    **{key: {"seed"} for key in ("T6", "T15")},
    **{key: {"problem"} for key in ("T7", "T7b", "T8", "T9", "T10b", "T11b", "T12")},
    **{key: {"problem", "split of one data set"} for key in ("T10", "T11", "T12b", "T12c")},
}


def test_every_interval_names_what_was_drawn():
    measured = evidence.evidence(made_up.world())
    units = {id: {x.unit for x in checks.values() if x} for id, checks in measured.items()}
    assert units == UNITS
    for id, keys in {
        "T2b": ["Gaussian"],
        "T3": ["rectangular"],
        "T4": ["place", "slope"],
    }.items():
        assert [key for key, x in measured[id].items() if x and x.unit == "weight"] == keys
    for checks in measured.values():
        for key, x in checks.items():
            assert x is not None
            assert (x.unit == "split of one data set") == (key == "digits")


def test_without_minilm_its_checks_are_left_out():
    measured = evidence.chance({**made_up.chance(), "transformer": []})
    missing = {
        (id, key) for id, checks in measured.items() for key, found in checks.items() if not found
    }
    assert missing == {
        ("T2b", "MiniLM"),
        ("T2b", "MiniLM, root of sigma"),
        ("T3", "MiniLM"),
        ("T4", "place, MiniLM"),
    }

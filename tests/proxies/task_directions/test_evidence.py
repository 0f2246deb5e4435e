"""The evidence of the task-directions family: every value under the check that it belongs to."""

import pytest

from proxies.families.task_directions import evidence
from proxies.families.task_directions.claims import CLAIMS
from proxies.families.task_directions.trials.plan import COMPARED
from proxies.families.task_directions.trials.predictions import TASK
from tests.support.worlds.task_directions import KEPT, World, record
from theory.task_directions import exponential_overlap, gaussian_overlap


def test_every_check_has_its_own_value():
    v = World()
    measured = evidence.evidence(v.trials())
    lift = lambda *of: (v(*of, "value") - v(*of, "null")) / (1 - v(*of, "null"))
    error = lambda case, above, below: v("error", case, above) / v("error", case, below)
    recall = lambda name, rank=8, case="random": v("recall", case, rank, name)
    reached = lambda method: v("error", "random", method) / v("bound", "random", method)
    formula = {"Gaussian": gaussian_overlap, "exponential": exponential_overlap}
    dash, init, tsd = "Dash, pre-launch", "Init, pre-launch", "TSD, pre-launch"
    after, by_size, by_rate = "LoRA 100, rate", "LoRA 10, abs", "LoRA 10, rate"
    expected = {
        "T1": {
            f"{law}, {s} in {m}": v("edge", law, s, m) - formula[law](m / s)
            for law in formula
            for s, m in ((32, 64), (64, 64), (128, 256))
        },
        "T2": {"MiniLM": v("MiniLM", True, "accuracy"), "Gaussian": v("large", "accuracy")},
        "T2b": {
            "MiniLM": v("MiniLM", True, "accuracy"),
            "large Gaussian": v("large", "accuracy"),
            "Gaussian": v("square", "accuracy"),
            "Gaussian, recall": v("square", "recall"),
            "MiniLM, beyond its spectrum": v("MiniLM", True, "accuracy")
            - v("MiniLM", True, "predicted"),
        },
        "T3": {
            "rectangular": v("rectangular", "accuracy"),
            "flat": v("flat", "accuracy"),
            "MiniLM": v("MiniLM", False, "accuracy"),
            "rectangular, beyond its spectrum": v("rectangular", "accuracy")
            - v("rectangular", "predicted"),
        },
        "T4": {
            "place": v("large", "bottom_rank"),
            "place, MiniLM": v("MiniLM", True, "bottom_rank"),
            "slope": v("large", "slope"),
            "smallest left out": v("edge", "left_out"),
        },
        "T5": {
            "accuracy": lift("LoRA 100", "rate", "8 in 16"),
            "recall": lift("LoRA 100", "rate", "4 in 8"),
            "equal sizes": lift("LoRA 100", "rate", "8 in 8"),
            "beyond a rotated copy": v("LoRA 100", "rate", "8 in 16", "value")
            - v("rotated", "rate", "8 in 16", "value"),
        },
        "T5b": {
            "LoRA": lift("LoRA 100", "abs", "8 in 16"),
            "gradient, accuracy": lift("gradient", "abs", "8 in 16"),
            "gradient, recall": lift("gradient", "abs", "4 in 8"),
        },
        "T5c": {
            "by size": lift(TASK, "abs", "8 in 16"),
            "by rate": v(TASK, "rate", "8 in 16", "value") - v(TASK, "rate", "8 in 16", "null"),
        },
        "T5d": {"share": v("phi"), "beyond chance": v("phi")},
        "T6": {"ratio": v("snr ratio"), "mean": v("mean"), "slope": v("slope")},
        "T15": {f"rank {rank}": v("speed", rank) / 0.5 for rank in (4, 16)},
        "T7": {
            "recall": recall(after),
            "gain of steps": recall(after) - recall("LoRA 1, rate"),
            "gain over rank 2": recall(after) - recall(after, 2),
            "gain of rank 32": recall(after, 32) - recall(after),
            "null": v("null", "random", 8, "rate"),
        },
        "T8": {
            "gradient": recall("gradient, abs"),
            "against LoRA": recall("gradient, rate") - recall(after),
        },
        "T9": {
            **{
                case: recall(by_size, case=case) - recall(by_rate, case=case)
                for case in ("random", "top", "middle", "bottom")
            },
            "null": v("null", "bottom", 8, "rate"),
        },
        "T10": {
            case: error(case, dash, "LoRA, r") for case in ("random", "bottom", "none", "digits")
        },
        "T10b": {
            "pre-launch": error("random", dash, "Dash, oracle"),
            "gradient": error("random", "Dash, gradient", "Dash, oracle"),
            "pre-launch, bottom": error("bottom", dash, "Dash, oracle"),
        },
        "T11": {
            "any directions": error("random", dash, "Dash, random"),
            "any directions, digits": error("digits", dash, "Dash, random"),
            "more rank": error("random", dash, "LoRA, r + s"),
            "more rank, bottom": error("bottom", dash, "LoRA, r + s"),
        },
        "T12": {
            "rank": 8 / 10,
            "pre-launch": reached(init),
            "oracle": reached("Init, oracle"),
            "random": reached("Init, random"),
            "MiLoRA": reached("MiLoRA"),
        },
        "T12b": {
            "rank r": error("random", init, "LoRA, r"),
            "rank r, no core structure": error("none", init, "LoRA, r"),
            "rank 2 r": error("random", init, "LoRA, 2r"),
            "rank 2 r, bottom": error("bottom", init, "LoRA, 2r"),
        },
        "T12c": {
            "Init": error("random", tsd, init),
            "Dash": error("random", tsd, dash),
            "Dash, bottom": error("bottom", tsd, dash),
        },
        "T13": {key: v("kept", key) for key in KEPT},
        "T14": {"updates": 100, "directions": 0, "resumed": v("distance")},
        "T14b": {loop: v(loop) for loop in ("plain", "checkpointing", "accumulation")},
    }
    assert {claim.id: claim.keys for claim in CLAIMS} == {
        id: tuple(measured[id]) for id in (claim.id for claim in CLAIMS)
    }
    for id, checks in expected.items():
        found = {key: m.value for key, m in measured[id].items() if m}
        assert found == pytest.approx(checks, rel=1e-9), id


def test_the_reduced_size_leaves_out_what_it_did_not_compare():
    result = {
        "error": [1.0, 2.0],
        "edge": False,
        "bound": [1.0, 2.0],
        "ranks": [8, 8],
        "rank": [4, 4],
    }
    compared = COMPARED["quick"]["random"]
    measured = evidence.methods(
        {"tuned": [record(result, case="random", method=method) for method in compared]}
    )
    assert [case for case, found in measured["T10"].items() if found] == ["random"]
    assert measured["T12"]["rank"]
    assert measured["T10b"]["pre-launch"]


def test_a_rate_on_the_edge_is_no_evidence():
    result = {"error": [1.0, 2.0, 4.0], "edge": False}
    trials = {
        "tuned": [
            record(result, case="random", method="a"),
            record(result | {"edge": True}, case="random", method="b"),
            record(result, case="random", method="c"),
        ]
    }
    assert evidence.ratio(trials, "random", "a", "b") is None
    assert evidence.ratio(trials, "random", "b", "a") is None
    assert evidence.ratio(trials, "random", "a", "d") is None, "not run"
    found = evidence.ratio(trials, "random", "a", "c")
    assert found is not None
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_a_lift_is_the_share_of_what_chance_leaves():
    one = {"source": "LoRA 100", "score": "rate", "sizes": "8 in 16", "task": "labels 1"}
    network = lambda *pairs: record({"overlaps": [one | {"value": v, "null": n} for v, n in pairs]})
    trials = {"predicted": [network((0.8, 0.6), (1.0, 0.6)), network((0.7, 0.6), (0.7, 0.6))]}
    found = evidence.lift(trials, "LoRA 100", "rate", "8 in 16")
    assert found.value == pytest.approx((0.75 + 0.25) / 2)


def test_without_minilm_its_checks_are_left_out():
    measured = evidence.chance({**World().chance(), "transformer": []})
    missing = {
        (id, key) for id, checks in measured.items() for key, found in checks.items() if not found
    }
    assert missing == {
        ("T2", "MiniLM"),
        ("T2b", "MiniLM"),
        ("T2b", "MiniLM, beyond its spectrum"),
        ("T3", "MiniLM"),
        ("T4", "place, MiniLM"),
    }

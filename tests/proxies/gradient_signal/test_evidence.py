"""From trials to checks: in a made-up world of distinct values, each under its own key."""

from typing import Any

import pytest

from proxies.families.gradient_signal.claims import CLAIMS
from proxies.families.gradient_signal.claims.links import DIGITS_ADAM, DIGITS_SGD, DOCSTRINGS
from proxies.families.gradient_signal.claims.signal import SHARE, STAR
from proxies.families.gradient_signal.claims.training import Case, Comparison
from proxies.families.gradient_signal.evidence import evidence, loss_ratios
from proxies.families.gradient_signal.trials.rows import INITIALIZATIONS
from proxies.instruments.trial_grid import Records
from theory.gradient_signal import batch

OF = ("token", "data set", "inputs")


def records(axes: dict[str, Any] | None = None, /, **base: float) -> Records:
    """A record a seed, whose entries are their base times 1, 2, 3: mean and median are twice it."""
    return [
        {**(axes or {}), "result": {name: value * seed for name, value in base.items()}}
        for seed in (1, 2, 3)
    ]


def share(place: int, name: str, of: str) -> float:
    return 100 * place + 10 * INITIALIZATIONS.index(name) + OF.index(of) + 1


def networks(place: int, outside: int) -> Records:
    """Two layers a seed, the second of which captures three times as much as the first."""

    def layer(size: float, inside: bool, **rest: float) -> dict[str, Any]:
        captured = {n: {of: size * share(place, n, of) for of in OF} for n in INITIALIZATIONS}
        return {"captured": captured, "inside": inside, **rest}

    return [
        {"result": [layer(seed, seed > outside, deficit=seed / 100), layer(3 * seed, True)]}
        for seed in (1, 2, 3)
    ]


def loss(name: str, task: tuple[str, str], steps: int) -> float:
    """One of many whose ratios all differ."""
    tasks = (DIGITS_ADAM, DIGITS_SGD, DOCSTRINGS)
    return (7 + INITIALIZATIONS.index(name)) ** (1 + tasks.index(task) + steps / 100)


def tuned(task: tuple[str, str], steps: list[int]) -> dict[str, Any]:
    runs = {
        name: {
            "inside": [True] * len(steps),
            "test": [[loss(name, task, n) * seed for seed in (1, 2, 3)] for n in steps],
        }
        for name in INITIALIZATIONS
    }
    return {"task": task, "steps": steps, "result": runs}


def world() -> dict[str, Records]:
    return {
        "speed": [{"result": {"end to end": [2.5] * 3, "beyond the forwards": [3.5] * 3}}],
        "tuned": [
            tuned(DOCSTRINGS, [10, 40]),
            tuned(DIGITS_ADAM, [10, 40, 160]),
            tuned(DIGITS_SGD, [10, 40, 160]),
        ],
        "minilm": networks(2, outside=2),
        "digits": networks(1, outside=1),
        "captured": [
            *(
                {"result": {"gap": 0.5, **record["result"]}}
                for record in records(deficit=11, angle=12, **{"angle of bfloat16": 13})
            ),
            # too small a gap for its angles to count
            {"result": {"gap": 0.01, "deficit": 22, "angle": 99, "angle of bfloat16": 99}},
        ],
        "sampling": records(angle=14, predicted=6, true=5),
        "token": records(ratio=15, rival=16),
        "censored": records(share=17, turn=18),
        "flip": [
            *records({"batch": 7}, ratio=19),
            *records({"batch": 8}, ratio=20),
        ],
        "moments": records(error=21),
        "centring": records(outside=2),
        "risk": records(risk=23, rival=24, kernel=25),
        "amplification": [{"result": {"inverse": [26 * seed, 78 * seed]}} for seed in (1, 2, 3)],
        "order": records(order=27, shards=28),
        "allocation": [{"result": {"explained variance": 29, "gradient signal": 30}}],
        "parity": records(distance=31, ranks=32, **{"distance at rho 2": 33}),
        "held out": [
            {"result": {"ratios": [34 * seed, 102 * seed], "beyond": 35 * seed}}
            for seed in (1, 2, 3)
        ],
        "safety": records(scale=36, variance=37, refused=38, batches=39, **{"masked batch": 40}),
        "defects": records(scale=41, whitened=42, forwards=43, **{"wrong width": 44}),
    }


def ratio(first: str, second: str, task: tuple[str, str], steps: int) -> float:
    return loss(first, task, steps) / loss(second, task, steps)


def over_default(task: tuple[str, str], steps: int) -> float:
    return ratio("EVA", "default", task, steps)


EXPECTED = {
    "E1": {"deficit": 22, "angle": 24, "angle of bfloat16": 26, "deficit on MiniLM": 0.02},
    "E1b": {"angle": 28},
    "E1c": {"ratio": 1.2},
    "E2": {"signal": 30, "rival": 32},
    "E2b": {"share": 34},
    "E2c": {"threshold": 36, "share": 34},
    "E2d": {"batch of 7": 38, "batch of 8": 40, "moment": 42},
    "E2e": {
        "digits": 2 * share(1, "EVA uncentred", "token"),
        "MiniLM": 4 * share(2, "EVA uncentred", "token"),
    },
    "E2f": {
        "digits": 2 * share(1, "gradient_signal", "token"),
        "MiniLM": 2 * share(2, "gradient_signal", "token"),
    },
    "E3": {"random cases": 12, "real layers": 3},
    "E3b": {"digits": 2 * share(1, "EVA", "inputs"), "MiniLM": 4 * share(2, "EVA", "inputs")},
    "E3c": {"risk": 46, "rival": 48, "kernel": 50},
    "E4": {"ratio": 104},
    "E5": {"order": 54, "shards": 56},
    "E6": {"distance": 62, "ranks": 64, "distance at rho 2": 66},
    "E6b": {"mean": 136, "least layer": 68},
    "E7": {"forwards": 70, "end to end": 2.5, "beyond the forwards": 3.5},
    "E8": {"scale": 72, "variance": 74, "refused": 76, "batches": 78, "masked batch": 80},
    "E8b": {"scale": 82, "whitened": 84, "forwards": 86, "wrong width": 88},
    "E8c": {"explained variance": 29, "gradient signal": 30},
    "E9": {
        "digits adam, 10 steps": over_default(DIGITS_ADAM, 10),
        "digits adam, 40 steps": over_default(DIGITS_ADAM, 40),
        "digits adam, 160 steps": over_default(DIGITS_ADAM, 160),
        "digits sgd, 160 steps": over_default(DIGITS_SGD, 160),
        "docstrings adam, 10 steps": over_default(DOCSTRINGS, 10),
        "docstrings adam, 40 steps": over_default(DOCSTRINGS, 40),
    },
    "E9b": {
        "digits adam, 10 steps": ratio("EVA", "same E|Ax|^2", DIGITS_ADAM, 10),
        "digits sgd, 10 steps": ratio("EVA", "same E|Ax|^2", DIGITS_SGD, 10),
    },
    "E9c": {
        "digits sgd, 40 steps": ratio("EVA rotated", "EVA", DIGITS_SGD, 40) - 1,
        "digits adam, 40 steps": ratio("EVA rotated", "EVA", DIGITS_ADAM, 40) - 1,
    },
    "E9d": {
        "docstrings adam, 10 steps": ratio("gradient_signal", "EVA", DOCSTRINGS, 10),
        "docstrings adam, 40 steps": ratio("gradient_signal", "EVA", DOCSTRINGS, 40),
    },
    "E9e": {
        "docstrings adam, 10 steps": ratio("gradient SVD", "EVA", DOCSTRINGS, 10),
        "docstrings adam, 40 steps": ratio("gradient SVD", "EVA", DOCSTRINGS, 40),
    },
}


def test_every_check_gets_the_value_of_its_own_trial():
    found = {
        id: {key: measured and measured.value for key, measured in checks.items()}
        for id, checks in evidence(world()).items()
    }
    assert found == {id: pytest.approx(checks, rel=1e-12) for id, checks in EXPECTED.items()}
    assert {claim.id: set(claim.keys) for claim in CLAIMS} == {
        id: set(checks) for id, checks in EXPECTED.items()
    }


def test_what_was_not_run_has_no_value():
    names = ("tuned", "minilm", "parity", "held out", "safety", "defects", "speed")
    found = evidence(world() | {name: [] for name in names})
    missing = {id for id, checks in found.items() if not any(checks.values())}
    assert missing == {"E6", "E6b", "E7", "E8", "E8b", "E9", "E9b", "E9c", "E9d", "E9e"}
    of_text = {(id, key) for id, checks in found.items() for key in checks if "MiniLM" in key}
    assert {(id, key) for id, key in of_text if found[id][key] is None} == of_text


def test_a_rate_on_the_edge_is_no_evidence():
    run = {"inside": [True, False], "test": [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]}
    record = {"task": DIGITS_ADAM, "steps": [10, 40], "result": {"EVA": run, "default": run}}
    compared = Comparison("EVA", "default", ())
    ratios = lambda task, steps: loss_ratios([record], compared, Case(task, steps))
    assert ratios(DIGITS_ADAM, 10) == [1.0, 1.0, 1.0]
    assert ratios(DIGITS_ADAM, 40) is None, "the best learning rate is an end"
    assert ratios(DIGITS_ADAM, 160) is None, "not run"
    assert ratios(DOCSTRINGS, 10) is None, "not run"


def test_what_the_claims_say_of_theory_is_what_it_gives():
    # the root is sought to 1e-14; its shares change by less than its own change
    assert pytest.approx(batch.censored_threshold(), abs=1e-13) == STAR
    assert pytest.approx(batch.censored_share(2.0), abs=1e-13) == SHARE

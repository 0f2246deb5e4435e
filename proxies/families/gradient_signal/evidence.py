"""From the records of trials to the measured value of every check, by claim and key."""

from collections.abc import Callable

import numpy as np

from loralab.claims import Measured
from loralab.statistics import geometric_mean, mean, spread
from proxies.families.gradient_signal.claims.training import COMPARISONS, Case, Comparison
from proxies.instruments.trial_grid import Records, pick

Trials = dict[str, Records]
Measurements = dict[str, dict[str, Measured | None]]


def evidence(trials: Trials) -> Measurements:
    """The measured value of every check: claim id -> key -> value, None where it was not run."""
    return {
        **_captured(trials),
        **_signal(trials),
        **_laws(trials),
        **_released(trials),
        **_training(trials),
    }


def _average(values: list[float]) -> float:
    return float(np.mean(values))


def _range(records: Records, name: str) -> Measured | None:
    return spread(pick(records, name)) if records else None


def layers(records: Records) -> list[dict]:
    """The layers of every seed."""
    return [layer for record in records for layer in record["result"]]


def _shares(
    records: Records, name: str, of: str, over: Callable[[list[float]], float] = min
) -> Measured | None:
    """What one initialization captures, over each seed's layers, with the range over seeds."""
    if not records:
        return None
    return spread(
        [
            float(over([layer["captured"][name][of] for layer in record["result"]]))
            for record in records
        ]
    )


def _captured(trials: Trials) -> Measurements:
    captured, sampling = trials["captured"], trials["sampling"]
    separate = [record for record in captured if record["result"]["gap"] >= 0.02]
    deficits = [layer["deficit"] for layer in layers(trials["minilm"]) if "deficit" in layer]
    true = _average(pick(sampling, "true"))
    errors = zip(pick(sampling, "predicted"), pick(sampling, "true"), strict=True)
    return {
        "E1": {
            "deficit": spread(pick(captured, "deficit")),
            "angle": spread(pick(separate, "angle")),
            "angle of bfloat16": spread(pick(separate, "angle of bfloat16")),
            "deficit on MiniLM": spread(deficits) if deficits else None,
        },
        "E1b": {"angle": mean(pick(sampling, "angle"))},
        "E1c": {"ratio": mean([1 + (predicted - error) / true for predicted, error in errors])},
    }


def _signal(trials: Trials) -> Measurements:
    token, censored, flip = trials["token"], trials["censored"], trials["flip"]
    digits, minilm = trials["digits"], trials["minilm"]
    return {
        "E2": {"signal": mean(pick(token, "ratio")), "rival": spread(pick(token, "rival"))},
        "E2b": {"share": mean(pick(censored, "share"))},
        "E2c": {
            "threshold": mean(pick(censored, "turn")),
            "share": mean(pick(censored, "share")),
        },
        "E2d": {
            "batch of 7": mean(pick(flip, "ratio", batch=7)),
            "batch of 8": mean(pick(flip, "ratio", batch=8)),
            "moment": spread(pick(trials["moments"], "error")),
        },
        "E2e": {
            "digits": _shares(digits, "EVA uncentred", "token"),
            "MiniLM": _shares(minilm, "EVA uncentred", "token", _average),
        },
        "E2f": {
            "digits": _shares(digits, "gradient_signal", "token"),
            "MiniLM": _shares(minilm, "gradient_signal", "token"),
        },
    }


def _laws(trials: Trials) -> Measurements:
    digits, minilm, risk = trials["digits"], trials["minilm"], trials["risk"]
    inside = [layer["inside"] for layer in layers(digits + minilm)]
    return {
        "E3": {
            "random cases": spread([float(sum(pick(trials["centring"], "outside")))]),
            "real layers": spread([float(len(inside) - sum(inside))]),
        },
        "E3b": {
            "digits": _shares(digits, "EVA", "inputs"),
            "MiniLM": _shares(minilm, "EVA", "inputs", _average),
        },
        "E3c": {
            "risk": mean(pick(risk, "risk")),
            "rival": spread(pick(risk, "rival")),
            "kernel": spread(pick(risk, "kernel")),
        },
        "E4": {"ratio": mean([_average(x) for x in pick(trials["amplification"], "inverse")])},
        "E5": {name: spread(pick(trials["order"], name)) for name in ("order", "shards")},
    }


def _released(trials: Trials) -> Measurements:
    """E6 to E8, beside PEFT."""
    held_out, ratios = trials["held out"], pick(trials["held out"], "ratios")
    speed = trials["speed"][0]["result"] if trials["speed"] else None
    (allocation,) = trials["allocation"]
    return {
        "E6": {
            name: _range(trials["parity"], name)
            for name in ("distance", "ranks", "distance at rho 2")
        },
        "E6b": {
            "mean": mean([_average(values) for values in ratios]) if ratios else None,
            "least layer": spread([min(values) for values in ratios]) if ratios else None,
        },
        "E7": {
            "forwards": _range(held_out, "beyond"),
            **{
                name: geometric_mean(speed[name]) if speed else None
                for name in ("end to end", "beyond the forwards")
            },
        },
        "E8": {
            name: _range(trials["safety"], name)
            for name in ("scale", "variance", "masked batch", "refused", "batches")
        },
        "E8b": {
            name: _range(trials["defects"], name)
            for name in ("scale", "whitened", "wrong width", "forwards")
        },
        "E8c": {name: spread([value]) for name, value in allocation["result"].items()},
    }


def _training(trials: Trials) -> Measurements:
    """E9: test losses at each initialization's own best learning rate."""
    return {
        id: {
            case.key: (_change if id == "E9c" else geometric_mean)(ratios)
            if (ratios := loss_ratios(trials["tuned"], comparison, case))
            else None
            for case in comparison.cases
        }
        for id, comparison in COMPARISONS.items()
    }


def _change(ratios: list[float]) -> Measured:
    return mean([abs(ratio - 1) for ratio in ratios])


def loss_ratios(tuned: Records, comparison: Comparison, case: Case) -> list[float] | None:
    """Test loss of the first initialization over the second's, each at its best learning rate, by
    seed; None where it was not run, or a best learning rate is an end of the swept ones."""
    found = next((r for r in tuned if r["task"] == case.task and case.steps in r["steps"]), None)
    if found is None:
        return None
    at = found["steps"].index(case.steps)
    first, second = (found["result"][name] for name in (comparison.first, comparison.second))
    if not (first["inside"][at] and second["inside"][at]):
        return None
    return [a / b for a, b in zip(first["test"][at], second["test"][at], strict=True)]

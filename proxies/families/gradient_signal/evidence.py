"""From the records of trials to the measured value of every check, by claim and key."""

from collections.abc import Callable

import numpy as np

from loralab.claims import Measured
from loralab.statistics import (
    exact,
    geometric_mean,
    mean,
    resplit_geometric_mean,
    resplit_mean,
    spread,
)
from proxies.families.gradient_signal.claims.comparisons import COMPARISONS, Comparison, margin
from proxies.families.gradient_signal.claims.setting import ROWS_OF_OTHERS, SPLIT_SIZES
from proxies.instruments.digits import COUNT
from proxies.instruments.trial_grid import Records, pick

Trials = dict[str, Records]
Measurements = dict[str, dict[str, Measured | None]]
DECAYS = {"0.5": 0.5, "1": 1.0}
SPLITS = "split of one data set"
UNITS = {"photographs": "photograph", "docstrings": "set of texts", "code": "set of texts"}


def evidence(trials: Trials) -> Measurements:
    """The measured value of every check: claim id -> key -> value, None where it was not run."""
    return {
        **_captured(trials),
        **_signal(trials),
        **_laws(trials),
        **_released(trials),
        **_training(trials["tuned"]),
    }


def _average(values: list[float]) -> float:
    return float(np.mean(values))


def layers(records: Records) -> list[dict]:
    """The layers of every seed."""
    return [layer for record in records for layer in record["result"]]


def _shares(records: Records, name: str, of: str, over: Callable = min) -> list[float]:
    """What one initialization captures, over the layers of each seed."""
    return [
        float(over([layer["captured"][name][of] for layer in record["result"]]))
        for record in records
    ]


def _of_digits(shares: list[float]) -> Measured:
    """Of networks that were trained on what of the one data set is not measured."""
    measured = SPLIT_SIZES["digits"][0]
    return resplit_mean(shares, COUNT - sum(SPLIT_SIZES["digits"]), measured, SPLITS)


def _of_text(shares: list[float]) -> Measured | None:
    return mean(shares, "set of texts") if shares else None


def _captured(trials: Trials) -> Measurements:
    captured, sampling = trials["captured"], trials["sampling"]
    separate = [record for record in captured if record["result"]["gap"] >= 0.02]
    deficits = [layer["deficit"] for layer in layers(trials["minilm"]) if "deficit" in layer]
    return {
        "E1": {
            "deficit": spread(pick(captured, "deficit")),
            "angle": spread(pick(separate, "angle")),
            "deficit of bfloat16": spread(pick(captured, "deficit of bfloat16")),
            "deficit on MiniLM": spread(deficits) if deficits else None,
        },
        "E1b": {
            f"angle, decay {name}": mean(pick(sampling, "angle", decay=decay))
            for name, decay in DECAYS.items()
        },
        "E1c": {
            f"ratio, decay {name}": _ratio_of_means(
                pick(sampling, "predicted", decay=decay), pick(sampling, "true", decay=decay)
            )
            for name, decay in DECAYS.items()
        },
    }


def _ratio_of_means(first: list[float], second: list[float]) -> Measured:
    """The ratio of two means over seeds, with the interval of its linearisation."""
    below = _average(second)
    ratio = _average(first) / below
    return mean([ratio + (a - ratio * b) / below for a, b in zip(first, second, strict=True)])


def _signal(trials: Trials) -> Measurements:
    token, censored, flip = trials["token"], trials["censored"], trials["flip"]
    digits, minilm = trials["digits"], trials["minilm"]
    own = _shares(minilm, "EVA uncentred", "token", _average)
    return {
        "E2": {"signal": mean(pick(token, "ratio")), "share": spread(pick(token, "share"))},
        "E2b": {"share": mean(pick(censored, "share at 2.0"))},
        "E2c": {
            "threshold": mean(pick(censored, "turn")),
            "share": mean(pick(censored, "share at 1.75")),
        },
        "E2d": {
            "batch of 7": mean(pick(flip, "ratio", batch=7)),
            "batch of 8": mean(pick(flip, "ratio", batch=8)),
            "moment": spread(pick(trials["moments"], "error")),
        },
        "E2e": {
            "digits": _of_digits(_shares(digits, "EVA uncentred", "token")),
            "MiniLM": _of_text(own),
        },
        "E2g": {
            name: geometric_mean([a / b for a, b in zip(other, own, strict=True)], "set of texts")
            if (other := _shares(minilm, name, "token", _average))
            else None
            for name in ROWS_OF_OTHERS
        },
    }


def _laws(trials: Trials) -> Measurements:
    digits, minilm, risk = trials["digits"], trials["minilm"], trials["risk"]
    outside = [
        float(sum(not layer["inside"] for layer in record["result"])) for record in digits + minilm
    ]
    (counter_example,) = trials["counter-example"]
    return {
        "E3": {
            "random cases": spread(pick(trials["centring"], "outside")),
            "real layers": spread(outside, "network"),
        },
        "E3b": {
            "digits": _of_digits(_shares(digits, "EVA", "inputs")),
            "MiniLM": _of_text(_shares(minilm, "EVA", "inputs", _average)),
        },
        "E3c": {
            "risk": mean(pick(risk, "risk")),
            "rival": spread(pick(risk, "rival")),
            "kernel": spread(pick(risk, "kernel")),
        },
        "E4": {"ratio": mean([_average(x) for x in pick(trials["amplification"], "inverse")])},
        "E10": {"rival": spread(pick(trials["descent"], "least"), "population")},
        "E10b": {"risk": exact(counter_example["result"]["ratio"])},
    }


def _released(trials: Trials) -> Measurements:
    """E6 and E8, beside PEFT."""
    parity, defects = trials["parity"], trials["defects"]
    ratios = pick(trials["held out"], "ratios")
    (allocation,) = trials["allocation"]
    model = "model and text"
    return {
        "E6": {
            name: spread(pick(parity, name), model) if parity else None
            for name in ("distance", "ranks")
        },
        "E6b": {
            "mean": mean([_average(values) for values in ratios], model) if ratios else None,
            "least layer": mean([min(values) for values in ratios], model) if ratios else None,
        },
        "E6c": {
            "distance": mean(pick(parity, "distance at rho 2"), model) if parity else None,
        },
        "E8b": {
            name: exact(defects[0]["result"][name]) if defects else None
            for name in ("scale", "whitened", "wrong width", "forwards")
        },
        "E8c": {name: exact(value) for name, value in allocation["result"].items()},
    }


def _training(tuned: Records) -> Measurements:
    """E9: test losses at each initialization's own best learning rate."""
    found = {
        id: {each.key: _compared(tuned, each) for each in comparisons}
        for id, comparisons in COMPARISONS.items()
    }
    found["E9c"] = {each.key: _change(tuned, each) for each in COMPARISONS["E9c"]}
    found["E9"] |= {margin(each): found["E9"][each.key] for each in COMPARISONS["E9"]}
    found["E9g"] = {each.task[0]: _parameters(tuned, each) for each in COMPARISONS["E9h"]}
    return found


def _compared(tuned: Records, each: Comparison) -> Measured | None:
    if (ratios := loss_ratios(tuned, each)) is None:
        return None
    task = each.task[0]
    if task in UNITS:
        return geometric_mean(ratios, UNITS[task])
    train, _, test = SPLIT_SIZES[task]
    return resplit_geometric_mean(ratios, train, test, SPLITS)


def _change(tuned: Records, each: Comparison) -> Measured | None:
    if (ratios := loss_ratios(tuned, each)) is None:
        return None
    return spread([abs(ratio - 1) for ratio in ratios], SPLITS)


def _parameters(tuned: Records, each: Comparison) -> Measured | None:
    for record in tuned:
        if record["task"] == each.task:
            numbers = record["result"]["parameters"]
            return mean([one["moved"] / one["equal"] for one in numbers])
    return None


def loss_ratios(tuned: Records, each: Comparison) -> list[float] | None:
    """Test loss of the first initialization over the second's, each at its best learning rate, by
    seed; None where it was not run, or a best learning rate is an end of the swept ones."""
    found = next((r for r in tuned if r["task"] == each.task and each.steps in r["steps"]), None)
    if found is None:
        return None
    at = found["steps"].index(each.steps)
    first, second = (found["result"][name] for name in (each.first, each.second))
    if not (first["inside"][at] and second["inside"][at]):
        return None
    return [a / b for a, b in zip(first["test"][at], second["test"][at], strict=True)]

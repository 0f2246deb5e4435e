"""The tables that people read, and the data that the figures are drawn from."""

from typing import Any

import numpy as np

from loralab.numbers import listed, numbers
from loralab.statistics import Tuned
from proxies.families.overparam_generation.claims.cases import NEW
from proxies.families.overparam_generation.evidence import paired
from proxies.families.overparam_generation.trials.plan import Key, Records, Trials
from proxies.families.overparam_generation.trials.scores import SCORES, SHOWN, pixels
from proxies.families.overparam_generation.trials.sweep import MAIN, Sweep
from proxies.instruments import digit_targets


def tables(trials: Trials) -> dict[str, Records]:
    """One a target, and one of the anchors."""
    targets = dict.fromkeys(target for target, _, _ in trials.swept)
    return {
        **{
            f"{target}: means over seeds at the best learning rate": _rows(target, trials)
            for target in digit_targets.TARGETS
            if target in targets
        },
        "Distances of reference images, means over seeds": _anchors(trials),
    }


def data(trials: Trials) -> dict[str, Any]:
    """What the figures are drawn from."""
    return {
        "series": [_series(key, sweep) for key, sweep in trials.swept.items()],
        "grids": [
            {"target": target, "method": method, "rank": rank, **sweep["shown"]}
            for (target, method, rank), sweep in trials.swept.items()
        ],
        "base": trials.anchors[NEW]["images"],
        "real": {
            target: pixels(digit_targets.of(labels)[:SHOWN])
            for target, labels in digit_targets.TARGETS.items()
        },
        "anchors": {target: _level(one["scores"]) for target, one in trials.anchors.items()},
    }


def _rows(target: str, trials: Trials) -> Records:
    """Means over seeds at the best learning rate, the window in decades."""
    found = []
    for (name, method, rank), sweep in trials.swept.items():
        if name != target:
            continue
        best = sweep["best"]
        found.append(
            {
                "method": method,
                "rank": rank,
                "trained numbers": sweep["parameters"],
                "learning rates": len(sweep["rates"]),
                "best learning rate": None if best is None else sweep["rates"][best],
                "edge": sweep["edge"],
                **{score: _mean(paired.at_best(sweep, score)) for score in sweep["test"]},
                "MMD at 1e-4": _mean(paired.at_fixed(sweep)),
                "decades within 1.5": _at_best(paired.widths(sweep), best),
            }
        )
    return sorted(found, key=lambda row: (row["rank"], row["method"].removeprefix("OP-")))


def _anchors(trials: Trials) -> Records:
    """One row a target and a set of images."""
    titles = {
        "target": "training images of the target",
        "seen": "the seen digits",
        "base": "images of the base model",
    }
    found = []
    for target, one in trials.anchors.items():
        means = _level(one["scores"])
        for name, title in titles.items():
            scores = {score: means[f"{name} {score}"] for score in SCORES}
            found.append({"target": target, "images": title, **scores})
    return found


def _series(key: Key, sweep: Sweep) -> dict[str, Any]:
    """MMD against learning rate, the mean and range over seeds where none diverged."""
    found = numbers(sweep["test"][MAIN])
    bands = {
        name: listed(band(found, 1))
        for name, band in (("mean", np.mean), ("low", np.min), ("high", np.max))
    }
    target, method, rank = key
    return {
        "target": target,
        "method": method,
        "rank": rank,
        "rates": sweep["rates"],
        "best": sweep["best"],
        **bands,
    }


def _at_best(windows: Tuned | None, best: int | None) -> float | None:
    return None if windows is None or best is None else _mean(np.asarray(windows.score)[best])


def _mean(values: Any) -> float | None:
    return None if values is None else float(np.mean(values))


def _level(scores: Records) -> dict[str, float]:
    """The mean over seeds of each score."""
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}

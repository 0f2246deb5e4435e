"""The table of each target, and the lines of the figures."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from loralab.numbers import listed, numbers
from proxies.families.matfac.evidence.paired import fewest, widths
from proxies.families.matfac.trials.plan import Key
from proxies.families.matfac.trials.sweep import BANDS, Sweep

READING = (
    "steps are the fewest over learning rates, in the median over seeds; width in decades of "
    "learning rates that reach 1e-4"
)
Records = list[dict[str, Any]]


def tables(
    swept: Mapping[Key, Sweep], alternating: Mapping[str, dict[str, Any]]
) -> dict[str, Records]:
    """One a target, with alternating least squares as its last row."""
    return {
        f"{target}: {READING}": [
            *(_row(key, sweep) for key, sweep in swept.items() if key[0] == target),
            _alternating(result),
        ]
        for target, result in alternating.items()
    }


def data(swept: Mapping[Key, Sweep]) -> dict[str, Any]:
    """The lines of the figures."""
    return {"series": [_series(key, sweep) for key, sweep in swept.items()]}


def _row(key: Key, sweep: Sweep) -> dict[str, Any]:
    _, optimizer, method = key
    at, window = sweep["best"], widths(sweep)
    final = None if at is None else float(np.median(numbers(sweep["final"])[at]))
    return {
        "method": method,
        "optimizer": optimizer,
        "seeds": len(sweep["final"][0]),
        "learning rates": len(sweep["rates"]),
        "best learning rate": None if at is None else sweep["rates"][at],
        "edge": sweep["edge"],
        "final excess": final,
        **_steps(sweep),
        "width": None if window is None else float(window.mean()),
    }


def _alternating(result: dict[str, Any]) -> dict[str, Any]:
    final = numbers(result["final"])
    return {
        "method": "alternating least squares",
        "optimizer": "-",
        "seeds": final.size,
        "learning rates": 0,
        "best learning rate": None,
        "edge": "",
        "final excess": float(np.median(final)),
        **_steps(result),
        "width": None,
    }


def _steps(result: Mapping[str, Any]) -> dict[str, float | None]:
    return {f"steps to {bar}": fewest(result, bar) for bar in result["steps"]}


def _series(key: Key, sweep: Sweep) -> dict[str, Any]:
    """Final excess against learning rate, and the curve at the best learning rate."""
    final = numbers(sweep["final"])
    final[np.isnan(final).any(1)] = np.nan  # where some seed diverged there is no median
    target, optimizer, method = key
    return {
        "target": target,
        "optimizer": optimizer,
        "method": method,
        "rates": sweep["rates"],
        "best": sweep["best"],
        "curve": sweep["curve"],
        **{name: listed(band(final, 1)) for name, band in BANDS.items()},
    }

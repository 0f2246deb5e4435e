"""The family's tables for people, and what its figures are drawn from."""

from typing import Any

import numpy as np

from proxies.families.gradient_signal.claims.setting import TRAINED
from proxies.families.gradient_signal.evidence import Trials, layers
from proxies.families.gradient_signal.trials.rows import ROWS
from proxies.instruments.trial_grid import Records, pick
from theory.gradient_signal import batch

PLACES = ("digits", "minilm")
CAPTURED = (*ROWS, "PiSSA", "OLoRA", "CorDA")


def tables(trials: Trials) -> dict[str, Records]:
    return {
        "Per cent of the optimum that an initialization captures: signal of a token, of the data "
        "set, variance of the inputs": [_shares(trials, name) for name in CAPTURED],
        "Test loss at each initialization's own best learning rate, by task, optimizer and steps "
        "(means over seeds)": [_losses(trials, name) for name in TRAINED["digits", "adam"]],
    }


def _shares(trials: Trials, name: str) -> dict[str, Any]:
    """The mean over seeds and layers, in per cent of the optimum at the rows' lengths."""
    row: dict[str, Any] = {"initialization": name}
    for place in PLACES:
        captured = [layer["captured"][name] for layer in layers(trials[place])]
        for of in ("token", "data set", "inputs") if captured else ():
            row[f"{place}: {of}"] = 100 * float(np.mean([one[of] for one in captured]))
    return row


def _losses(trials: Trials, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"initialization": name}
    for record in trials["tuned"]:
        run = record["result"].get(name)  # not all are trained on every task
        for at, steps in enumerate(record["steps"]):
            mean = float(np.mean(run["test"][at])) if run else None
            row[f"{' '.join(record['task'])} {steps}"] = mean
    return row


def figure_data(trials: Trials) -> dict[str, Any]:
    """Theory and measurement of the batch at which EVA stops being optimal, the layers of one seed,
    and all that was trained."""
    Q, G = batch.regression(np.diag([2.0, 1.0]), np.diag(np.sqrt([0.1, 1.0])), 2.0)
    batches = np.geomspace(1, 100, 60).tolist()
    return {
        "flip": {
            "batches": batches,
            "moments": [np.diag(batch.batch_moment(Q, G, n)).tolist() for n in batches],
            "n": batch.flip_batch([2.0, 1.0], [0.1, 1.0], 4.0),
            "measured": [[n, pick(trials["flip"], "ratio", batch=n)] for n in (7, 8)],
        },
        "layers": {place: trials[place][0]["result"] for place in PLACES if trials[place]},
        "tuned": {
            " ".join(record["task"]): {"steps": record["steps"], **record["result"]}
            for record in trials["tuned"]
        },
    }

"""What the rules of the recommendation read: means over the measured layers, and what was counted
and timed on this model."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from scaling.advice.diagnostics import Diagnosis, spread

# of the best signal: EVA had more on digits and less on text (E2e); whether it pays is undecided on
# both, each initialization at its own best learning rate (E9)
NEAR = 0.95
TIMES = 2.0  # of random rows' signal, below which there is nothing to gain
SCARCE = 0.1  # of what is saved for backward
STEP = 2.0  # between the learning rates of the sweep
RATES = (-2, -1, 0, 1, 2)


@dataclass(frozen=True)
class Facts:
    """What the rules read.

    Args:
        signal, signal_uncentred, signal_random, outside: means over the measured layers.
        gain: the median of tune_b - tune_a; in a layer whose two halves of the batches hardly agree
            the difference may be anything.
        fresh: whether a head is newly initialized.
        saved: the part of what is saved for backward that freezing A saves.
        rank: of the adapters.
        predicted: the predicted learning rate, by scheme.
        bound: the largest learning rate whose first step lowers the loss, by scheme.
        delay: seconds of the initialization over those of training, by scheme.
    """

    signal: float
    signal_uncentred: float
    signal_random: float
    outside: float
    gain: float
    fresh: bool
    saved: float
    rank: int
    predicted: dict[str, float | None]
    bound: dict[str, float | None]
    delay: dict[str, float]

    @property
    def best_signal(self) -> float:
        return max(self.signal, self.signal_uncentred)

    @property
    def scheme(self) -> str:
        enough = self.best_signal >= NEAR and self.best_signal >= TIMES * self.signal_random
        return "eva" if enough and "eva" in self.bound else "init_a"

    @property
    def options(self) -> dict[str, Any]:
        centre_costs = self.scheme == "eva" and self.signal_uncentred > self.signal + 1 - NEAR
        return {"center": False} if centre_costs else {}

    @property
    def centre(self) -> float:
        """The middle of the sweep: the predicted learning rate, or less, so that the sweep's top
        stays within the bound."""
        rate, bound = self.predicted[self.scheme], self.bound[self.scheme]
        top = None if bound is None else bound / STEP ** RATES[-1]
        known = [value for value in (rate, top) if value is not None]
        if not known:
            raise ValueError(
                "no learning rate can be advised: no first step lowered the loss, and none was "
                "tuned with this optimizer"
            )
        return min(known)


def over_layers(rows: Sequence[Diagnosis]) -> dict[str, float]:
    """The facts that are of all measured layers together."""
    names = ("signal", "signal_uncentred", "signal_random", "outside")
    gain = median(row.tune_b - row.tune_a for row in rows)
    return {name: spread(rows, name)["mean"] for name in names} | {"gain": gain}

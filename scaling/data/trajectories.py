"""Episodes as a Decision Transformer reads them (Chen et al., arXiv:2106.01345).

A timestep is three tokens: the return-to-go R_t = r_t + ... + r_T, the observation s_t and the
action a_t. The model sees a window of K timesteps, and at every s_t says a_t. Shorter windows are
padded on the left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scaling.data.environments import Spaces

TOKENS = 3  # of a timestep
Window = dict[str, Any]


@dataclass(frozen=True)
class Scales:
    """How a model wants its numbers, as its config.json says: (s - state_mean) / state_std, and R /
    return_scale."""

    state_mean: tuple[float, ...]
    state_std: tuple[float, ...]
    return_scale: float

    @classmethod
    def from_pretrained(cls, source: str, **options: Any) -> "Scales":
        """Raises ValueError for a model of another kind, or that does not say."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(source, **options)
        if config.model_type != "decision_transformer":
            raise ValueError(f"it is a {config.model_type}, not a decision_transformer")
        for name, length in (
            ("state_mean", config.state_dim),
            ("state_std", config.state_dim),
            ("return_scale", None),
        ):
            value = np.asarray(getattr(config, name, None), dtype=object)
            shape = () if length is None else (length,)
            numbers = all(isinstance(number, int | float) for number in value.flat)
            if (
                not numbers
                or value.shape != shape
                or (name != "state_mean" and min(value.flat) <= 0)
            ):
                what = "a positive number" if length is None else f"{length} numbers"
                raise ValueError(
                    f"its config.json must say by {name}, {what}, how the model wants its input, "
                    "that is "
                    "(s - state_mean) / state_std and R / return_scale (0, 1 and 1 where it takes "
                    "them as they are)"
                )
        return cls(tuple(config.state_mean), tuple(config.state_std), float(config.return_scale))

    def states(self, observations: np.ndarray) -> np.ndarray:
        return ((observations - np.array(self.state_mean)) / np.array(self.state_std)).astype(
            np.float32
        )


def scales(episodes: Sequence[Mapping[str, np.ndarray]]) -> Scales:
    """Of these episodes: each coordinate of the states to mean 0 and, if it varies, variance 1; the
    largest return to size 1."""
    seen = np.concatenate([episode["observations"] for episode in episodes]).astype(np.float64)
    largest = max(abs(float(episode["rewards"].sum())) for episode in episodes)
    deviation = seen.std(0)
    return Scales(
        tuple(seen.mean(0).tolist()),
        tuple(np.where(deviation > 0, deviation, 1.0).tolist()),
        largest,
    )


def windows(episodes: Sequence[Mapping[str, np.ndarray]], length: int) -> list[Window]:
    """Every episode cut into windows of `length` timesteps, or all of it where it is shorter.

    Where the cuts lie moves on by a timestep from episode to episode, so that the timestep does not
    tell the place in the window; the first and the last window overlap their neighbours, so that
    they are whole.
    """
    found = []
    for number, episode in enumerate(episodes):
        to_go = episode["rewards"].astype(np.float64)[::-1].cumsum()[::-1]
        last = max(0, len(to_go) - length)
        starts = range(-(number % length), len(to_go), length)
        for start in dict.fromkeys(min(max(start, 0), last) for start in starts):
            part = slice(start, start + length)
            window = {name: episode[name][part] for name in ("observations", "actions")}
            found.append({**window, "returns_to_go": to_go[part], "start": start})
    return found


def encoded(window: Window, scales: Scales, spaces: Spaces) -> dict[str, Tensor]:
    """The window as the model takes it; `labels` are what it is to say, choices as whole
    numbers."""
    steps = len(window["returns_to_go"])
    actions = torch.from_numpy(spaces.encoded(window["actions"]))
    return {
        "states": torch.from_numpy(scales.states(window["observations"])),
        "actions": actions,
        "returns_to_go": torch.from_numpy(
            (window["returns_to_go"] / scales.return_scale).astype(np.float32)
        )[:, None],
        "timesteps": torch.arange(window["start"], window["start"] + steps),
        "labels": actions.argmax(-1) if spaces.bounds is None else actions,
        "attention_mask": torch.ones(steps, dtype=torch.long),
    }


def padded(examples: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """A batch of windows, zeros on the left of the shorter ones."""
    longest = max(len(example["timesteps"]) for example in examples)

    def pad(value: Tensor) -> Tensor:
        return F.pad(value, (0,) * 2 * (value.ndim - 1) + (longest - len(value), 0))

    return {name: torch.stack([pad(example[name]) for example in examples]) for name in examples[0]}


def loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Of the actions at every timestep that is not padding: squared error or, of choices,
    cross-entropy."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    valid = batch["attention_mask"] != 0
    guess, truth = model(**inputs).action_preds[valid].float(), batch["labels"][valid]
    return F.mse_loss(guess, truth) if truth.is_floating_point() else F.cross_entropy(guess, truth)

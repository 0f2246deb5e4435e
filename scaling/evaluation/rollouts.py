"""A Decision Transformer at work: episodes in which its own actions are carried out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from scaling.core.records import Record
from scaling.data.environments import Spaces
from scaling.data.trajectories import Scales


def rollouts(
    model: nn.Module,
    scales: Scales,
    spaces: Spaces,
    environments: Sequence[Any],
    seeds: Sequence[int],
    *,
    target: float,
    length: int,
    longest: int,
) -> list[Record]:
    """An episode in each environment from its seed, all at once: return, length and whether the
    environment ended it.

    The model sees the last `length` timesteps, and as return-to-go what of `target` is still to
    come; it takes the action that it holds for best. An episode ends after `longest` steps at the
    latest.
    """
    count, device = len(seeds), next(model.parameters()).device
    states = np.zeros((count, longest, spaces.observation), np.float32)
    actions = np.zeros((count, longest, spaces.actions), np.float32)
    to_go = np.full((count, longest, 1), target / scales.return_scale, np.float32)
    returns = np.zeros(count)
    rows: list[Record] = [{} for _ in seeds]
    seen = {
        i: env.reset(seed=seed)[0]
        for i, (env, seed) in enumerate(zip(environments, seeds, strict=True))
    }
    for step in range(longest):
        active = list(seen)
        states[active, step] = scales.states(np.stack([seen[i] for i in active]))
        to_go[active, step, 0] = (target - returns[active]) / scales.return_scale
        past = slice(max(0, step + 1 - length), step + 1)
        outputs = model(
            states=torch.from_numpy(states[active, past]).to(device),
            actions=torch.from_numpy(actions[active, past]).to(device),
            returns_to_go=torch.from_numpy(to_go[active, past]).to(device),
            timesteps=torch.arange(past.start, past.stop, device=device).expand(len(active), -1),
            attention_mask=torch.ones(
                (len(active), past.stop - past.start), dtype=torch.long, device=device
            ),
        ).action_preds[:, -1]
        for i, output in zip(active, outputs.float().cpu().numpy(), strict=True):
            action = spaces.decoded(output)
            actions[i, step] = spaces.encoded(np.array([action]))[0]
            seen[i], reward, terminated, truncated, _ = environments[i].step(action)
            returns[i] += reward
            if terminated or truncated or step + 1 == longest:
                rows[i] |= {
                    "return": float(returns[i]),
                    "length": step + 1,
                    "terminated": bool(terminated),
                }
                del seen[i]
        if not seen:
            break
    return rows

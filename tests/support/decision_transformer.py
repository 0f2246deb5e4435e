"""A tiny Decision Transformer and its environment."""

from dataclasses import asdict
from pathlib import Path

import torch

from scaling.data.trajectories import Scales

CART, PENDULUM = (
    Scales((0.0,) * 4, (1.0, 1.0, 0.2, 1.0), 500.0),
    Scales((0.0,) * 3, (1.0, 1.0, 4.0), 1000.0),
)


def model(folder: Path, name: str = "CartPole-v1", **changes) -> Path:
    """A random one of a layer."""
    from transformers import DecisionTransformerConfig, DecisionTransformerModel

    sizes = {"CartPole-v1": (4, 2, False, CART), "Pendulum-v1": (3, 1, True, PENDULUM)}
    state, action, tanh, scales = sizes[name]
    fields = {
        "state_dim": state,
        "act_dim": action,
        "action_tanh": tanh,
        "max_ep_len": 500,
        "hidden_size": 16,
    }
    # at the default of 0.02 every input of random layers looks the same
    fields |= {"initializer_range": 0.3}
    fields |= {
        "n_layer": 1,
        "n_head": 1,
        "bos_token_id": None,
        "eos_token_id": None,
        **asdict(scales),
        **changes,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        DecisionTransformerModel(DecisionTransformerConfig(**fields)).save_pretrained(folder)
    return folder

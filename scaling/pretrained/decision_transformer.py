"""A Decision Transformer that imitates the scripted policy of Pendulum-v1 with its own physics."""

from dataclasses import asdict
from pathlib import Path

from scaling.data import environments
from scaling.data.trajectories import TOKENS, encoded, loss, padded, scales, windows
from scaling.pretrained import fit

EPISODES, NOISE = 300, 0.3
WINDOW = 64 // TOKENS  # timesteps, which is what a run's default length holds
STEPS, LR = 500, 2e-3


def make(folder: Path, name: str = "Pendulum-v1") -> None:
    import torch
    from transformers import DecisionTransformerConfig, DecisionTransformerModel

    environment = environments.make(name, {})
    spaces = environments.spaces(environment)
    seeds = environments.seeds(EPISODES, 0)
    episodes = list(environments.recorded(name, environment, seeds, NOISE))
    known = scales(episodes)
    torch.manual_seed(0)
    config = DecisionTransformerConfig(
        state_dim=spaces.observation,
        act_dim=spaces.actions,
        action_tanh=spaces.bounds is not None,
        max_ep_len=environment.spec.max_episode_steps,
        hidden_size=64,
        n_layer=3,
        n_head=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
        **asdict(known),
    )
    model = DecisionTransformerModel(config)
    examples = [encoded(window, known, spaces) for window in windows(episodes, WINDOW)]
    print(f"loss {fit(model, examples, padded, steps=STEPS, lr=LR, loss=loss):.4f}")
    model.save_pretrained(folder)

"""Actions from episodes that others have played: a Decision Transformer, and how it does in the
environment.

Data: a record an episode, with columns observations actions rewards (or those named, in this
order), a list of each a row a step. Without files a scripted policy, disturbed by noise, plays
Pendulum-v1 under heavier gravity (CartPole-v1 with a longer pole), and the model is one that was
trained at the environment's own physics. A timestep is three tokens of --length. The return is
compared with that of random actions, score 0, and of the reference, score 100: the scripted policy
without noise or, where the environment has none, the data.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from scaling.core.config import Config
from scaling.core.records import Record
from scaling.core.task import Data, Loaded, Task
from scaling.data import environments, trajectories
from scaling.data.episodes import read_episodes
from scaling.evaluation.rollouts import rollouts
from scaling.models.loading import pretrained

PHYSICS = ("gravity", "mass", "length", "force")
NOISE = 0.3  # the largest part of random actions in an episode that is recorded
RECORDED, PLAYED = 1, 2  # what seeds are for
EMBEDDED = {"Pendulum-v1": "decision_transformer", "CartPole-v1": "cart_pole_transformer"}
HIGH = 0.9  # the quantile of the data's returns that is aimed at
THIN = ("embed_return", "embed_state", "embed_action", "predict_action")


@dataclass(frozen=True)
class Options:
    """Physics are factors of the environment's own. The default data have a change of their own
    where none is named."""

    environment: str = "Pendulum-v1"
    gravity: float | None = None
    mass: float | None = None
    """of the pendulum, or of the pole"""
    length: float | None = None
    """of the pendulum, or of the pole"""
    force: float | None = None
    """that pushes the cart"""
    episodes: int = 150
    """that are recorded where no data are given"""
    rollouts: int = 20
    """episodes of the evaluation"""
    target_return: float | None = None
    """that the model is asked for; by default one that a tenth of the data reach"""

    def __post_init__(self) -> None:
        if not isinstance(self.environment, str):
            raise ValueError(f"environment must be a name, got {self.environment!r}")
        for name in PHYSICS:
            if (value := getattr(self, name)) is not None and not (_finite(value) and value > 0):
                raise ValueError(f"{name} must be a positive number, got {value!r}")
        for name in ("episodes", "rollouts"):
            if not isinstance(value := getattr(self, name), int) or value < 1:
                raise ValueError(f"{name} must be a whole number, at least 1, got {value!r}")
        if self.target_return is not None and not _finite(self.target_return):
            raise ValueError(f"target_return must be a number, got {self.target_return!r}")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def data(config: Config) -> Data:
    options = TASK.options(config)
    if config.data.test is not None or config.data.hold_out:
        raise ValueError(
            "offline_rl is evaluated by playing in the environment: it takes neither test nor "
            "hold_out"
        )
    if (steps := config.data.length // trajectories.TOKENS) < 1:
        raise ValueError(
            f"length must be at least {trajectories.TOKENS} tokens, a timestep, got "
            f"{config.data.length}"
        )
    name, change = options.environment, _change(config, options)
    environment = environments.make(name, change)
    spaces = environments.spaces(environment)
    if config.data.train is None:
        seeds = environments.seeds(options.episodes, config.seed, RECORDED)
        episodes = list(environments.recorded(name, environment, seeds, NOISE))
    else:
        episodes = read_episodes(config, spaces)
    returns = [float(episode["rewards"].sum()) for episode in episodes]
    target = (
        float(np.quantile(returns, HIGH))
        if options.target_return is None
        else float(options.target_return)
    )
    seeds = environments.seeds(options.rollouts, 0, PLAYED)[: config.data.limit]
    aimless = environments.random_policy(environment, seeds[0])
    policy = environments.scripted(name, environment)
    reference = np.mean(returns if policy is None else _played(environment, policy, seeds))
    facts = {
        "environment": name,
        "change": change,
        "target_return": target,
        "random_return": float(np.mean(_played(environment, aimless, seeds))),
        "reference_return": float(reference),
    }
    test = [{"episode": number, "seed": seed} for number, seed in enumerate(seeds)]
    return Data(trajectories.windows(episodes, steps), test, facts)


def _change(config: Config, options: Options) -> dict[str, float]:
    named = {
        name: float(value) for name in PHYSICS if (value := getattr(options, name)) is not None
    }
    if named or config.data.train is not None or options.environment not in environments.SCRIPTS:
        return named
    return environments.SCRIPTS[options.environment].change


def _played(environment: Any, policy: environments.Policy, seeds: Sequence[int]) -> list[float]:
    return [
        float(environments.episode(environment, policy, seed)["rewards"].sum()) for seed in seeds
    ]


def load(config: Config, data: Data) -> Loaded:
    """The four layers next to the environment's few numbers are narrower than a rank, and are
    trained whole; the heads for states and returns, which no loss reaches, are taken away."""
    from transformers import DecisionTransformerModel

    from scaling.pretrained import folder_of

    name = data.facts["environment"]
    if config.data.model is None and name not in EMBEDDED:
        raise ValueError(
            f"there is no model for {name!r} by default, only for {', '.join(EMBEDDED)}: pass "
            "--model"
        )
    source = config.data.model or folder_of(EMBEDDED[name])
    loaded = pretrained(config, DecisionTransformerModel, source, trajectories.Scales)
    model: Any = loaded.model
    environment = environments.make(name, {})
    spaces = environments.spaces(environment)
    for field, here, what in (
        ("state_dim", spaces.observation, "numbers of an observation"),
        (
            "act_dim",
            spaces.actions,
            "numbers of an action" if spaces.bounds is not None else "actions",
        ),
    ):
        if (there := getattr(model.config, field)) != here:
            raise ValueError(
                f"the model {source} has {field} {there}, but {name} has {here} {what}"
            )
    if spaces.bounds is None and model.config.action_tanh:
        raise ValueError(
            f"the model {source} has action_tanh, which bounds the logits of choices: set it false"
        )
    last = max(window["start"] + len(window["actions"]) for window in data.train)
    longest = max(environment.spec.max_episode_steps, last)
    if longest > model.config.max_ep_len:
        raise ValueError(
            f"the model {source} has max_ep_len {model.config.max_ep_len}, but an episode "
            f"{longest} steps"
        )
    model.predict_state = model.predict_return = nn.Identity()
    settled = ("predict_state", "predict_return", *THIN)
    return loaded._replace(
        fresh=(*(name for name in loaded.fresh if not name.startswith(settled)), *THIN)
    )


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    # of the test: an episode has its input only once it is played
    if records and "seed" in records[0]:
        return list(records)
    spaces = environments.spaces(environments.make(data.facts["environment"], {}))
    return [trajectories.encoded(record, loaded.processor, spaces) for record in records]


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    return trajectories.padded


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    model: Any = loaded.model
    rows: list[Record] = []
    for start in range(0, len(records), batch_size):
        seeds = [record["seed"] for record in records[start : start + batch_size]]
        made = [environments.make(data.facts["environment"], data.facts["change"]) for _ in seeds]
        rows += rollouts(
            model,
            loaded.processor,
            environments.spaces(made[0]),
            made,
            seeds,
            target=data.facts["target_return"],
            length=config.data.length // trajectories.TOKENS,
            longest=model.config.max_ep_len,
        )
    return [record | row for record, row in zip(records, rows, strict=True)]


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    """The score is D4RL's: 0 for random actions, 100 for the reference."""
    mean = sum(row["return"] for row in rows) / len(rows)
    low, high = data.facts["random_return"], data.facts["reference_return"]
    score = {"normalised_score": 100 * (mean - low) / (high - low)} if high > low else {}
    return score | {"return": mean, "reference_return": high, "random_return": low}


def loss(loaded: Loaded) -> Callable[[nn.Module, dict[str, Tensor]], Tensor]:
    return trajectories.loss


def score(row: Record) -> float:
    return row["return"]


TASK = Task(
    data,
    load,
    examples,
    collate,
    predict,
    metrics,
    loss,
    score,
    quantises=False,
    Options=Options,
)

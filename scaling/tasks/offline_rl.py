"""Actions from episodes that others have played: a Decision Transformer, and how it does in the environment.

Data: a record an episode, with columns observations actions rewards (or those named, in this order), a list of each a
row a step. Without files a scripted policy, disturbed by noise, plays Pendulum-v1 under heavier gravity (CartPole-v1
with a longer pole), and the model is one that was trained at the environment's own physics. A timestep is three tokens
of --length. The return is compared with that of random actions, score 0, and of the reference, score 100: the
scripted policy without noise or, where the environment has none, the data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from scaling import environments, trajectories
from scaling.config import Config
from scaling.environments import Spaces
from scaling.reading import check_columns, limited, pretrained, read
from scaling.rollouts import rollouts
from scaling.task import Data, Loaded, Record, Task

PHYSICS = ("gravity", "mass", "length", "force")
NOISE = 0.3
EMBEDDED = {"Pendulum-v1": "decision_transformer", "CartPole-v1": "cart_pole_transformer"}
HIGH = 0.9  # the quantile of the data's returns that is aimed at
THIN = ("embed_return", "embed_state", "embed_action", "predict_action")


@dataclass(frozen=True)
class Options:
    """Physics are factors of the environment's own. The default data have a change of their own where none is named."""

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
        for name in PHYSICS:
            if (value := getattr(self, name)) is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be positive and finite, got {value}")
        for name in ("episodes", "rollouts"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.target_return is not None and not abs(self.target_return) < float("inf"):
            raise ValueError(f"target_return must be finite, got {self.target_return}")


def data(config: Config) -> Data:
    options = TASK.options(config)
    if config.test is not None or config.hold_out:
        raise ValueError("offline_rl is evaluated by playing in the environment: it takes neither test nor hold_out")
    if (steps := config.length // trajectories.TOKENS) < 1:
        raise ValueError(f"length must be at least {trajectories.TOKENS}, the tokens of a timestep, got {config.length}")
    name, change = options.environment, _change(config, options)
    environment = environments.make(name, change)
    spaces = environments.spaces(environment)
    if config.train is None:
        seeds = environments.seeds(options.episodes, config.seed, 1)
        episodes = list(environments.recorded(name, environment, seeds, NOISE))
    else:
        episodes = _read(config, spaces)
    returns = [float(episode["rewards"].sum()) for episode in episodes]
    target = float(np.quantile(returns, HIGH)) if options.target_return is None else float(options.target_return)
    seeds = environments.seeds(options.rollouts, 0, 2)
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
    return limited(config, Data(trajectories.windows(episodes, steps), [{"seed": seed} for seed in seeds], facts))


def _change(config: Config, options: Options) -> dict[str, float]:
    named = {name: float(value) for name in PHYSICS if (value := getattr(options, name)) is not None}
    if named or config.train is not None or options.environment not in environments.SCRIPTS:
        return named
    return environments.SCRIPTS[options.environment].change


def _played(environment: Any, policy: environments.Policy, seeds: Sequence[int]) -> list[float]:
    return [float(environments.episode(environment, policy, seed)["rewards"].sum()) for seed in seeds]


def _read(config: Config, spaces: Spaces) -> list[dict[str, np.ndarray]]:
    columns = config.columns or ("observations", "actions", "rewards")
    if len(columns) != 3:
        raise ValueError(f"columns must be observations actions rewards, got {len(columns)} of them")
    assert config.train is not None
    splits = read(config.train)
    records = splits.get("train") or next(iter(splits.values()))
    check_columns(records, columns)
    return [_episode(record, columns, spaces, f"record {number}") for number, record in enumerate(records, 1)]


def _episode(record: Record, columns: Sequence[str], spaces: Spaces, where: str) -> dict[str, np.ndarray]:
    """The three arrays of a record; raises ValueError where they do not fit each other or the environment."""
    choices = spaces.low is None
    shapes = {"observations": (spaces.observation,), "actions": () if choices else (spaces.actions,), "rewards": ()}
    found: dict[str, np.ndarray] = {}
    for (name, shape), column in zip(shapes.items(), columns, strict=True):
        try:
            rows = [np.asarray(row, dtype=np.float64) for row in record[column]]
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {column!r} must be a list of numbers, or of lists of them") from error
        if not rows or any(row.shape != shape for row in rows):
            each = f"{shape[0]} numbers" if shape else "a number"
            raise ValueError(f"{where}: {column!r} must have {each} a step, as the environment has")
        found[name] = np.stack(rows)
        if not np.isfinite(found[name]).all():
            raise ValueError(f"{where}: {column!r} holds a value that is not finite")
        if len(rows) != len(found["observations"]):
            raise ValueError(f"{where}: {column!r} has {len(rows)} steps, {columns[0]!r} {len(found['observations'])}")
    actions = found["actions"]
    if choices:
        found["actions"] = actions.astype(np.int64)
        if (found["actions"] != actions).any() or actions.min() < 0 or actions.max() >= spaces.actions:
            raise ValueError(f"{where}: {columns[1]!r} must be whole numbers from 0 to {spaces.actions - 1}")
    elif (actions < spaces.low).any() or (actions > spaces.high).any():
        raise ValueError(f"{where}: {columns[1]!r} must lie within the environment's bounds {spaces.low}, {spaces.high}")
    return found


def load(config: Config, data: Data) -> Loaded:
    """The four layers next to the environment's few numbers are narrower than a rank, and are trained whole; the heads
    for states and returns, which no loss reaches, are taken away."""
    from transformers import DecisionTransformerModel

    from scaling.pretrained import folder_of

    name = data.facts["environment"]
    if config.model is None and name not in EMBEDDED:
        raise ValueError(f"there is no model for {name!r} by default, only for {', '.join(EMBEDDED)}: pass --model")
    source = config.model or folder_of(EMBEDDED[name])
    loaded = pretrained(config, DecisionTransformerModel, source, trajectories.Scales)
    model: Any = loaded.model
    environment = environments.make(name, {})
    spaces = environments.spaces(environment)
    for field, here, what in (
        ("state_dim", spaces.observation, "numbers of an observation"),
        ("act_dim", spaces.actions, "numbers of an action" if spaces.low is not None else "actions"),
    ):
        if (there := getattr(model.config, field)) != here:
            raise ValueError(f"the model {source} has {field} {there}, but {name} has {here} {what}")
    if spaces.low is None and model.config.action_tanh:
        raise ValueError(f"the model {source} has action_tanh, which bounds the logits of {name}'s actions: set it false")
    longest = environment.spec.max_episode_steps or 0
    longest = max(longest, *(window["start"] + len(window["actions"]) for window in data.train))
    if longest > model.config.max_ep_len:
        raise ValueError(f"the model {source} has max_ep_len {model.config.max_ep_len}, but an episode {longest} steps")
    model.predict_state = model.predict_return = nn.Identity()
    fresh = [name for name in loaded.fresh if not name.startswith(("predict_state", "predict_return"))]
    return loaded._replace(fresh=tuple(dict.fromkeys((*fresh, *THIN))))


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    if records and "seed" in records[0]:  # of the test: an episode has its input only once it is played
        return list(records)
    spaces = environments.spaces(environments.make(data.facts["environment"], {}))
    return [trajectories.encoded(record, loaded.processor, spaces) for record in records]


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    return trajectories.padded


def predict(
    config: Config, loaded: Loaded, data: Data, records: Sequence[Record], examples: Sequence[Record], batch_size: int
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
            length=config.length // trajectories.TOKENS,
            longest=model.config.max_ep_len,
        )
    return [{"episode": number} | row for number, row in enumerate(rows)]


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    """The score is D4RL's: 0 for random actions, 100 for the reference."""
    mean = sum(row["return"] for row in rows) / len(rows)
    low, high = data.facts["random_return"], data.facts["reference_return"]
    score = {"normalized_score": 100 * (mean - low) / (high - low)} if high > low else {}
    return score | {"return": mean, "reference_return": high, "random_return": low}


TASK = Task(data, load, examples, collate, predict, metrics, trajectories.loss, Options=Options)

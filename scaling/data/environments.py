"""Gymnasium environments: how they are made with other physics, what they take, and scripted
policies for two of them.

Pendulum-v1    theta'' = 3g/(2l) sin(theta) + 3u/(m l^2), theta = 0 upright. Far from the top the
torque u pumps the
               energy E = theta'^2/2 + 3g/(2l) cos(theta) up to that of rest at the top; near it,
                   where the torque is
               enough, u cancels gravity and adds critically damped PD control.
CartPole-v1    the cart is pushed to the side to which a weighted sum of the state leans.

The policies read the physics from the environment, so that they are as good after a change.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Policy = Callable[[np.ndarray], Any]  # an observation to an action


class Spaces(NamedTuple):
    """What a policy reads and writes: `actions` numbers within bounds or, without bounds, one of so
    many choices."""

    observation: int
    actions: int
    bounds: tuple[np.ndarray, np.ndarray] | None

    def encoded(self, actions: np.ndarray) -> np.ndarray:
        """Actions, one a row, as a model takes them: scaled to [-1, 1], or one-hot."""
        if self.bounds is None:
            return np.eye(self.actions, dtype=np.float32)[actions]
        low, high = self.bounds
        return (2 * (actions - low) / (high - low) - 1).astype(np.float32)

    def decoded(self, output: np.ndarray) -> Any:
        """The action that a model's output, scaled likewise or logits, means."""
        if self.bounds is None:
            return int(output.argmax())
        low, high = self.bounds
        return (low + (output.clip(-1, 1) + 1) / 2 * (high - low)).astype(np.float32)


@dataclass(frozen=True)
class Script:
    """What is known of an environment: a policy, the attributes of its physics, and a change that
    asks for another policy."""

    policy: Callable[[Any, np.ndarray], Any]
    physics: dict[str, str]
    change: dict[str, float]


def make(name: str, change: Mapping[str, float]) -> Any:
    """The environment with its physics multiplied by the factors of `change`.

    Raises ValueError where it, or Gymnasium, is not installed, or it has no such physics, or
    episodes without end.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise ValueError("environments need Gymnasium: pip install 'loralab[rl]'") from error
    try:
        environment = gymnasium.make(name, disable_env_checker=True)
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(
            f"cannot make the environment {name!r}: {' '.join(str(error).split())[:300]}"
        ) from error
    if environment.spec is None or environment.spec.max_episode_steps is None:
        raise ValueError(f"episodes of {name!r} need not end: register it with max_episode_steps")
    inner: Any = environment.unwrapped
    known = SCRIPTS[name].physics if name in SCRIPTS else {}
    for factor, value in change.items():
        if factor not in known:
            has = (
                f"it has {', '.join(known)}"
                if known
                else f"only that of {', '.join(SCRIPTS)} can be"
            )
            raise ValueError(f"{factor} of {name!r} cannot be changed; {has}")
        setattr(inner, known[factor], value * getattr(inner, known[factor]))
    if name == "CartPole-v1":  # which keeps these two products of its masses and length
        inner.total_mass, inner.polemass_length = (
            inner.masspole + inner.masscart,
            inner.masspole * inner.length,
        )
    return environment


def spaces(environment: Any) -> Spaces:
    """Raises ValueError for spaces other than a vector of numbers, and one within bounds or a few
    choices."""
    from gymnasium.spaces import Box, Discrete

    seen, done = environment.observation_space, environment.action_space
    if not (isinstance(seen, Box) and len(seen.shape) == 1):
        raise ValueError(f"observations must be vectors (a one-dimensional Box), got {seen}")
    if isinstance(done, Discrete) and done.start == 0:
        return Spaces(seen.shape[0], int(done.n), None)
    if isinstance(done, Box) and len(done.shape) == 1 and done.is_bounded():
        return Spaces(seen.shape[0], done.shape[0], (done.low, done.high))
    raise ValueError(
        f"actions must be vectors within bounds (a Box) or choices from 0 on (Discrete), got {done}"
    )


def seeds(count: int, *of: int) -> list[int]:
    """Of episodes; other ones for every `of`."""
    return [int(seed) for seed in np.random.SeedSequence(of).generate_state(count)]


def scripted(name: str, environment: Any) -> Policy | None:
    """The policy that knows the environment's physics; None where there is no script for it."""
    return (
        (lambda seen: SCRIPTS[name].policy(environment.unwrapped, seen))
        if name in SCRIPTS
        else None
    )


def random_policy(environment: Any, seed: int) -> Policy:
    environment.action_space.seed(seed)
    return lambda seen: environment.action_space.sample()


def disturbed(environment: Any, policy: Policy, noise: float, seed: int) -> Policy:
    """The policy with a part `noise` of its actions replaced by random ones."""
    rng, other = np.random.default_rng(seed), random_policy(environment, seed)
    return lambda seen: other(seen) if rng.random() < noise else policy(seen)


def episode(environment: Any, policy: Policy, seed: int) -> dict[str, np.ndarray]:
    """Observations, actions and rewards, a row each a step, of one episode from its start to its
    end."""
    seen, _ = environment.reset(seed=seed)
    steps, over = [], False
    while not over:
        action = policy(seen)
        after, reward, terminated, truncated, _ = environment.step(action)
        steps.append((seen, action, reward))
        seen, over = after, terminated or truncated
    observations, actions, rewards = zip(*steps, strict=True)
    return {
        "observations": np.stack(observations),
        "actions": np.stack(actions),
        "rewards": np.array(rewards),
    }


def recorded(
    name: str, environment: Any, seeds: Sequence[int], noise: float
) -> Iterator[dict[str, np.ndarray]]:
    """Episodes of the scripted policy, each with a noise of its own between 0 and `noise`."""
    policy = scripted(name, environment)
    if policy is None:
        raise ValueError(
            f"there is no scripted policy for {name!r}, only for {', '.join(SCRIPTS)}: pass --train"
        )
    for number, seed in enumerate(seeds):
        level = noise * number / max(1, len(seeds) - 1)
        yield episode(environment, disturbed(environment, policy, level, seed), seed)


def _pendulum(physics: Any, seen: np.ndarray) -> np.ndarray:
    cosine, sine, speed = map(float, seen)
    angle, gravity, inertia = (
        math.atan2(sine, cosine),
        1.5 * physics.g / physics.l,
        physics.m * physics.l**2 / 3,
    )
    rate = math.sqrt(2 * gravity)
    torque = -inertia * ((rate**2 + gravity) * angle + 2 * rate * speed)
    if abs(angle) > 0.5 or abs(torque) > 2 * physics.max_torque:
        torque = 3 * inertia * (gravity * (1 - cosine) - speed**2 / 2) * math.copysign(1, speed)
    return np.array([torque], np.float32).clip(-physics.max_torque, physics.max_torque)


def _cart_pole(physics: Any, seen: np.ndarray) -> int:
    position, speed, angle, rotation = map(float, seen)
    return int(
        0.1 * position + 0.2 * speed + 3 * angle + math.sqrt(2 * physics.length) * rotation > 0
    )


SCRIPTS = {
    "Pendulum-v1": Script(
        _pendulum, {"gravity": "g", "mass": "m", "length": "l"}, {"gravity": 1.5}
    ),
    "CartPole-v1": Script(
        _cart_pole,
        {"gravity": "gravity", "mass": "masspole", "length": "length", "force": "force_mag"},
        {"length": 8.0},
    ),
}

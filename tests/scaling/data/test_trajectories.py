"""What a Decision Transformer is fed: environments with other physics, windows of episodes, and its
own rollouts."""

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("gymnasium")

from scaling.data import environments, trajectories
from scaling.data.trajectories import Scales
from scaling.evaluation.rollouts import rollouts
from tests.support.decision_transformer import CART, model

EPS = torch.finfo(torch.float32).eps


@pytest.mark.parametrize("change", [{}, {"gravity": 1.5}, {"mass": 2.0, "length": 0.5}])
def test_the_physics_are_those_of_the_equation(change):
    env = environments.make("Pendulum-v1", change)
    g, m, l = (
        change.get(name, 1.0) * own
        for name, own in (("gravity", 10.0), ("mass", 1.0), ("length", 1.0))
    )
    (_, sine, speed), _ = env.reset(seed=3)
    torque = np.array([0.7], np.float32)
    expected = speed + 0.05 * (3 * g / (2 * l) * sine + 3 / (m * l**2) * 0.7)  # 0.05 s a step
    # The observation is rounded to float32 before and after: 2 eps of values of order 3 g / (2 l).
    assert env.step(torque)[0][2] == pytest.approx(expected, abs=2 * EPS * 3 * g / (2 * l))


def test_a_longer_pole_is_heavier_at_its_end():
    inner = environments.make("CartPole-v1", {"length": 8.0}).unwrapped
    assert (inner.length, inner.polemass_length) == (4.0, 4.0 * inner.masspole)


@pytest.mark.parametrize("name", environments.SCRIPTS)
def test_the_scripts_play_well_before_and_after_the_change(name):
    best = {"Pendulum-v1": -350, "CartPole-v1": 475}[name]  # 475 is what Gymnasium calls solved
    for change in ({}, environments.SCRIPTS[name].change):
        env = environments.make(name, change)
        policy = environments.scripted(name, env)
        assert policy is not None
        played = [
            environments.episode(env, policy, seed)["rewards"].sum()
            for seed in environments.seeds(10, 3)
        ]
        assert np.mean(played) > best


def test_windows_hold_every_step_with_what_is_still_to_come():
    rewards = [np.arange(1.0, steps + 1) for steps in (3, 7, 10)]
    made = [{"observations": r[:, None], "actions": r[:, None], "rewards": r} for r in rewards]
    windows = trajectories.windows(made, 4)
    # short where all is
    assert [len(window["actions"]) for window in windows] == [3, *[4] * (len(windows) - 1)]
    seen = {
        (window["returns_to_go"][0] + sum(range(1, window["start"] + 1)), s)
        for window in windows
        for s in range(window["start"], window["start"] + len(window["actions"]))
    }
    assert seen == {(r.sum(), step) for r in rewards for step in range(len(r))}
    for window in windows:
        assert window["observations"][0, 0] == window["start"] + 1
        assert (-np.diff(window["returns_to_go"]) == window["actions"][:-1, 0]).all()


def test_padding_changes_nothing(tmp_path):
    from transformers import DecisionTransformerModel

    net = DecisionTransformerModel.from_pretrained(model(tmp_path)).eval()
    spaces = environments.spaces(environments.make("CartPole-v1", {}))
    [played] = environments.recorded("CartPole-v1", environments.make("CartPole-v1", {}), [5], 0.0)
    windows = trajectories.windows(
        [{name: rows[:n] for name, rows in played.items()} for n in (3, 8)], 8
    )
    short, long = [trajectories.encoded(window, CART, spaces) for window in windows]
    assert trajectories.padded([short, long])["attention_mask"].tolist() == [
        [0] * 5 + [1] * 3,
        [1] * 8,
    ]
    with torch.no_grad():
        alone = [
            trajectories.loss(net, trajectories.padded([example])) for example in (short, long)
        ]
        together = trajectories.loss(net, trajectories.padded([short, long]))
    # A mean of cross-entropies of order 1 over the 11 steps; 50 roundings on the way to each.
    assert abs(together - (3 * alone[0] + 8 * alone[1]) / 11) <= 50 * EPS


class Scripted(torch.nn.Module):
    """Plays the scripted policy by the last state that it is shown, and keeps the rest of what it
    is shown."""

    def __init__(self, name: str, scales: Scales) -> None:
        super().__init__()
        self.name, self.scales, self.shown = name, scales, []
        self.device = torch.nn.Parameter(torch.zeros(()))

    def forward(self, states, actions, returns_to_go, timesteps, attention_mask):
        self.shown.append((returns_to_go[0, -1, 0].item(), actions[0], timesteps[0]))
        spaces = environments.spaces(env := environments.make(self.name, {}))
        seen = states[:, -1].double().numpy() * self.scales.state_std + self.scales.state_mean
        chosen = [environments.SCRIPTS[self.name].policy(env.unwrapped, row) for row in seen]
        said = torch.from_numpy(spaces.encoded(np.stack(chosen)))
        return type("Output", (), {"action_preds": said[:, None]})


@pytest.mark.parametrize("name", environments.SCRIPTS)
def test_a_rollout_plays_what_the_model_says_and_shows_it_what_has_been(name):
    scales = Scales((0.5,) * 3, (2.0, 1.0, 4.0), 100.0) if name == "Pendulum-v1" else CART
    made, seeds = [environments.make(name, {}) for _ in range(3)], environments.seeds(3, 9)
    policy = environments.scripted(name, made[0])
    assert policy is not None
    expected = [environments.episode(made[0], policy, seed) for seed in seeds]
    player = Scripted(name, scales)
    rows = rollouts(
        player,
        scales,
        environments.spaces(made[0]),
        made,
        seeds,
        target=40.0,
        length=5,
        longest=500,
    )
    for row, episode in zip(rows, expected, strict=True):
        assert row["length"] == len(episode["rewards"])
        assert not row["terminated"]
        # Rounding the state to float32 moves a return of order 300 by little: the policy brings it
        # back.
        assert row["return"] == pytest.approx(episode["rewards"].sum(), rel=1e-3)
    for step in (0, 3, 50):
        to_go, actions, timesteps = player.shown[step]
        assert to_go == pytest.approx(
            (40.0 - expected[0]["rewards"][:step].sum()) / scales.return_scale, abs=1e-3
        )
        assert timesteps.tolist() == list(range(max(0, step - 4), step + 1))
        before = environments.spaces(made[0]).encoded(
            expected[0]["actions"][max(0, step - 4) : step]
        )
        assert actions[:-1].numpy() == pytest.approx(before, abs=1e-3)
        assert not actions[-1].any()

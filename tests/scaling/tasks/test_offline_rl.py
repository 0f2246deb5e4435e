"""The task offline_rl: a tiny Decision Transformer learns to play, and what is wrong with the input
is said."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("gymnasium")

from scaling.core.config import Config
from scaling.data import environments
from scaling.evaluation.rollouts import rollouts
from tests.support.decision_transformer import CART, model
from tests.support.finetuning import call
from tests.support.killing import ending, kill_at


@pytest.fixture(scope="module")
def cart_pole(tmp_path_factory) -> Path:
    return model(tmp_path_factory.mktemp("model"))


def episodes(name: str, count: int, noise: float = 0.3, steps: int | None = None) -> list[dict]:
    seeds = environments.seeds(count, 7)
    played = environments.recorded(name, environments.make(name, {}), seeds, noise)
    return [
        {column: rows[:steps].tolist() for column, rows in episode.items()} for episode in played
    ]


def arguments(
    folder: Path, model: Path, *options: object, environment: str = "CartPole-v1", **named: object
) -> list:
    given = {
        "task": "offline_rl",
        "model": model,
        "out": folder / "run",
        "store": folder / "store.sqlite",
    }
    given |= {"steps": 12, "batch": 8, "length": 24, "rank": 4, "save-every": 4, **named}
    flags = [part for key, value in given.items() for part in (f"--{key}", str(value))]
    return [*flags, "--task-options", "environment", environment, *map(str, options)]


def result_of(folder: Path) -> dict:
    return json.loads((folder / "run" / "metrics.json").read_text())


def test_a_run_learns_to_balance_from_given_episodes(tmp_path, capsys):
    base = model(tmp_path / "model", initializer_range=0.02)
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in episodes("CartPole-v1", 12))
    )
    named = {
        "train": tmp_path / "train.jsonl",
        "steps": 80,
        "batch": 16,
        "lr": 0.01,
        "save-every": 100,
    }
    assert call(arguments(tmp_path, base, "rollouts", 4, **named)) == 0
    result = result_of(tmp_path)
    assert result["before"]["return"] < 50  # a random model, as good as random actions
    assert result["metrics"]["return"] > 200
    assert result["metrics"]["reference_return"] == 500
    rows = [
        json.loads(line)
        for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    ]
    assert [row["episode"] for row in rows] == [0, 1, 2, 3]
    assert np.mean([row["return"] for row in rows]) == result["metrics"]["return"]
    low = result["metrics"]["random_return"]
    score = 100 * (result["metrics"]["return"] - low) / (500 - low)
    assert result["metrics"]["normalised_score"] == pytest.approx(score)
    assert f"normalised_score {score:.4g}" in capsys.readouterr().out


def test_a_run_learns_to_balance_in_bfloat16(tmp_path):
    """Its four thin layers, trained whole, are held in float32."""
    base = model(tmp_path / "model", initializer_range=0.02)
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in episodes("CartPole-v1", 12))
    )
    named = {"train": tmp_path / "train.jsonl", "steps": 80, "batch": 16, "lr": 0.01}
    named |= {"save-every": 100, "precision": "bfloat16"}
    assert call(arguments(tmp_path, base, "rollouts", 4, **named)) == 0
    result = result_of(tmp_path)
    assert result["before"]["return"] < 50 < 200 < result["metrics"]["return"]


# of PEFT's, about transformers
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("more", [("--scheme", "lora_ga"), ("--variant", "dora")])
def test_stock_peft_plays_as_the_run_did(cart_pole, tmp_path, more):
    import peft
    from transformers import DecisionTransformerModel

    assert (
        call(
            [
                *arguments(
                    tmp_path, cart_pole, "rollouts", 3, "episodes", 5, "target_return", 250, lr=0.02
                ),
                *more,
            ]
        )
        == 0
    )
    base = DecisionTransformerModel.from_pretrained(cart_pole)
    stock = peft.PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).eval()
    rows = [
        json.loads(line)
        for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    ]
    made = [
        environments.make("CartPole-v1", environments.SCRIPTS["CartPole-v1"].change) for _ in rows
    ]
    spaces, seeds = environments.spaces(made[0]), [row["seed"] for row in rows]
    options = {"target": 250.0, "length": 8, "longest": 500}
    with torch.no_grad():
        played = rollouts(stock, CART, spaces, made, seeds, **options)
        with stock.disable_adapter():
            other = rollouts(stock, CART, spaces, made, seeds, **options)
    # Choices: they are the same as long as no two logits are nearer to each other than rounding is.
    assert [row["return"] for row in played] == [row["return"] for row in rows]
    assert [row["return"] for row in other] != [row["return"] for row in rows]


def test_a_run_that_starts_from_data_resumes_to_the_same_bits(tmp_path):
    base = model(tmp_path / "model", "Pendulum-v1", resid_pdrop=0.1)
    for place in ("whole", "cut"):
        (tmp_path / place).mkdir()
    options = ("rollouts", 1, "episodes", 4, "gravity", 1.2)
    given = {
        place: [
            *arguments(tmp_path / place, base, *options, environment="Pendulum-v1"),
            "--scheme",
            "eva",
        ]
        for place in ("whole", "cut")
    }
    assert call(given["whole"]) == 0
    kill_at(9, given["cut"])
    assert call([*given["cut"], "--resume"]) == 0
    assert ending(tmp_path / "cut" / "run") == ending(tmp_path / "whole" / "run")


def test_parquet_reads_as_jsonl_does(tmp_path):
    import pandas

    from scaling.data.episodes import read_episodes

    rows = episodes("Pendulum-v1", 2, steps=6)
    pandas.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spaces = environments.spaces(environments.make("Pendulum-v1", {}))
    one, other = (
        read_episodes(Config.of(task="offline_rl", train=str(tmp_path / f"a.{kind}")), spaces)
        for kind in ("parquet", "jsonl")
    )
    for a, b, row in zip(one, other, rows, strict=True):
        for name, value in row.items():
            assert np.array_equal(a[name], b[name])
            assert np.array_equal(a[name], np.array(value))


ROW = {"observations": [[0.0] * 4] * 2, "actions": [0, 1], "rewards": [1.0, 1.0]}
WRONG = {
    "is not a column": ({"steps": [1]}, "no column 'observations'"),
    "observations of another width": (
        ROW | {"observations": [[0.0] * 3] * 2},
        r"line 1 of .*: 'observations' .* a list of 4",
    ),
    "another number of actions": (
        ROW | {"actions": [0]},
        "'actions' has 1 steps, but 'observations' has 2",
    ),
    "an action that is no choice": (
        ROW | {"actions": [0, 2]},
        "'actions' must be whole numbers from 0 to 1",
    ),
    "half an action": (ROW | {"actions": [0, 0.5]}, "'actions' must be whole numbers from 0 to 1"),
    "no number": (
        ROW | {"rewards": [1.0, "much"]},
        r"line 1 of .*: 'rewards' must be a list of numbers",
    ),
    "infinity": (
        ROW | {"rewards": [1.0, math.inf]},
        r"line 1 of .*: 'rewards' holds a value that is not finite",
    ),
    "no step": (ROW | {"observations": []}, r"line 1 of .*: 'observations' must have"),
}


def refused(capsys, given: list, expected: str) -> None:
    import re

    assert call(given) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert re.search(expected, line), line


@pytest.mark.parametrize("case", WRONG)
def test_episodes_that_do_not_fit_are_refused(cart_pole, tmp_path, capsys, case):
    row, expected = WRONG[case]
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    refused(capsys, arguments(tmp_path, cart_pole, train=tmp_path / "train.jsonl"), expected)
    assert not (tmp_path / "run").exists()


def test_torques_out_of_bounds_are_refused(cart_pole, tmp_path, capsys):
    rows = episodes("Pendulum-v1", 1, steps=3)
    rows[0]["actions"][1] = [2.5]
    (tmp_path / "train.jsonl").write_text(json.dumps(rows[0]) + "\n")
    given = arguments(
        tmp_path, cart_pole, environment="Pendulum-v1", train=tmp_path / "train.jsonl"
    )
    refused(
        capsys,
        given,
        r"line 1 of .*: 'actions' must lie between the environment's bounds \[-2.\] and \[2.\]",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"state_dim": 5, "state_mean": [0.0] * 5, "state_std": [1.0] * 5},
            "state_dim 5, but CartPole-v1 has 4",
        ),
        ({"act_dim": 3}, "act_dim 3, but CartPole-v1 has 2"),
        ({"action_tanh": True}, "action_tanh"),
        ({"max_ep_len": 100}, "max_ep_len 100, but an episode 500 steps"),
        ({"state_mean": [0.0] * 3}, "config.json must say by state_mean, 4 numbers"),
        ({"state_std": None}, "config.json must say by state_std, 4 numbers"),
        ({"return_scale": 0}, "config.json must say by return_scale, a positive number"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path, capsys, changes, expected):
    base = model(tmp_path / "model", **changes)
    refused(capsys, arguments(tmp_path, base, "episodes", 1, "rollouts", 1), expected)


@pytest.mark.parametrize(
    ("options", "named", "expected"),
    [
        (
            ("force", 2),
            {"environment": "Pendulum-v1"},
            "force of 'Pendulum-v1' cannot be changed; it has gravity, mass",
        ),
        (("mass", -1), {}, "mass must be a positive number, got -1"),
        (("rollouts", 0), {}, "rollouts must be a whole number, at least 1, got 0"),
        (("target_return", "high"), {}, "target_return must be a number, got 'high'"),
        ((), {"environment": "Pong-v99"}, "cannot make the environment 'Pong-v99'"),
        (
            (),
            {"environment": "MountainCar-v0"},
            "no scripted policy for 'MountainCar-v0'.* pass --train",
        ),
        ((), {"environment": "FrozenLake-v1"}, "observations must be vectors"),
        ((), {"length": 2}, "length must be at least 3"),
        (("--hold-out", "a", "b"), {}, "takes neither test nor hold_out"),
    ],
)
def test_options_that_do_not_fit_are_refused(cart_pole, tmp_path, capsys, options, named, expected):
    refused(capsys, arguments(tmp_path, cart_pole, *options, **named), expected)


def test_an_environment_without_end_is_refused(cart_pole, tmp_path, capsys, monkeypatch):
    import gymnasium
    from gymnasium.envs.registration import EnvSpec

    endless = EnvSpec("Endless-v0", gymnasium.spec("CartPole-v1").entry_point)
    monkeypatch.setitem(gymnasium.registry, "Endless-v0", endless)
    refused(
        capsys,
        arguments(tmp_path, cart_pole, environment="Endless-v0"),
        "episodes of 'Endless-v0' need not end",
    )


def test_without_gymnasium_the_extra_is_named(cart_pole, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    refused(capsys, arguments(tmp_path, cart_pole), r"pip install 'loralab\[rl\]'")


@pytest.mark.parametrize("name", ["decision_transformer", "cart_pole_transformer"])
def test_the_base_of_a_few_steps_loads(tmp_path, monkeypatch, name):
    from scaling import pretrained
    from scaling.pretrained import decision_transformer

    for constant, value in (("EPISODES", 2), ("STEPS", 2)):
        monkeypatch.setattr(decision_transformer, constant, value)
    with torch.random.fork_rng(devices=[]):
        pretrained.make(name, tmp_path / "base")
    monkeypatch.setattr(pretrained, "folder_of", lambda name: str(tmp_path / "base"))
    environment = {"decision_transformer": "Pendulum-v1", "cart_pole_transformer": "CartPole-v1"}[
        name
    ]
    given = arguments(
        tmp_path, tmp_path, "episodes", 2, "rollouts", 1, environment=environment, steps=1
    )
    at = given.index("--model")
    assert call(given[:at] + given[at + 2 :]) == 0
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    assert config["action_tanh"] == (environment == "Pendulum-v1")
    assert len(config["state_mean"]) == config["state_dim"]

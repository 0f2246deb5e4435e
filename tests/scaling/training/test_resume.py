"""A run that is killed by SIGKILL and resumed ends where an uninterrupted one ends, bit for bit, on
a CPU."""

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from safetensors.torch import load_file

from tests.support.finetuning import arguments, call, tiny_bert
from tests.support.killing import ending, kill_at

# Variant, scheme and optimiser: each keeps something of its own that a checkpoint must hold.
CASES = {
    "plain": ("--dropout", "0.1"),
    "frozen pair": ("--scheme", "pissa"),
    "ranks": ("--scheme", "eva", "--scheme-options", "rho", "2.0"),
    "gradient": ("--scheme", "lora_ga"),
    "scaled": ("--optimizer", "scaled_adamw", "--ratio", "4"),
    "overparam": ("--variant", "overparam"),
    "validated": ("--lr", "0.5", "--validate-every", "3", "--patience", "2"),
    "dora": ("--variant", "dora"),
    "op_dora": ("--variant", "op_dora"),
    "dash": ("--variant", "dash", "--launch-step", "6", "--variant-options", "directions", "2"),
    "tsd": (
        "--variant",
        "tsd",
        "--scheme",
        "tsd_init",
        "--launch-step",
        "6",
        "--variant-options",
        "directions",
        "2",
    ),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    ("case", "step"), [(case, 7 if i % 2 else 9) for i, case in enumerate(CASES)]
)
def test_a_killed_run_resumes_to_the_same_bits(model, tmp_path, case, step):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    assert call(arguments(model, whole, *CASES[case])) == 0
    given = arguments(model, cut, *CASES[case])
    kill_at(step, given)
    assert [path.name for path in (cut / "run").glob("checkpoint-*")] == [
        f"checkpoint-{step // 4 * 4}"
    ]
    assert call([*given, "--resume"]) == 0
    assert ending(cut / "run") == ending(whole / "run")
    # after the four columns of B those of the directions that were chosen
    if "--launch-step" in CASES[case]:
        adapter = load_file(cut / "run" / "adapter" / "adapter_model.safetensors")
        assert all(
            value[:, 4:6].any() for key, value in adapter.items() if key.endswith("lora_B.weight")
        )


def test_a_run_killed_three_times_at_three_steps_resumes_to_the_same_bits(model, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    assert call(arguments(model, whole)) == 0
    given = arguments(model, cut)
    kill_at(2, given)  # before the first checkpoint
    kill_at(5, [*given, "--resume"])
    kill_at(11, [*given, "--resume"])
    assert call([*given, "--resume"]) == 0
    assert ending(cut / "run") == ending(whole / "run")


@pytest.mark.parametrize("steps", [8, 12])  # an epoch is 8 steps
def test_a_run_that_is_cut_off_after_its_last_step_takes_no_other(
    model, tmp_path, monkeypatch, steps
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    assert call(arguments(model, whole, steps=steps)) == 0

    def fail(*_):
        raise RuntimeError("cut off")

    given = arguments(model, cut, steps=steps)
    with monkeypatch.context() as patched:
        patched.setattr("scaling.training.running.page", fail)
        assert call(given) == 1
    assert (cut / "run" / f"checkpoint-{steps}").is_dir()
    assert call([*given, "--resume"]) == 0
    assert ending(cut / "run") == ending(whole / "run")


def test_half_a_checkpoint_is_never_taken_for_one(model, tmp_path):
    given = arguments(model, tmp_path)
    kill_at(9, given)
    half = tmp_path / "run" / ".partial" / "checkpoint-12"
    half.mkdir(parents=True)
    (half / "trainer_state.json").write_text("{")
    (tmp_path / "run" / "checkpoint-10").mkdir()  # without the file that is written last
    assert call([*given, "--resume"]) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["final_loss"] > 0

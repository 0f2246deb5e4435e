"""`loralab finetune` on two processes gives the adapter of one, whether the base is whole or
sharded."""

import os
import signal
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from safetensors.torch import load_file

import lora
from tests.support.finetuning import arguments, call, tiny_bert
from tests.support.processes import together

MICRO = ("--micro-batch", "4")  # so that one process makes the same micro-batches, two at a time
LATE = ("--launch-step", "2", "--variant-options", "directions", "2")
CASES = {scheme: ("--scheme", scheme) for scheme in lora.SCHEMES} | {
    "eva, ranks": ("--scheme", "eva", "--scheme-options", "rho", "2.0"),
    "overparam": ("--variant", "overparam"),
    "dora": ("--variant", "dora"),
    "op_dora": ("--variant", "op_dora"),
    "dash": ("--variant", "dash", *LATE),
    "tsd": ("--variant", "tsd", "--scheme", "tsd_init", *LATE),
    "scaled": ("--optimizer", "scaled_adamw"),
    "validated": ("--validate-every", "2", "--patience", "1"),
}
# one of each kind
OF_A_WHOLE_BASE = ("init_a", "pissa", "eva, ranks", "lora_ga", "overparam", "dash", "validated")
STEPS = 4


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)


def adapter(folder: Path) -> dict:
    return load_file(folder / "run" / "adapter" / "adapter_model.safetensors")


def in_two(model: Path, folder: Path, cases: dict[str, tuple[str, ...]]) -> None:
    """Run all the cases in one pair of processes, each in a folder of its own."""
    for case in cases:
        (folder / case).mkdir()
    given = {
        case: arguments(model, folder / case, *MICRO, *more, steps=STEPS)
        for case, more in cases.items()
    }

    def act(rank: int) -> list[int]:
        return [call(each) for each in given.values()]

    assert together(2, folder, act) == [[0] * len(cases)] * 2


@pytest.fixture(scope="module")
def alone(model, tmp_path_factory) -> dict[str, dict]:
    """The adapter of every case by one process."""
    found = {}
    for case, more in CASES.items():
        folder = tmp_path_factory.mktemp("alone")
        assert call(arguments(model, folder, *MICRO, *more, steps=STEPS)) == 0
        found[case] = adapter(folder)
    return found


@pytest.mark.parametrize(
    ("cases", "more"), [(OF_A_WHOLE_BASE, ()), (CASES, ("--sharded",))], ids=["whole", "sharded"]
)
def test_two_processes_give_the_adapter_of_one(model, tmp_path, alone, cases, more):
    in_two(model, tmp_path, {case: (*CASES[case], *more) for case in cases})
    for case in cases:
        expected, found = alone[case], adapter(tmp_path / case)
        assert found.keys() == expected.keys(), case
        for key, value in expected.items():
            assert found[key].shape == value.shape, (case, key)
            # The sums over tokens and over gradients are split otherwise: roundings of eps =
            # 1.2e-7, which Adam's division by the root of the second moment can raise to the size
            # of a step where a gradient is nearly zero. The worst of all cases was 3e-5 of the
            # largest entry; two processes that train apart differ by 4.
            assert (found[key] - value).abs().max() <= 1e-4 * value.abs().max().clamp_min(1e-3), (
                case,
                key,
            )
            assert value.numel(), (case, key)


@pytest.mark.parametrize("more", [(), ("--sharded",)], ids=["whole", "sharded"])
def test_killed_processes_resume_to_the_same_bits(tmp_path, more):
    from transformers import TrainerCallback

    import scaling.training.running as running

    model = tmp_path / "model"
    model.mkdir()
    tiny_bert(model)  # with dropout: each process has random numbers of its own to go on with
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole, cut = (arguments(model, tmp_path / name, *more) for name in ("whole", "cut"))
    make = running._trainer

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == 7:
                os.kill(os.getpid(), signal.SIGKILL)

    def with_kill(*of_trainer):
        trainer = make(*of_trainer)
        trainer.add_callback(Kill())
        return trainer

    def killed(rank: int) -> int:
        running._trainer = with_kill
        return call(cut)

    assert together(2, tmp_path, lambda rank: call(whole)) == [0, 0]
    assert together(2, tmp_path, killed) == [-signal.SIGKILL] * 2
    assert together(2, tmp_path, lambda rank: call([*cut, "--resume"])) == [0, 0]
    expected, found = adapter(tmp_path / "whole"), adapter(tmp_path / "cut")
    assert {k: v.numpy().tobytes() for k, v in found.items()} == {
        k: v.numpy().tobytes() for k, v in expected.items()
    }


def test_wrong_input_is_said_once(model, tmp_path, capfd):
    given = arguments(model, tmp_path, "--columns", "question", "label")
    assert together(2, tmp_path, lambda rank: call(given)) == [2, 2]
    assert capfd.readouterr().err.count("has no column 'question'") == 1
    given = arguments(model, tmp_path, "--batch", "7")
    assert together(2, tmp_path, lambda rank: call(given)) == [2, 2]
    assert capfd.readouterr().err.count("the batch of 7 must be a multiple of the 2 processes") == 1
    assert not (tmp_path / "run").exists()


def test_a_sharded_base_needs_several_processes(model, tmp_path, capsys):
    assert call(arguments(model, tmp_path, "--sharded")) == 2
    assert "start them by torchrun" in capsys.readouterr().err

"""A fine-tuning run that is killed at a step, and how one ends."""

import json
import os
import signal
from pathlib import Path

import torch
from safetensors.torch import load_file

from scaling.core.outputs import trained
from tests.support.finetuning import call


def kill_at(step: int, given: list[str]) -> None:
    """Run the command in a process of its own, which kills itself when the step after `step`
    begins."""
    from transformers import TrainerCallback

    import scaling.training.running as running

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == step:
                os.kill(os.getpid(), signal.SIGKILL)

    def with_kill(*of_trainer):
        trainer = make(*of_trainer)
        trainer.add_callback(Kill())
        return trainer

    make = running._trainer
    # a fresh interpreter would load torch and transformers for each case
    if (child := os.fork()) == 0:
        running._trainer = with_kill
        # torch gives a fork a new pool of threads at the first call that sets their number; where
        # two threads that read weights make that call at once, one of them finds no pool
        torch.set_num_threads(1)
        os._exit(call(given))
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it ended by itself with {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def ending(folder: Path) -> tuple[list, float, dict]:
    result = json.loads((folder / "metrics.json").read_text())
    [weights] = trained(folder).glob("*.safetensors")
    adapter = load_file(weights)
    return (
        result["losses"],
        result["final_loss"],
        {key: value.numpy().tobytes() for key, value in adapter.items()},
    )

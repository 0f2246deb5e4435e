"""Adapters in transformers' Trainer: checkpoints that hold them and not the base model, and the
launch of Dash and TSD at its step."""

import warnings
from pathlib import Path
from typing import Any

from torch import nn

from lora.model import attached
from lora.pretrained import CHECKPOINT, check_savable, checkpoint, take_over
from lora.storage import CONFIG, save
from lora.variants import launch as launch_now
from lora.variants.dash import DashLinear


def callback(launch: int | None = None) -> Any:
    """What the stock Trainer of transformers needs to train a model with adapters.

        lora.attach(model, lora.Config(variant="dash"))
        trainer = Trainer(model, arguments, train_dataset=data, callbacks=[lora.callback(100)])
        trainer.train()  # or later, on a model attached in the same way,
        trainer.train(resume_from_checkpoint=True)
        peft.PeftModel.from_pretrained(base, arguments.output_dir)

    Each checkpoint holds the adapter in PEFT's format and, as model.safetensors, the trained state
    from which a run goes on to the same bits; the base model is in none. In the end the adapter is
    written to the Trainer's output_dir: the best one with load_best_model_at_end. Resuming needs a
    model to which `lora.attach` gave the same adapters; those of the checkpoint are put into it.

    Args:
        launch: the step after which `lora.launch` chooses the directions of the `dash` and `tsd`
            layers, once in a run, resumed or not; the paper's is 100. Other variants have none.

    Returns: a TrainerCallback.
    Raises: ImportError without transformers; ValueError for a step that is not a positive integer.
        When training begins, ValueError for a model without adapters, for adapters that are sharded
        or merged, and for a launch that cannot come: no such layers, after the last step, or in the
        past.
    Source: the launch, arXiv:2409.01035.
    """
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise ImportError("lora.callback needs transformers: pip install 'loralab[llm]'") from error
    if launch is not None and (type(launch) is not int or launch < 1):
        raise ValueError(f"launch must be a positive integer, the step, got {launch!r}")

    class Adapters(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **now: Any) -> None:
            attached(now["model"])
            check_savable(now["model"])
            _check_launch(now["model"], launch, state.global_step, state.max_steps)
            take_over(now["model"], launch is not None)

        def on_step_end(self, args: Any, state: Any, control: Any, **now: Any) -> None:
            if state.global_step == launch:
                launch_now(now["model"], now["optimizer"])

        def on_save(self, args: Any, state: Any, control: Any, **now: Any) -> None:
            folder = Path(args.output_dir, CHECKPOINT.format(state.global_step))
            # of a model that is not transformers' the Trainer has written everything
            if args.should_save and folder.is_dir() and not (folder / CONFIG).exists():
                checkpoint(now["model"], folder, launch is not None)

        def on_train_end(self, args: Any, state: Any, control: Any, **now: Any) -> None:
            take_over(now["model"])
            if args.should_save:
                save(now["model"], args.output_dir)

    return Adapters()


def _check_launch(model: nn.Module, launch: int | None, step: int, last: int) -> None:
    """Raise ValueError where a launch after step `launch` cannot come in the steps up to `last`;
    `step` of them are done."""
    waiting = {
        name: int(layer.chosen[0]) < 0
        for name, layer in model.named_modules()
        if isinstance(layer, DashLinear)
    }
    if launch is None:
        if any(waiting.values()):
            warnings.warn(
                "nothing launches the model's 'dash' or 'tsd' layers, and until then they train as "
                "plain LoRA: pass lora.callback(launch=100), or call lora.launch yourself",
                stacklevel=2,
            )
        return
    if not waiting:
        raise ValueError(
            f"launch={launch}, but the model has no layer of variant 'dash' or 'tsd' to launch"
        )
    if launch >= last:
        raise ValueError(f"launch={launch} needs more than {last} steps of training")
    launched = [name for name, waits in waiting.items() if not waits]
    if step < launch and launched:
        raise ValueError(f"launch={launch}, but {launched[0]} was launched already")
    if step >= launch and any(waiting.values()):
        raise ValueError(
            f"launch={launch} is past: the checkpoint is of step {step}, and was never launched"
        )

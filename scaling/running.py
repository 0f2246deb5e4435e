"""From a config to a trained, evaluated and saved adapter."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import ProgressCallback, TrainingArguments
from transformers.trainer_utils import set_seed

import lora
from scaling import outputs, state
from scaling.batches import stream
from scaling.config import Config
from scaling.task import Data, Loaded, Record, Task
from scaling.tasks import find
from scaling.trainer import COMPLETE, AdapterTrainer, Bar, Diverged, Launch, checkpoints, launches, make_optimizer


def train(config: Config, folder: Path, begin: Callable[[], None]) -> dict[str, Any]:
    """The result of the run, with the folder filled. `begin` is called when the input has proved right.

    Goes on from the folder's last checkpoint where it has one. Raises ValueError, before any training, for wrong input,
    and RuntimeError where training fails.
    """
    task = find(config.task)
    data = task.data(config)
    loaded = task.load(config, data)
    loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")
    inputs = task.examples(config, loaded, data, data.train)
    held = task.examples(config, loaded, data, data.test)
    batch = min(config.batch, len(inputs))
    last = checkpoints(folder)[-1:]
    if last:
        before = json.loads((folder / outputs.BEFORE).read_text())
        report = state.rebuild(loaded.model, last[0])
    else:
        before = _evaluated(task, config, loaded, data, held)[1]
        batches = stream(loaded, inputs, batch, task.collate(loaded), config.seed)
        set_seed(config.seed)  # of what the loss draws for a data-driven start
        report = lora.attach(loaded.model, config.adapter(loaded.fresh), batches, task.loss and task.loss(loaded))
    make_optimizer(config, loaded.model)  # refuses what does not fit before anything is written
    begin()
    outputs.write_json(folder / outputs.BEFORE, before)
    print(str(report).splitlines()[0], flush=True)
    start = time.perf_counter()
    history = _trained(config, task, loaded, inputs, batch, folder)
    seconds = time.perf_counter() - start
    rows, scores = _evaluated(task, config, loaded, data, held)
    lora.save(loaded.model, folder / outputs.ADAPTER)
    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    outputs.write_rows(folder / outputs.PREDICTIONS, rows)
    outputs.draw_curves(folder / outputs.CURVES, *zip(*losses, strict=True), title=config.task)
    return {
        "metrics": scores,
        "before": before,
        "examples": len(rows),
        "final_loss": losses[-1][1],
        "losses": losses,
        "trained_parameters": report.trainable,
        "seconds": seconds,
        "folder": str(folder),
    }


def _evaluated(
    task: Task, config: Config, loaded: Loaded, data: Data, held: Sequence[Record]
) -> tuple[list[Record], dict[str, float]]:
    loaded.model.eval()
    with torch.no_grad():
        rows = task.predict(config, loaded, data, data.test, held, config.micro_batch or config.batch)
    return rows, task.metrics(rows, data)


def _trained(
    config: Config, task: Task, loaded: Loaded, inputs: Sequence[Record], batch: int, folder: Path
) -> list[dict[str, Any]]:
    """Train to the end, with the micro-batch halved whenever memory runs out; gives the Trainer's log."""
    micro, first = config.micro_batch or batch, None
    while True:
        last = checkpoints(folder)[-1:]
        if last:
            micro = min(micro, json.loads((last[0] / COMPLETE).read_text())["train_batch_size"])
        elif first is None:
            first = {key: value.clone() for key, value in state.trained_state(loaded.model).items()}
        trainer = _trainer(config, task, loaded, inputs, batch, micro, folder)
        try:
            trainer.train(resume_from_checkpoint=str(last[0]) if last else None)
            return trainer.state.log_history
        except Diverged as error:
            kept = checkpoints(folder)[-1:]
            where = f"the checkpoint before is kept in {kept[0]}" if kept else "there was no checkpoint yet"
            raise RuntimeError(f"training stopped: {error}; {where}; a lower --lr may help") from error
        except RuntimeError as error:
            if not should_reduce_batch_size(error):
                raise
            if micro == 1:
                raise RuntimeError("out of memory with a micro-batch of one example") from error
        smaller = next(size for size in range(micro // 2, 0, -1) if batch % size == 0)
        print(f"out of memory: micro-batch {micro} -> {smaller}, the batch stays at {batch}", flush=True)
        micro = smaller
        del trainer
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        last = checkpoints(folder)[-1:]
        again = state.read(last[0])[1] if last else first
        assert again is not None
        state.put(loaded.model, again)


def _trainer(
    config: Config, task: Task, loaded: Loaded, inputs: Sequence[Record], batch: int, micro: int, folder: Path
) -> AdapterTrainer:
    set_seed(config.seed)
    loaded.model.zero_grad()
    more: dict[str, Any] = {}
    if config.gradient_checkpointing:  # named only then, since the name is about to change
        more = {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}}
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=config.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=batch // micro,
        lr_scheduler_type="linear",
        warmup_steps=config.warmup,
        max_grad_norm=config.clip,
        bf16=config.precision == "bfloat16",
        fp16=config.precision == "float16",
        save_steps=config.save_every,
        save_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        remove_unused_columns=False,
        report_to=config.report_to,
        seed=config.seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        **more,
    )
    optimizer = make_optimizer(config, loaded.model)
    trainer = AdapterTrainer(
        loaded.model,
        arguments,
        task.collate(loaded),
        train_dataset=inputs,  # type: ignore[arg-type]
        optimizers=(optimizer, None),
        loss=task.loss and task.loss(loaded),
    )
    # Many models take the number of items and ignore it; then the mean is over micro-batches, all of one size.
    trainer.model_accepts_loss_kwargs = trainer.model_accepts_loss_kwargs and task.by_tokens
    trainer.pop_callback(ProgressCallback)
    trainer.add_callback(Bar)
    if launches(loaded.model):
        trainer.add_callback(Launch(loaded.model, optimizer, config.launch_step))
    return trainer

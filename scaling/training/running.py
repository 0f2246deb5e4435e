"""From a config to a trained, evaluated and saved adapter."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from accelerate.utils.memory import should_reduce_batch_size
from transformers import ProgressCallback, TrainingArguments
from transformers.trainer_utils import set_seed

from scaling.core import outputs, processes, state
from scaling.core.config import Config
from scaling.core.memory import free, shrinking
from scaling.core.quiet import quiet
from scaling.core.task import Data, Loaded, Record, Task
from scaling.tasks import find
from scaling.training import adapting, peft_methods
from scaling.training.adapting import Adapted
from scaling.training.preparation import Ready, sizes, split_validation
from scaling.training.trainer import COMPLETE, AdapterTrainer, Bar, Diverged, checkpoints
from scaling.training.validation import Best


def train(
    config: Config, folder: Path, begin: Callable[[], None], judge_base: bool = True
) -> dict[str, Any]:
    """The result of the run, with the folder filled; every process calls it. `begin` is called when
    the input has proved right; `judge_base` says whether the metrics are wanted before training
    too.

    Goes on from the folder's last checkpoint where it has one. Raises ValueError, before any
    training, for wrong input, and RuntimeError where training fails.
    """
    job = processes.join()
    task, start = (
        find(config.data.task),
        adapting.start if config.training.peft is None else peft_methods.starter(config),
    )
    data = task.data(config)
    if not data.test:
        raise ValueError(
            f"{config.data.train} has one record, and none can be held out: pass --test"
        )
    records, validated = split_validation(config, data)
    loaded = task.load(config, data)
    inputs, held = (task.examples(config, loaded, data, part) for part in (records, data.test))
    valid = task.examples(config, loaded, data, validated) if validated else []
    batch, micro = sizes(config, len(inputs), job.num_processes)
    processes.place(
        loaded.model, config.run.sharded, (*loaded.fresh, *config.adapter.modules_to_save)
    )
    last = checkpoints(folder)[-1:]
    if last:
        before = json.loads((folder / outputs.BEFORE).read_text())
        adapted = adapting.own(config, loaded.model, state.rebuild(loaded.model, last[0]))
    else:
        before = _evaluated(task, config, loaded, data, held)[1] if judge_base else {}
        adapted = start(config, Ready(task, loaded, inputs, micro))
    processes.share(loaded.model)
    adapted.optimizer()  # refuses what does not fit before anything is written
    if job.is_main_process:
        begin()
        outputs.write_json(folder / outputs.BEFORE, before)
        print(adapted.summary, flush=True)
    job.wait_for_everyone()
    began = time.perf_counter()
    try:
        history = _trained(config, task, loaded, adapted, inputs, valid, batch, micro, folder)
        seconds = time.perf_counter() - began
        rows, scores = _evaluated(task, config, loaded, data, held)
    except ValueError as error:  # the input was right: this is no longer about it
        raise RuntimeError(f"training failed: {error}") from error
    losses, validation = _curve(history, "loss"), _curve(history, "eval_loss")
    if job.is_main_process:
        adapted.save(folder / outputs.ADAPTER)
        outputs.write_rows(folder / outputs.PREDICTIONS, rows)
        outputs.draw_curves(folder / outputs.CURVES, losses, validation, title=config.data.task)
    return {
        "metrics": scores,
        "before": before,
        "examples": len(rows),
        "final_loss": losses[-1][1],
        "losses": losses,
        "validation": validation,
        "test_data": hashlib.sha256(repr(data.test).encode()).hexdigest()[:16],
        "trained_parameters": adapted.trainable,
        "processes": job.num_processes,
        "seconds": seconds,
        "folder": str(folder),
    }


def _evaluated(
    task: Task, config: Config, loaded: Loaded, data: Data, held: Sequence[Record]
) -> tuple[list[Record], dict[str, float]]:
    """A row for each test record, and the metrics. Processes share the records out, but for a
    sharded base, which runs on all of them at once."""
    job = processes.join()
    of, process = (1, 0) if config.run.sharded else (job.num_processes, job.process_index)
    loaded.model.eval()

    def predict(size: int) -> list[Record]:
        return task.predict(config, loaded, data, data.test[process::of], held[process::of], size)

    with torch.no_grad():
        rows = shrinking(predict, config.run.micro_batch or config.training.batch)
    if of > 1:
        parts = gather_object([rows])
        rows = [parts[i % of][i // of] for i in range(sum(map(len, parts)))]
    return rows, task.metrics(rows, data)


def _trained(
    config: Config,
    task: Task,
    loaded: Loaded,
    adapted: Adapted,
    inputs: Sequence[Record],
    valid: Sequence[Record],
    batch: int,
    micro: int,
    folder: Path,
) -> list[dict[str, Any]]:
    """Train to the end, with the micro-batch halved whenever memory runs out; gives the Trainer's
    log.

    Of several processes one alone may run out, while the others wait for it: then all end.
    """
    make, first = (
        partial(_trainer, config, task, loaded, adapted, inputs, valid, batch, folder),
        None,
    )
    count = processes.join().num_processes
    while True:
        last = checkpoints(folder)[-1:]
        if last and count == 1:
            micro = min(micro, json.loads((last[0] / COMPLETE).read_text())["train_batch_size"])
        elif first is None:
            first = {key: value.clone() for key, value in state.trained_state(loaded.model).items()}
        best = None
        if config.training.validate_every is not None:
            best = Best(
                loaded.model, config.training.patience, state.read_best(last[0]) if last else None
            )
        trainer = make(micro, best)
        try:
            with quiet():
                trainer.train(resume_from_checkpoint=str(last[0]) if last else None)
            if best is not None and best.state is not None:
                state.put(loaded.model, best.state)
            return trainer.state.log_history
        except Diverged as error:
            kept = checkpoints(folder)[-1:]
            where = (
                f"the checkpoint before is kept in {kept[0]}"
                if kept
                else "there was no checkpoint yet"
            )
            raise RuntimeError(
                f"training stopped: {error}; {where}; a lower --lr may help"
            ) from error
        except RuntimeError as error:
            if not should_reduce_batch_size(error):
                raise
            if micro == 1:
                raise RuntimeError("out of memory with a micro-batch of one example") from error
            # of which one alone, or a part, would begin anew
            if count > 1 or not adapted.resumable:
                raise RuntimeError(
                    f"out of memory with a micro-batch of {micro}; go on by --resume "
                    f"--micro-batch {micro // 2}"
                ) from error
        smaller = next(size for size in range(micro // 2, 0, -1) if batch % size == 0)
        print(
            f"out of memory: micro-batch {micro} -> {smaller}, the batch stays at {batch}",
            flush=True,
        )
        micro = smaller
        del trainer
        free()
        last = checkpoints(folder)[-1:]
        again = state.read(last[0])[1] if last else first
        assert again is not None
        state.put(loaded.model, again)


def _trainer(
    config: Config,
    task: Task,
    loaded: Loaded,
    adapted: Adapted,
    inputs: Sequence[Record],
    valid: Sequence[Record],
    batch: int,
    folder: Path,
    micro: int,
    best: Best | None,
) -> AdapterTrainer:
    set_seed(config.seed)
    loaded.model.zero_grad()
    more: dict[str, Any] = {}
    # transformers 6 knows the new name alone, and earlier releases the old one
    if config.run.gradient_checkpointing:
        known = TrainingArguments.__dataclass_fields__
        name = next(
            name for name in ("activation_checkpointing", "gradient_checkpointing") if name in known
        )
        more |= {name: True, f"{name}_kwargs": {"use_reentrant": False}}
    if config.training.validate_every is not None:
        more |= {
            "eval_strategy": "steps",
            "eval_steps": config.training.validate_every,
            "metric_for_best_model": "loss",
        }
        more |= {"greater_is_better": False, "per_device_eval_batch_size": micro}
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=config.training.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=batch // (micro * processes.join().num_processes),
        lr_scheduler_type="linear",
        warmup_steps=config.training.warmup,
        max_grad_norm=config.training.clip,
        bf16=config.training.precision == "bfloat16",
        fp16=config.training.precision == "float16",
        save_steps=config.run.save_every,
        save_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        remove_unused_columns=False,
        report_to=config.run.report_to,
        seed=config.seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        **more,
    )
    optimizer = adapted.optimizer()
    trainer = AdapterTrainer(
        loaded.model,
        arguments,
        task.collate(loaded),
        train_dataset=inputs,  # type: ignore[arg-type]
        eval_dataset=valid if valid else None,  # type: ignore[arg-type]
        optimizers=(optimizer, None),
        adapted=adapted,
        loss=task.loss and task.loss(loaded),
        best=best,
    )
    # Many models take the number of items and ignore it; then the mean is over micro-batches, all
    # of one size.
    trainer.model_accepts_loss_kwargs = trainer.model_accepts_loss_kwargs and task.by_tokens
    trainer.pop_callback(ProgressCallback)
    trainer.add_callback(Bar)
    for callback in (*([] if best is None else [best]), *adapted.callbacks(optimizer)):
        trainer.add_callback(callback)
    return trainer


def _curve(history: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(entry["step"], entry[name]) for entry in history if name in entry]

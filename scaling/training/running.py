"""From a config to what it trains, evaluated and saved."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import ProgressCallback, TrainerState, TrainingArguments
from transformers.trainer_utils import set_seed

from loralab.files import write_text
from scaling.core import outputs, placement, processes, state
from scaling.core.config import Config
from scaling.core.memory import free
from scaling.core.quiet import quiet
from scaling.core.records import Record
from scaling.core.stages import Stages
from scaling.data.base_text import BaseText, base_text
from scaling.data.rows import one_a_line
from scaling.data.streaming import Place
from scaling.evaluation.samples import beside
from scaling.models import quantised
from scaling.models.precision import autocast_dtype
from scaling.training import methods
from scaling.training.adapting import Adapted, attach_once
from scaling.training.checkpoints import check, place
from scaling.training.evaluating import Before, evaluated, glimpse, measured, remembered
from scaling.training.job import Job
from scaling.training.page import page
from scaling.training.preparation import prepare
from scaling.training.progress import Clock, shown
from scaling.training.trainer import (
    COMPLETE,
    GLIMPSE,
    AdapterTrainer,
    Diverged,
    checkpoints,
)
from scaling.training.validation import Best


def train(
    config: Config,
    folder: Path,
    begin: Callable[[], None],
    judge_base: bool = True,
    anew: bool = False,
    stages: Stages | None = None,
    initial: Path | None = None,
) -> dict[str, Any]:
    """The result of the run, with the folder filled; every process calls it. Goes on from the
    folder's last checkpoint where it has one.

    Args:
        config: the run.
        folder: where its checkpoints, predictions and adapter go.
        begin: called when the input has proved right, before anything is written.
        judge_base: whether the metrics are wanted before training too.
        anew: whether the checkpoints that are there are those of a run that `begin` removes.
        stages: says how long each took, where it is wanted.
        initial: where the initial adapter is kept, and read where it is there; for adapters of this
            library in a single process.

    Raises: ValueError, before any training, for wrong input; RuntimeError where training fails.
    """
    stages = stages or Stages()
    check_reports(config)
    text = base_text(config)
    last = [] if anew else checkpoints(folder)[-1:]
    if last:
        begun = outputs.read_json(folder / outputs.BEFORE, *Before._fields)
        check(last[0], config)
    job, here, method = prepare(config, stages), processes.join(), methods.of(config)
    task, loaded, data = job.task, job.loaded, job.data
    if not data.test:
        source = config.data.train
        raise ValueError(
            f"{source} has one record{one_a_line(source)}, and none can be held out: pass --test"
        )
    held = task.examples(config, loaded, data, data.test)
    base = quantised.described(job.config, loaded.model)
    if last:
        adapted = method.resume(job, last[0])
        before = Before(**begun)
    else:
        with stages("evaluation of the base model"):
            before = measured(job, held if judge_base else None, text)
        with stages("initialization of the adapter"):
            adapted = attach_once(job, initial) if initial else method.attach(job)
    stages.show()
    placement.share(loaded.model)
    if here.is_main_process:
        begin()
        outputs.write_json(folder / outputs.BEFORE, before._asdict())
        print(adapted.summary, flush=True)
    here.wait_for_everyone()
    began = time.perf_counter()
    try:
        history, clock = _trained(job, adapted, folder, stages, text)
        seconds = time.perf_counter() - began
        stages.now = "the evaluation"
        rows, scores = evaluated(job, held)
        kept = text and remembered(job, text, before, _curve(history, GLIMPSE))
    except ValueError as error:  # the input was right: this is no longer about it
        raise RuntimeError(f"training failed: {error}") from error
    losses, validation = _curve(history, "loss"), _curve(history, "eval_loss")
    result = {
        "metrics": scores,
        "before": before.metrics,
        "base_text": kept,
        "examples": len(rows),
        "samples": beside(before.written, rows),
        "quantised": base and base._asdict() | {"line": str(base)},
        "final_loss": losses[-1][1],
        "losses": losses,
        "validation": validation,
        "test_data": fingerprint(data.test),
        "trained_parameters": adapted.trainable,
        "processes": here.num_processes,
        "seconds": seconds,
        "step_seconds": clock.median(),
        "folder": str(folder),
    }
    if here.is_main_process:
        adapted.save(folder / adapted.folder)
        outputs.write_rows(folder / outputs.PREDICTIONS, rows)
        curve = kept["curve"] if kept else ()
        outputs.draw_curves(folder / outputs.CURVES, losses, validation, config.data.task, curve)
        write_text(folder / outputs.PAGE, page(job.config, job.source, adapted.summary, result))
    return result


def check_reports(config: Config) -> None:
    """Raise ValueError for a service of report_to that is unknown, or not installed."""
    from transformers.integrations import get_reporting_integration_callbacks

    name = config.run.report_to
    try:
        for callback in get_reporting_integration_callbacks(name):
            callback()
    except (ValueError, RuntimeError, ImportError) as error:
        raise ValueError(f"report_to {name!r}: {' '.join(str(error).split())}") from error


def _trained(
    job: Job, adapted: Adapted, folder: Path, stages: Stages, text: BaseText | None
) -> tuple[list[dict[str, Any]], Clock]:
    """Train to the end, with the micro-batch halved whenever memory runs out; gives the Trainer's
    log, and how long its steps took.

    Of several processes one alone may run out, while the others wait for it: then all end.
    """
    model, training, micro, first = job.loaded.model, job.config.training, job.micro, None
    count = processes.join().num_processes
    while True:
        last = checkpoints(folder)[-1:]
        if last and count == 1:
            micro = min(micro, json.loads((last[0] / COMPLETE).read_text())["train_batch_size"])
        elif first is None:
            first = state.kept(model)
        best = None
        if training.validate_every is not None:
            best = Best(model, training.patience, state.read_best(last[0]) if last else None)
        trainer = _trainer(job, adapted, folder, micro, best)
        if job.stream is not None:
            trainer.stream = job.stream.at(place(last[0]) if last else Place())
        trainer.glimpse = text and partial(glimpse, job, text)
        for callback in (*shown(stages), clock := Clock()):
            trainer.add_callback(callback)
        try:
            ended = TrainerState.load_from_json(str(last[0] / COMPLETE)) if last else None
            if ended is not None and ended.global_step == training.steps:
                trainer.state = ended  # the Trainer would take another step
            else:
                with quiet():
                    trainer.train(resume_from_checkpoint=str(last[0]) if last else None)
            if best is not None and best.state is not None:
                state.put(model, best.state)
            return trainer.state.log_history, clock
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
        smaller = next(size for size in range(micro // 2, 0, -1) if job.batch % size == 0)
        print(
            f"out of memory: micro-batch {micro} -> {smaller}, the batch stays at {job.batch}",
            flush=True,
        )
        micro = smaller
        del trainer
        free()
        last = checkpoints(folder)[-1:]
        again = state.read(last[0])[1] if last else first
        assert again is not None
        state.put(model, again)


def _trainer(
    job: Job, adapted: Adapted, folder: Path, micro: int, best: Best | None
) -> AdapterTrainer:
    config, loaded, training = job.config, job.loaded, job.config.training
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
    if training.validate_every is not None:
        more |= {
            "eval_strategy": "steps",
            "eval_steps": training.validate_every,
            "metric_for_best_model": "loss",
        }
        more |= {"greater_is_better": False, "per_device_eval_batch_size": micro}
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=training.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=job.batch // (micro * processes.join().num_processes),
        lr_scheduler_type="linear",
        warmup_steps=training.warmup,
        max_grad_norm=training.clip,
        fp16=autocast_dtype(config) is torch.float16,
        bf16=autocast_dtype(config) is torch.bfloat16,
        save_steps=config.run.save_every,
        save_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        ignore_data_skip=job.stream is not None,  # which knows its place
        remove_unused_columns=False,
        report_to=config.run.report_to,
        seed=config.seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        **more,
    )
    optimizer = adapted.optimizer()
    with quantised.trainable(loaded.model):
        trainer = AdapterTrainer(
            loaded.model,
            arguments,
            job.task.collate(loaded),
            train_dataset=job.inputs if job.stream is None else job.stream,  # type: ignore[arg-type]
            eval_dataset=job.valid or None,  # type: ignore[arg-type]
            # The optimizer has the learning rates; that of TrainingArguments, 5e-5, is not used.
            optimizers=(optimizer, None),
            adapted=adapted,
            loss=job.task.loss and job.task.loss(loaded),
            by_tokens=job.task.by_tokens,
            best=best,
        )
    # Many models take the number of items and ignore it; then the mean is over micro-batches, all
    # of one size.
    trainer.model_accepts_loss_kwargs = trainer.model_accepts_loss_kwargs and job.task.by_tokens
    trainer.pop_callback(ProgressCallback)
    for callback in (*([] if best is None else [best]), *adapted.callbacks(optimizer)):
        trainer.add_callback(callback)
    return trainer


def fingerprint(test: Sequence[Record]) -> str:
    """Of the content of test records, wherever they were read: pictures and arrays too have that of
    their values."""
    return str(joblib.hash([dict(record) for record in test]))[:16]


def _curve(history: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(entry["step"], entry[name]) for entry in history if name in entry]

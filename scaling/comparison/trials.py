"""One trial of a sweep: a fine-tuning run as a pure function of its settings.

A trial that was killed goes on from its last checkpoint; its folder is beside the run store and
holds the adapter in the end, as the folder of any run. A model that was trained whole is not kept:
a sweep of forty would fill a disk, and the same settings make it again.
"""

import ctypes
import gc
import json
import math
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from loralab.code import fingerprint, home
from loralab.store import run_key
from scaling.comparison import own
from scaling.core import outputs, run_folder
from scaling.core.config import Config, peft_settings
from scaling.tasks import find

FAMILY = "sweep"
# of what the metrics.json of any run holds
KEPT = (
    "metrics",
    "losses",
    "validation",
    "trained_parameters",
    "seconds",
    "step_seconds",
    "base_text",
    "test_data",
)
Outcome = dict[str, Any]


def code(settings: Mapping[str, Any]) -> str:
    """The fingerprint of all that a trial with these settings runs."""
    here = Path(__file__)
    task = here.parents[1] / "tasks" / f"{settings['task']}.py"
    return fingerprint(here) + fingerprint(task) + own.code(settings)


def arguments(config: Config) -> dict[str, Any]:
    """The arguments of `fine_tuned` for this config: with what the file of a PEFT configuration
    holds, as another content makes another trial."""
    peft = peft_settings(config) if config.training.peft else None
    return {"settings": config.as_json(), "peft": peft}


def folder_of(settings: dict[str, Any], peft: dict[str, Any] | None) -> Path:
    """The folder of a trial's run, named by the trial's key in the run store."""
    key = run_key(FAMILY, fine_tuned.__name__, {"settings": settings, "peft": peft}, code(settings))
    return home() / "runs" / FAMILY / key


def initial_of(settings: dict[str, Any]) -> Path | None:
    """The folder of the initial adapter that runs share which differ in their learning rate alone;
    None where the initialization reads no data, and is soon made again."""
    import lora

    config = Config.of(**settings)
    if config.method != "adapter" or not lora.SCHEMES[config.adapter.scheme].needs_data:
        return None
    shared = settings | {"lr": None}
    key = run_key(FAMILY, initial_of.__name__, {"settings": shared}, code(settings))
    return home() / "runs" / "initial" / key


def fine_tuned(settings: dict[str, Any], peft: dict[str, Any] | None) -> Outcome:
    """The outcome of a run.

    Args:
        settings: those of a `scaling.core.config.Config`, as JSON has them.
        peft: what the file of its PEFT configuration holds, None without one.

    Returns: {"diverged": why}, or
        metrics, losses, validation, trained_parameters, seconds, step_seconds, base_text,
        test_data: as in the metrics.json of any run;
        scores: one for each test example, the higher the better, or a single one, the first metric
        negated, where the metric is of all examples together;
        inference_parameters, file_size: of the adapter, or the model, that was saved, the latter in
        bytes;
        memory: peak bytes, of the device or, on a CPU, of the process; None where unknown;
        device: what it ran on.

    Raises: what the run raises for wrong input.
    """
    config, folder = Config.of(**settings), folder_of(settings, peft)
    _forget_peak()
    with run_folder.alone(folder):
        from scaling.training.running import train  # transformers, which takes seconds to load
        from scaling.training.trainer import Diverged

        def trained() -> Outcome:
            begin = partial(run_folder.begin, folder, settings)
            return train(config, folder, begin, judge_base=False, initial=initial_of(settings))

        try:
            try:
                result = trained()
            except outputs.Damaged:  # a trial is what it is whether it goes on or begins anew
                run_folder.clear(folder)
                result = trained()
        except RuntimeError as error:
            if not isinstance(error.__cause__, Diverged):
                raise
            run_folder.clear(folder)
            return {"diverged": str(error.__cause__)}
        run_folder.finish(folder, result)
    weights = sorted(outputs.trained(folder).glob("*.safetensors"))
    size = {
        "inference_parameters": sum(map(_saved, weights)),
        "file_size": sum(file.stat().st_size for file in weights),
    }
    if config.full:
        shutil.rmtree(outputs.trained(folder))
    return {name: result[name] for name in KEPT} | {
        "scores": _scores(config.data.task, folder, result["metrics"]),
        **size,
        "memory": _peak(),
        "device": _device(),
    }


def _scores(task: str, folder: Path, metrics: dict[str, float]) -> list[float]:
    score = find(task).score
    if score is None:
        return [-next(iter(metrics.values()))]
    lines = (folder / outputs.PREDICTIONS).read_text(encoding="utf-8").split("\n")
    return [score(json.loads(line)) for line in lines if line]


def _saved(weights: Path) -> int:
    """How many numbers a file of weights holds."""
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118


def _device() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _forget_peak() -> None:
    """Begin to measure the peak anew; on a CPU Linux alone can."""
    import torch

    gc.collect()  # what the trial before has left, and has the process give it back
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    elif (reset := Path("/proc/self/clear_refs")).exists():
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # of glibc alone
            trim(0)
        reset.write_text("5")


def _peak() -> int | None:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    if (status := Path("/proc/self/status")).exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return None

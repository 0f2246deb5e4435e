"""What adapters hold on a language model: where their first gradients lie, what their factors keep
of a task, and which directions of a weight they change first."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

import lora
from lora.bases import weight_of
from lora.targets import targets
from loralab.memo import Memo
from scaling.comparison import trials
from scaling.comparison.driver import memo_of
from scaling.core import outputs
from scaling.core.config import Config
from scaling.studies.claims.adapters import BATCHES, DRAWS, EARLY
from theory.task_directions.directions import core
from theory.task_directions.null import overlaps, rotated

ACCURACY = "8 in 16"  # of the first adapter's directions among those of full fine-tuning
NOTHING = "none"  # no text to forget


def signals(settings: dict[str, Any], peft: None) -> dict[str, float]:
    """The share of the largest expected gradient signal, tr(A Q A^T) of orthonormal rows A, that
    EVA's rows get as published ("centred"), those of the second moment ("uncentred"), and random
    ones expect: means over layers of every kind, on other batches than the rows were fitted to.

    Args:
        settings: those of a run, whose first training batches count.
        peft: nothing; every trial of a sweep has this argument.
    """
    # transformers, which takes seconds to load
    from scaling.advice.advice import loss_on
    from scaling.advice.diagnostics import signal
    from scaling.advice.sample import probe, sampled
    from scaling.training.job import on_batches
    from scaling.training.preparation import prepare

    config = Config.of(**settings)
    job = prepare(config)
    batches = on_batches(job, list, BATCHES)
    layers, _ = targets(job.loaded.model, config.adapter)
    found = probe(job.loaded.model, sampled(layers), batches, loss_on(job, batches[0]))
    shares = np.mean([signal(layer, config.adapter.rank) for layer in found], axis=0)
    return dict(zip(("centred", "uncentred", "random"), map(float, shares), strict=True))


def factors(settings: dict[str, Any]) -> dict[str, lora.Factors]:
    """The factors of a run's adapter by layer; the run is trained, if that is not done yet."""
    folder = trials.folder_of(settings, None)
    if not (folder / outputs.METRICS).is_file():  # made on another machine, or removed since
        trials.fine_tuned(settings, None)
    tensors = load_file(folder / outputs.ADAPTER / "adapter_model.safetensors")
    ends = (".lora_B.weight", ".lora_A.weight")
    names = [name.removesuffix(ends[0]) for name in tensors if name.endswith(ends[0])]
    return {name: lora.Factors(*(tensors[name + end] for end in ends)) for name in names}


def shared(X: Tensor, Y: Tensor) -> float:
    """|Q_X^T Q_Y|_F^2 / r, the mean squared cosine of the principal angles between the columns of
    two matrices (n, r): r / n in the mean for random ones."""
    Q, P = (torch.linalg.qr(each.float()).Q for each in (X, Y))
    return ((Q.mT @ P).square().sum() / X.shape[1]).item()


def similarity(settings: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """How much of their spans the factors of two runs' adapters share, mean over layers: of "A" the
    rows, of "B" the columns.

    Args:
        settings: those of one run, of plain LoRA.
        other: those of the other one.
    """
    one, two = factors(settings), factors(other)
    return {
        "A": fmean(shared(one[name].A.mT, two[name].A.mT) for name in one),
        "B": fmean(shared(one[name].B, two[name].B) for name in one),
    }


def similarities(pairs: Sequence[tuple[Config, Config]], memo: Memo) -> list[dict[str, float]]:
    """`similarity` of each pair of runs, kept with the trials of the sweeps."""
    kept = memo_of(similarity, pairs[0][0].as_json(), memo)
    return kept.map(
        similarity, [{"settings": one.as_json(), "other": two.as_json()} for one, two in pairs]
    )


def directions(settings: dict[str, Any], peft: None) -> dict[str, dict[str, float]]:
    """How many of the 8 core directions that an adapter changes most after its first steps are
    among the 16 that full fine-tuning changes most, and how many by chance: means over layers of
    every kind, with directions ranked by change "rate" and by change alone ("abs").

    By chance: the change of full fine-tuning turned at random (Haar), which keeps its singular
    values.

    Args:
        settings: those of a run of LoRA; it is trained for `EARLY` steps, and full fine-tuning at
            the learning rate `full_lr` of `scaling.studies.claims.adapters` for all.
        peft: nothing.
    """
    from scaling.advice.sample import sampled
    from scaling.training.preparation import prepare

    own = settings | {"validate_every": None, "limit": 1, "remember": NOTHING}
    config = Config.of(**own)
    job = prepare(config)
    layers, _ = targets(job.loaded.model, config.adapter)
    names = sampled(layers)
    weights = {name: weight_of(layers[name]).double().numpy() for name in names}
    early, whole = changes(own | {"steps": EARLY}, names), changes(full_of(own), names)
    rng = np.random.default_rng(config.seed)
    found: dict[str, list[tuple[float, float]]] = {"rate": [], "abs": []}
    for name in names:
        basis, null = core(weights[name]), rotated(whole[name], DRAWS, rng)
        for kind, each in found.items():
            one = overlaps(basis, early[name], whole[name], null, kind)[ACCURACY]  # type: ignore[arg-type]
            each.append((one.value, one.null))
    return {
        kind: dict(zip(("value", "null"), map(float, np.mean(each, axis=0)), strict=True))
        for kind, each in found.items()
    }


def full_of(settings: dict[str, Any]) -> dict[str, Any]:
    """The same run of full fine-tuning, at its own learning rate."""
    from scaling.studies.trials.language import BEST

    return settings | {"variant": "full", "save": "difference", "lr": BEST["full"]}


def changes(settings: dict[str, Any], names: list[str]) -> dict[str, np.ndarray]:
    """By layer how a run of LoRA, or of full fine-tuning, has changed the weight."""
    from scaling.training.running import train

    config = Config.of(**settings)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        train(config, folder, lambda: None, judge_base=False)
        if config.full:
            tensors = load_file(outputs.trained(folder) / "difference.safetensors")
            return {name: tensors[f"{name}.weight"].double().numpy() for name in names}
        tensors = load_file(outputs.trained(folder) / "adapter_model.safetensors")
    scale = config.adapter.alpha / config.adapter.rank
    key = "base_model.model.{}.lora_{}.weight"
    return {
        name: scale
        * (tensors[key.format(name, "B")] @ tensors[key.format(name, "A")]).double().numpy()
        for name in names
    }

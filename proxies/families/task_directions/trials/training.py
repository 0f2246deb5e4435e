"""The training loop: `lora`'s variants as anybody would train them, launched by the loop after so
many updates."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, nn

import lora
from proxies.families.task_directions.trials.directions import (
    SOURCES,
    Changes,
    as_statistics,
    launch,
)
from proxies.families.task_directions.trials.problem import Task

RANK, DIRECTIONS, PRELAUNCH = 4, 8, 100
LAST = 0.02  # of the learning rate, at the end of its linear decay
# added to a seed for the streams of batches and of what the directions are chosen by
DATA, PICK = 10**6, 2 * 10**6


@dataclass(frozen=True)
class Method:
    """How the adapter of a method is initialized and which directions it scales.

    Args:
        rank: r of the factors.
        init: a scheme of `lora`, or for LoRA-Init the source of its directions.
        dash: the source of the scaled directions, "" for none.

    The source "prelaunch" takes them from a hundred steps of plain LoRA, "launch" is what
    `lora.launch` finds in the adapter itself after a hundred steps of its own.
    """

    rank: int = RANK
    init: str = "init_a"
    dash: str = ""


METHODS = {
    "LoRA, r": Method(),
    "LoRA, 2r": Method(2 * RANK),
    "LoRA, r + s": Method(RANK + DIRECTIONS),
    "PiSSA": Method(init="pissa"),
    "MiLoRA": Method(init="milora"),
    "Dash, pre-launch": Method(dash="launch"),
    "Dash, gradient": Method(dash="gradient"),
    "Dash, gradient by size": Method(dash="gradient, by size"),
    "Dash, oracle": Method(dash="oracle"),
    "Dash, random": Method(dash="random"),
    "Dash, top": Method(dash="top"),
    "Dash, bottom": Method(dash="bottom"),
    "Init, pre-launch": Method(init="prelaunch"),
    "Init, gradient": Method(init="gradient"),
    "Init, oracle": Method(init="oracle"),
    "Init, random": Method(init="random"),
    "TSD, pre-launch": Method(init="prelaunch", dash="prelaunch"),
    "TSD, gradient": Method(init="gradient", dash="launch"),
    "TSD, random": Method(init="random", dash="random"),
}


def fit(
    model: nn.Module,
    task: Task,
    rate: float,
    steps: int,
    rng: Generator,
    launched_at: int = 0,
    after: Callable[[int], None] = lambda step: None,
    decay: bool = True,
) -> None:
    """Train in place by AdamW without weight decay.

    Args:
        model: with adapters.
        task: its batches and loss.
        rate: the learning rate.
        steps: updates.
        rng: draws the batches.
        launched_at: the update before which LoRA-Dash is launched, 0 for never.
        after: called with the number of updates after each, from 1 on.
        decay: whether the learning rate falls linearly, to LAST of it.
    """
    # One learning rate for all: in one group they cost one call a step in place of three.
    trained = [
        parameter for group in lora.param_groups(model, lr=rate) for parameter in group["params"]
    ]
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0, fused=True)
    for step in range(steps):
        if step and step == launched_at:
            lora.launch(model, optimizer)
        for group in optimizer.param_groups:
            group["lr"] = rate * (max(LAST, 1 - step / steps) if decay else 1)
        optimizer.zero_grad()
        task.loss(model, task.batch(rng)).backward()
        optimizer.step()
        after(step + 1)


def config(method: Method, task: Task, seed: int) -> lora.Config:
    schemed = method.init in lora.SCHEMES
    variant = "plain" if not method.dash else "dash" if schemed else "tsd"
    return lora.Config(
        rank=method.rank,
        alpha=2 * method.rank,
        target_modules=task.layers,
        seed=seed,
        scheme=method.init if schemed else "tsd_init",
        variant=variant,
        variant_options={"directions": DIRECTIONS} if method.dash else {},
    )


def change(model: nn.Module) -> Changes:
    """What the adapters have changed, s (B A - B0 A0) and the scaled directions, by layer."""
    return {
        name: (layer.dense() - layer.weight).detach()
        for name, layer in lora.adapters(model).items()
    }


def prelaunch(task: Task, rate: float, steps: int, rng: Generator, seed: int) -> Changes:
    """What plain LoRA changes in `steps` updates at a constant learning rate."""
    model = task.model()
    lora.attach(model, config(Method(), task, seed))
    fit(model, task, rate, steps, rng, decay=False)
    return change(model)


def trained(task: Task, name: str, rate: float, steps: int, seed: int) -> nn.Module:
    """A model adapted by one method within `steps` updates in all, a pre-launch that is thrown away
    included."""
    method, data = METHODS[name], Generator().manual_seed(DATA + seed)
    pick = lambda source: SOURCES[source](task, Generator().manual_seed(PICK + seed))
    if "prelaunch" in (method.init, method.dash):
        picked, left = prelaunch(task, rate, PRELAUNCH, data, seed), steps - PRELAUNCH
        source: Callable[[str], Changes] = lambda source: picked
    else:
        source, left = pick, steps
    model = task.model()
    stats = None if method.init in lora.SCHEMES else as_statistics(source(method.init))
    lora.attach(model, config(method, task, seed), stats=stats)
    if method.dash and method.dash != "launch":
        launch(model, source(method.dash))
    fit(model, task, rate, left, data, launched_at=PRELAUNCH if method.dash == "launch" else 0)
    return model

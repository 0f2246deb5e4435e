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
LAST = 0.02  # of the rate, at the end of its linear decay
# added to a seed for the streams of batches and of what the directions are chosen by
DATA, PICK = 10**6, 2 * 10**6


@dataclass(frozen=True)
class Method:
    """`start` is a scheme of `lora`, or for LoRA-Init the source of its directions; `dash` is the
    source of the scaled ones, "" for none. "prelaunch" takes them from a hundred steps of plain
    LoRA, "launch" is what `lora.launch` finds in the adapter itself after a hundred steps of its
    own."""

    rank: int = RANK
    start: str = "init_a"
    dash: str = ""


METHODS = {
    "LoRA, r": Method(),
    "LoRA, 2r": Method(2 * RANK),
    "LoRA, r + s": Method(RANK + DIRECTIONS),
    "PiSSA": Method(start="pissa"),
    "MiLoRA": Method(start="milora"),
    "Dash, pre-launch": Method(dash="launch"),
    "Dash, gradient": Method(dash="gradient"),
    "Dash, gradient by size": Method(dash="gradient, by size"),
    "Dash, oracle": Method(dash="oracle"),
    "Dash, random": Method(dash="random"),
    "Dash, top": Method(dash="top"),
    "Dash, bottom": Method(dash="bottom"),
    "Init, pre-launch": Method(start="prelaunch"),
    "Init, gradient": Method(start="gradient"),
    "Init, oracle": Method(start="oracle"),
    "Init, random": Method(start="random"),
    "TSD, pre-launch": Method(start="prelaunch", dash="prelaunch"),
    "TSD, gradient": Method(start="gradient", dash="launch"),
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
    """`steps` updates of AdamW without weight decay, in place; `after(step)` is called after each,
    from 1 on."""
    # One rate for all: in one group they cost one call a step in place of three.
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
    schemed = method.start in lora.SCHEMES
    variant = "plain" if not method.dash else "dash" if schemed else "tsd"
    return lora.Config(
        rank=method.rank,
        alpha=2 * method.rank,
        target_modules=task.layers,
        seed=seed,
        scheme=method.start if schemed else "tsd_init",
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
    """What plain LoRA changes in `steps` updates at a constant rate."""
    model = task.model()
    lora.attach(model, config(Method(), task, seed))
    fit(model, task, rate, steps, rng, decay=False)
    return change(model)


def trained(task: Task, name: str, rate: float, steps: int, seed: int) -> nn.Module:
    """A model adapted by one method within `steps` updates in all, a pre-launch that is thrown away
    included."""
    method, data = METHODS[name], Generator().manual_seed(DATA + seed)
    pick = lambda source: SOURCES[source](task, Generator().manual_seed(PICK + seed))
    if "prelaunch" in (method.start, method.dash):
        picked, left = prelaunch(task, rate, PRELAUNCH, data, seed), steps - PRELAUNCH
        source: Callable[[str], Changes] = lambda source: picked
    else:
        source, left = pick, steps
    model = task.model()
    started = None if method.start in lora.SCHEMES else as_statistics(source(method.start))
    lora.attach(model, config(method, task, seed), stats=started)
    if method.dash and method.dash != "launch":
        launch(model, source(method.dash))
    fit(model, task, rate, left, data, launched_at=PRELAUNCH if method.dash == "launch" else 0)
    return model

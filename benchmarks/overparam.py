"""Generated factors (OP-LoRA) in a training step of a small random Llama in float32.

The generator of a layer with p = r (in + out) numbers costs 2 p m operations forward and 4 p m
backward a step, whatever the batch, where LoRA itself costs 6 p T for T tokens: m / T of it, for m
= 32 hidden units. What counts is memory: W2 and its gradient, p m numbers each, and Adam's two
moments of them. So its share of a step is that of the generators alone (evaluation, as after an
optimizer step, and the backward of given gradients of B and A) and of what Adam takes longer than
for plain LoRA. W2's gradient is stored in full though it is g h^T, of rank one: an optimizer of
torch reads `.grad`.
"""

from collections.abc import Mapping

import torch

import lora
from benchmarks.contestants import CONTESTANTS
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.rows import Quantity, Row, Setting
from benchmarks.models import base, labelled, noise
from benchmarks.step import loss
from lora.variants.overparam import Overparam

TOKENS = 8, 256


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    (batch,) = labelled(noise(1, *TOKENS, "small", setting))
    rank = 2 if setting.toy else 16
    actions, optimizers = {}, {}
    for name in ("ours", "ours, overparam"):
        model = CONTESTANTS[name](base("small", setting, torch.float32), rank=rank)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = optimizers[name] = torch.optim.Adam(trained, lr=1e-4)
        actions[name] = Action(
            lambda _, model=model: loss(model, batch).backward(), optimizer.zero_grad
        )
        actions[f"Adam of {name}"] = Action(lambda _, optimizer=optimizer: optimizer.step())
    layers = list(lora.adapters(model).values())  # of the generated one
    given = [[torch.ones_like(F) for F in layer.factors()] for layer in layers]

    def generate(_: None) -> None:
        for layer, gradients in zip(layers, given, strict=True):
            assert isinstance(layer, Overparam)
            torch.autograd.backward(list(layer.generator().values()), gradients)

    actions["generators alone"] = Action(generate)
    for action in actions.values():  # Adam's moments are made by its first step
        action.run(action.prepare())
    times = interleaved(actions, setting)
    whole = lambda name: [
        sum(pair) for pair in zip(times[name], times[f"Adam of {name}"], strict=True)
    ]
    more = (
        b - a for a, b in zip(times["Adam of ours"], times["Adam of ours, overparam"], strict=True)
    )
    measured = times | {
        "step of ours": whole("ours"),
        "step of overparam": whole("ours, overparam"),
        "generators and their Adam": [
            g + a for g, a in zip(times["generators alone"], more, strict=True)
        ],
    }
    return {name: measured[name] for name in wanted}


ROWS = (
    Row("overparam", "step of overparam", "step of ours", timed),
    Row("overparam", "generators and their Adam", "step of overparam", timed, 0.1),
    Row("overparam", "generators alone", "step of overparam", timed),
)

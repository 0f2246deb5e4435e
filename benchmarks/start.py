"""Data-driven initialization of SmolLM2 in bfloat16: eva and corda over the forwards of the body,
lora_ga and gradient_signal over forward and backward, beside PEFT's.

Eight batches of 2 x 256 tokens of real text. The forwards end before the logits; the backward is
that of the frozen base, without a weight's gradient. Six rounds have an interval, and a round takes
a minute or more. PEFT's eva goes on until it converges, which takes minutes, so it runs once. What
the axes are worth is the variance of four batches held out that they capture, in every layer at the
rank that PEFT gives it. Peaks of memory are above the loaded model, each in a new process.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import peft
import torch
from peft.tuners.lora.eva import get_eva_state_dict
from peft.tuners.lora.loraga import preprocess_loraga
from torch import Tensor

import lora
from benchmarks.contestants import RANK, frozen
from benchmarks.harness.clocks import Action, interleaved, seconds
from benchmarks.harness.memory import in_new_process, peak
from benchmarks.harness.rows import Quantity, Row, Setting
from benchmarks.models import SMOLLM2, Batches, base, labelled, linears, texts
from benchmarks.step import loss

SEEN, HELD_OUT, SHAPE, ROUNDS, RHO = 8, 4, (2, 256), 6, 2
DRIVEN = ("eva", "corda", "lora_ga", "gradient_signal")


def forwards(model: Any, batches: Batches) -> None:
    with torch.no_grad():
        for batch in batches:
            model.model(input_ids=batch["input_ids"])


def backwards(model: Any, batches: Batches) -> None:
    """Forward and backward of the frozen base."""
    for batch in batches:
        loss(model, batch).backward()


def attach(scheme: str, rank: int, model: Any, batches: Batches) -> None:
    lora.attach(model, lora.Config(rank=rank, alpha=rank, scheme=scheme), batches)


def their_lora_ga(rank: int, model: Any, batches: Batches) -> None:
    scheme: Any = "lora_ga"  # which PEFT's own types lack
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=rank,
        target_modules=linears(model),
        init_lora_weights=scheme,
        lora_ga_config=peft.LoraGAConfig(),
    )
    preprocess_loraga(model, config, lambda: backwards(model, batches))
    peft.get_peft_model(model, config)


def their_axes(rank: int, body: Any, batches: Batches, names: list[str]) -> dict[str, Tensor]:
    """PEFT's, to convergence: as many columns as a layer is given, none where that is 0."""
    config = peft.LoraConfig(
        r=rank,
        target_modules=names,
        init_lora_weights="eva",
        eva_config=peft.EvaConfig(rho=RHO, use_label_mask=False),
    )
    dataloader: Any = batches
    found = get_eva_state_dict(body, dataloader, config, show_progress_bar=False)
    return {name: found[name].mT.double() for name in names if len(found[name])}


def runs(rank: int) -> dict[str, Callable[[Any, Batches], None]]:
    """name -> run(a new model, batches with labels)"""
    return {
        "forwards": forwards,
        "forward + backward": lambda model, batches: backwards(frozen(model), batches),
        **{scheme: partial(attach, scheme, rank) for scheme in DRIVEN},
        "lora_ga of PEFT": partial(their_lora_ga, rank),
    }


def _rank(setting: Setting) -> int:
    return 2 if setting.toy else RANK


def _own_weights(name: str, setting: Setting) -> Any:
    """PEFT's LoRA-GA writes into the base weights."""
    model = base(SMOLLM2, setting).requires_grad_(False).eval()
    if "PEFT" in name:
        for p in model.parameters():
            p.data = p.data.clone()
    return model


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    batches, every = labelled(texts(SEEN, *SHAPE, setting)), runs(_rank(setting))
    forwards(base(SMOLLM2, setting), batches[:1])  # warms up

    def action(name: str) -> Action:
        run = every[name]
        prepare = partial(_own_weights, name, setting)
        return Action(lambda model: run(model, batches), prepare)

    return interleaved({name: action(name) for name in wanted}, setting, ROUNDS, warm=False)


def axes(model: Any, batches: Batches, count: int, **named: Any) -> dict[str, Tensor]:
    """Ours: of every linear layer of the body."""
    names = linears(model)
    stats = lora.collect(model, names, batches, axes=count, **named)
    return {name: stats[name].axes(count)[1] for name in names}


def captured(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    """Mean over layers of the part of the held-out variance that the axes capture, and the worst
    layer's difference; with PEFT's time over ours from the same runs."""
    rank = _rank(setting)
    batches = texts(SEEN + HELD_OUT, *SHAPE, setting)
    seen, held_out = batches[:SEEN], batches[SEEN:]
    model = base(SMOLLM2, setting).requires_grad_(False).eval()
    names = linears(model.model)
    found: dict[str, dict[str, Tensor]] = {}

    def keep(name: str, run: Callable[[], dict[str, Tensor]]) -> float:
        return seconds(Action(lambda _: found.update({name: run()})), setting.device)

    took = {
        "ours": keep("ours", lambda: axes(model.model, seen, RHO * rank)),
        "PEFT": keep("PEFT", lambda: their_axes(rank, model.model, seen, names)),
    }
    population = lora.collect(model.model, names, held_out)
    part = {
        who: {
            name: float(
                population[name].captured(found[who][name][:, : V.shape[1]])
                / population[name].variance()
            )
            for name, V in found["PEFT"].items()
        }
        for who in found
    }
    gained = {name: part["ours"][name] - value for name, value in part["PEFT"].items()}
    measured = {f"captured by {who}": sum(p.values()) / len(p) for who, p in part.items()}
    measured["captured, ours - PEFT in the worst layer"] = min(gained.values())
    measured |= {"eva of PEFT, once": took["PEFT"], "eva, once": took["ours"]}
    return {name: [measured[name]] for name in wanted}


def peak_of(name: str, setting: Setting) -> float:
    """MiB above the loaded model; in a new process."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    batches, model = labelled(texts(SEEN, *SHAPE, setting)), _own_weights(name, setting)
    forwards(model, batches[:1])  # what every first forward allocates
    return peak(lambda: runs(_rank(setting))[name](model, batches), setting.device)


def peaks(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    """A name "x beyond y" is the difference of two peaks."""
    names = {part: None for name in wanted for part in name.split(" beyond ")}
    found = {name: in_new_process(peak_of, name, setting) for name in names}
    measured = {}
    for name in wanted:
        above, _, below = name.partition(" beyond ")
        measured[name] = [found[above] - (found[below] if below else 0.0)]
    return measured


def _time(above: str, below: str, aim: float | None = None) -> Row:
    return Row("initialization", above, below, timed, aim)


def _part(name: str, aim: float | None = None) -> Row:
    return Row("initialization", name, None, captured, aim, ">=", "of the variance", exact=True)


def _peak(name: str, aim: float | None = None) -> Row:
    return Row("peak of initialization", name, None, peaks, aim, unit="MiB", exact=True)


ROWS = (
    _time("eva", "forwards", 1.5),
    _time("corda", "forwards", 4.0),
    _time("lora_ga", "forward + backward", 1.3),
    _time("gradient_signal", "forward + backward", 1.6),
    _time("lora_ga of PEFT", "forward + backward"),
    _time("lora_ga", "lora_ga of PEFT", 1.0),
    Row("initialization", "eva of PEFT, once", "eva, once", captured),
    _part("captured by ours"),
    _part("captured by PEFT"),
    _part("captured, ours - PEFT in the worst layer", -0.002),
    _peak("forwards"),
    _peak("eva"),
    _peak("forward + backward"),
    _peak("lora_ga"),
    _peak("lora_ga of PEFT"),
    _peak("lora_ga beyond forward + backward", 300),
)

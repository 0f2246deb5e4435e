"""The rows of the suite for a GPU: SmolLM2 and random weights of Llama-3.2-1B's and 3.1-8B's
shape, in bfloat16.

Times are those of CUDA events. Throughput in tokens a second is the inverse of a step's time, so
PEFT's time over ours is our throughput over PEFT's. Without a GPU every row runs at a toy size.
"""

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from itertools import product
from typing import Any

import torch

from benchmarks.contestants import CONTESTANTS
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.memory import peak
from benchmarks.harness.rows import NotMeasured, Quantity, Row, Setting
from benchmarks.models import SMOLLM2, Batches, base, labelled, noise
from benchmarks.start import attach, forwards
from benchmarks.step import step
from proxies.families.lr_stability.trials import engine, networks
from proxies.families.lr_stability.trials.initializations import initial_factors

GPU_TIME = "GPU time"
AIMS = {"8B": 1.05, "1B": 1.15, SMOLLM2: None}
"""of a step over the frozen base"""
FASTER = {"1B": 1.15}
"""of our tokens a second over PEFT's"""
WIDEST, RATES = 2**17, torch.logspace(-16, -1, 20, base=2)
KERNEL = 4096, 2048  # width and tokens
BATCHES = 8


def _within_memory(measure: Any, *arguments: Any) -> Mapping[str, Quantity]:
    try:
        return measure(*arguments)
    except torch.OutOfMemoryError as error:
        raise NotMeasured("the GPU's memory is too small") from error
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _rank(rank: int, setting: Setting) -> int:
    return 2 if setting.toy else rank


def steps(
    shape: str, tokens: int, rank: int, compiled: bool, setting: Setting, wanted: tuple[str, ...]
) -> Mapping[str, Quantity]:
    (batch,) = labelled(noise(1, 1, tokens, shape, setting))
    actions = {}
    for name in wanted:
        model = CONTESTANTS[name](base(shape, setting), rank=_rank(rank, setting)).train()
        backend = "eager" if setting.toy else "inductor"
        actions[name] = step(torch.compile(model, backend=backend) if compiled else model, batch)
    return interleaved(actions, setting)


def peaks(
    shape: str, tokens: int, rank: int, setting: Setting, wanted: tuple[str, ...]
) -> Mapping[str, Quantity]:
    (batch,) = labelled(noise(1, 1, tokens, shape, setting))
    found = {}
    for name in wanted:
        model = CONTESTANTS[name](base(shape, setting), rank=_rank(rank, setting)).train()
        action = step(model, batch)
        run = lambda action=action: action.run(action.prepare())
        run()  # with the adapters' gradients, as in every later step
        found[name] = [peak(run, setting.device)]
    return found


def _step_rows() -> list[Row]:
    rows = []
    for shape, tokens, rank in product(("8B", "1B", SMOLLM2), (2048, 8192), (16, 64)):
        for compiled in (False, True):
            how = partial(_within_memory, partial(steps, shape, tokens, rank, compiled))
            what = f"{shape}, {tokens} tokens, r = {rank}, {'compiled' if compiled else 'eager'}"
            row = partial(Row, f"step of {what}", how=how, unit=GPU_TIME)
            faster = FASTER.get(shape)
            rows += [
                row("ours", "frozen base", aim=AIMS[shape]),
                row("PEFT", "ours", aim=faster, sign=">="),
                row("PEFT in bfloat16", "ours"),
            ]
    return rows


def _peak_rows() -> list[Row]:
    rows = []
    for shape in ("8B", "1B", SMOLLM2):
        how = partial(_within_memory, partial(peaks, shape, 2048, 16))
        row = partial(Row, f"peak of a step of {shape}, 2048 tokens", below=None, how=how)
        names = ("frozen base", "ours", "PEFT", "PEFT in bfloat16")
        rows += [row(name, unit="MiB", exact=True) for name in names]
    return rows


def _probe(setting: Setting) -> tuple[Any, Batches]:
    batches = noise(BATCHES, 1, 2048, "8B", setting)
    return base("8B", setting).requires_grad_(False).eval(), batches


def eva_times(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    model, batches = _probe(setting)
    new = partial(base, "8B", setting)
    return interleaved(
        {
            "eva": Action(lambda m: attach("eva", _rank(16, setting), m, batches), new),
            "forwards": Action(lambda _: forwards(model, batches)),
        },
        setting,
        6,
    )


def eva_peak(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    model, batches = _probe(setting)
    floor = peak(lambda: forwards(model, batches), setting.device)
    run = lambda: attach("eva", _rank(16, setting), model, batches)
    return {name: [peak(run, setting.device) - floor] for name in wanted}


def pissa(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    new, rank = partial(base, "8B", setting), _rank(16, setting)
    start = Action(lambda model: attach("pissa", rank, model, []), new)
    return {name: interleaved({name: start}, setting, 6)[name] for name in wanted}


def sweep(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    """Seconds of 20 learning rates and 2 initializations at the greatest width."""
    width, names, seeds = 64 if setting.toy else WIDEST, ("init_a", "init_b"), range(1)
    network = networks.draw(width, seeds, samples=64, device=setting.device)
    rate = RATES.repeat(len(names)).expand(1, -1).to(setting.device)
    which = torch.arange(len(names), device=setting.device).repeat_interleave(len(RATES))
    factors = initial_factors(names, network, width, seeds, 4)
    runs = engine.Runs(which, rate, rate)
    train = Action(lambda _: engine.train(network, factors, runs, 10, probe=False))
    return interleaved(dict.fromkeys(wanted, train), setting, 6)


def kernel(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    """Forward and backward of one layer of the 8B shape."""
    if find_spec("triton") is None:
        raise NotMeasured("triton is not installed")
    if setting.device == "cpu":
        raise NotMeasured("a Triton kernel runs on a GPU; its test interprets it")
    from benchmarks.kernels.low_rank import LowRankLinear
    from lora.product import low_rank_linear

    n, tokens = KERNEL
    new = partial(torch.randn, device=setting.device)
    x = new(tokens, n).bfloat16().requires_grad_()
    W, L, R = new(n, n).bfloat16(), new(n, 16).requires_grad_(), new(16, n).requires_grad_()
    dy = new(tokens, n).bfloat16()

    def drop() -> None:
        x.grad = L.grad = R.grad = None

    ours = lambda _: low_rank_linear(x, W, None, L, R, 1.0).backward(dy)
    theirs = lambda _: LowRankLinear.apply(x, W, L, R, 1.0).backward(dy)
    return interleaved({"kernel": Action(theirs, drop), "torch": Action(ours, drop)}, setting)


ROWS = (
    *_step_rows(),
    *_peak_rows(),
    Row("eva of 8B", "eva", "forwards", eva_times, 1.3, unit=GPU_TIME),
    Row("eva of 8B", "peak beyond forwards", None, eva_peak, 3072, unit="MiB", exact=True),
    Row("pissa of all 8B layers", "attach", None, pissa, 10, unit="s"),
    Row(f"learning-rate sweep at width {WIDEST}", "engine", None, sweep, unit="s"),
    Row("low-rank product of an 8B layer", "kernel", "torch", kernel, unit=GPU_TIME),
)

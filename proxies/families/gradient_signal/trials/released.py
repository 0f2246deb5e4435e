"""EVA as PEFT releases it beside the library's, on small Llamas with random weights and Markov
text."""

import contextlib
import io
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

import lora
from lora import Statistics
from theory.gradient_signal import optimum as theory

PARTS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
VOCABULARY = 512
Batch = dict[str, Tensor]


class Endless(Exception):
    """PEFT asked for more forwards than it was allowed."""


class Counted(NamedTuple):
    state: dict[str, Tensor]
    forwards: int


def llama(width: int, inner: int, layers: int, seed: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes: dict[str, Any] = {
            "hidden_size": width,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
        }
        heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
        config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=512, **sizes, **heads)
        return LlamaForCausalLM(config).eval().requires_grad_(False)


def text(count: int, sequences: int, length: int, seed: int) -> list[Batch]:
    """Batches of a Markov chain with four successors a token, left with probability 0.4 for a Zipf
    draw."""
    rng = Generator().manual_seed(seed)
    follow = torch.randint(VOCABULARY, (VOCABULARY, 4), generator=Generator().manual_seed(0))
    zipf = (1 / torch.arange(1.0, VOCABULARY + 1)).expand(count * sequences, -1)
    ids = torch.multinomial(zipf, length, replacement=True, generator=rng)
    stays = torch.rand(ids.shape, generator=rng) < 0.6
    which = torch.randint(4, ids.shape, generator=rng)
    for t in range(1, length):
        ids[:, t] = torch.where(stays[:, t], follow[ids[:, t - 1], which[:, t]], ids[:, t])
    return [
        {"input_ids": piece, "attention_mask": torch.ones_like(piece)}
        for piece in ids.split(sequences)
    ]


def released(
    model: Any, batches: list[Batch], rank: int, limit: int = 300, **options: Any
) -> Counted:
    """PEFT's rows by layer and how often it ran the model. Raises Endless beyond `limit`
    forwards."""
    try:
        from peft import EvaConfig, LoraConfig, get_eva_state_dict
    except ImportError as error:
        raise ImportError(
            "E6, E7 and E8b need PEFT: pip install 'loralab[llm]', or pass --no-peft."
        ) from error

    forwards = 0

    def forward(model: Any, batch: Batch) -> None:
        nonlocal forwards
        if forwards == limit:
            raise Endless
        forwards += 1
        model(**batch)

    config = LoraConfig(
        r=rank, target_modules=list(PARTS), init_lora_weights="eva", eva_config=EvaConfig(**options)
    )
    try:
        # it prints a line for every layer that it skips
        with contextlib.redirect_stdout(io.StringIO()):
            state = get_eva_state_dict(
                model, batches, config, forward_fn=forward, show_progress_bar=False
            )
    finally:
        for module in model.modules():
            module._forward_hooks.clear()  # PEFT leaves its hooks behind when the forward raises
    return Counted({name: rows.float() for name, rows in state.items()}, forwards)


def _layers(model: Any) -> dict[str, Any]:
    return {
        name: module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] in PARTS
    }


def _rows(stats: Statistics, rank: int) -> Tensor:
    return lora.SCHEMES["eva"](torch.zeros(rank, len(stats.mean)), rank, stats=stats).A


def parity(seed: int) -> dict[str, Any]:
    """The same tokens for both: one batch given twice, after which PEFT stops, and which truncation
    does not touch.

    Ranks move; layers that read one input are counted together, because PEFT breaks their ties at
    will.
    """
    batch = text(1, 16, 64, seed)
    distances: dict[float, list[float]] = {8.0: [], 2.0: []}
    moved = 0
    for rho, found in distances.items():
        theirs = released(llama(64, 160, 2, seed), batch * 2, 8, rho=rho)
        model = llama(64, 160, 2, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = lora.Config(
                rank=8, scheme="eva", scheme_options={"rho": rho}, target_modules=PARTS
            )
            lora.attach(model, config, batch)
        ours = {name: layer.A.detach().double() for name, layer in lora.adapters(model).items()}
        totals: dict[tuple[str, str], list[int]] = {}
        for name, rows in theirs.state.items():
            part = name.rsplit(".", 1)[-1]
            shared = (
                "qkv"
                if part in ("q_proj", "k_proj", "v_proj")
                else "gate up"
                if part[0] in "gu"
                else part
            )
            total = totals.setdefault((name[: -len(part)], shared), [0, 0])
            total[0] += len(rows)
            total[1] += len(ours.get(name, ()))
            if name in ours and len(ours[name]) == len(rows) and len(rows):
                A, B = ours[name], rows.double()
                found.append(float(torch.linalg.matrix_norm(A.mT @ A - B.mT @ B, 2)))
        moved += sum(abs(a - b) for a, b in totals.values()) if rho == 8 else 0
    return {
        "distance": max(distances[8.0]),
        "distance at rho 2": max(distances[2.0]),
        "ranks": moved,
    }


def held_out(seed: int) -> dict[str, Any]:
    """Variance of unseen tokens that the rows capture, ours over PEFT's at the ranks that PEFT gave
    (its defaults)."""
    model, batches = llama(64, 160, 2, seed), text(48, 4, 64, seed)
    theirs = released(model, batches, 8)
    ran: list[int] = []
    handle = model.model.embed_tokens.register_forward_pre_hook(lambda module, args: ran.append(1))
    own = lora.collect(model, _layers(model), batches)
    handle.remove()
    fresh = lora.collect(model, _layers(model), text(48, 4, 64, seed + 10**6))
    ratios = []
    for name, rows in theirs.state.items():
        if len(rows):
            C = fresh[name].covariance.numpy()
            ours, released_rows = (A.double().numpy() for A in (_rows(own[name], len(rows)), rows))
            ratios.append(theory.signal(ours, C) / theory.signal(released_rows, C))
    return {
        "ratios": ratios,
        "forwards": theirs.forwards,
        "own forwards": len(ran),
        "beyond": len(ran) - len(batches),
    }


def speed(rounds: int, batches: int, seed: int) -> dict[str, Any]:
    """Processor times of a start for a 512-wide Llama of 4 layers, 28 of its weights adapted, 4 x
    256 tokens a batch.

    PEFT stops by its own rule, so it is cut off after as many updates as there are batches.
    Forwards alone are timed beside it: PEFT runs the model whole, and one forward more to hash the
    inputs.
    """
    model, data = llama(512, 1408, 4, seed), text(batches, 4, 256, seed)
    found: dict[str, list[float]] = {"end to end": [], "beyond the forwards": []}

    def cut() -> None:
        try:
            released(model, data, 16, batches + 1, tau=1.0)
        except Endless:
            return
        raise AssertionError("PEFT stopped by itself: tau = 1 should not let it")

    def own() -> None:
        for name, stats in lora.collect(model, layers, data).items():
            _rows(stats, min(16, layers[name].out_features))

    layers = _layers(model)
    with torch.no_grad():
        for _ in range(rounds):
            theirs, ours = _seconds(cut), _seconds(own)
            whole = _seconds(lambda: [model(**batch) for batch in data]) * (batches + 1) / batches
            body = _seconds(lambda: [model.model(**batch) for batch in data])
            found["end to end"].append(theirs / ours)
            found["beyond the forwards"].append((theirs - whole) / (ours - body))
    return found


def _seconds(work: Callable[[], Any]) -> float:
    """The processor's, not the wall's, so that another process does not change the verdict."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def safety(seed: int) -> dict[str, float]:
    """What the library does where PEFT fails: scale, whitening of shared inputs, masks, a stream
    without end."""
    batches = text(8, 4, 64, seed)
    scales, variances = [], []
    for stabilised in (False, True):
        model = llama(64, 160, 2, seed)
        options = {"rho": 2.0, "whiten": True}
        config = lora.Config(
            8, 8.0, PARTS, scheme="eva", scheme_options=options, rank_stabilized=stabilised
        )
        lora.attach(model, config, batches)
        wanted = 8**0.5 if stabilised else 1.0
        scales += [abs(layer.scale / wanted - 1) for layer in lora.adapters(model).values()]
        stats = lora.collect(llama(64, 160, 2, seed), list(lora.adapters(model)), batches)
        for name, layer in lora.adapters(model).items():
            A = layer.A.detach().double()
            variances += (A @ stats[name].covariance @ A.mT).diagonal().tolist()
    model = llama(64, 160, 2, seed)
    empty = {name: values * 0 for name, values in batches[0].items()}
    plain = lora.collect(model, _layers(model), batches)
    skipped = lora.collect(model, _layers(model), [empty, *batches])
    change = [
        float((skipped[n].covariance - s.covariance).norm() / s.covariance.norm())
        for n, s in plain.items()
    ]
    try:
        lora.collect(model, _layers(model), [empty])
        refused = 0
    except ValueError:
        refused = 1
    stream = _endless(batches)
    counted = next(iter(lora.collect(model, _layers(model), stream, max_batches=20).values())).count
    return {
        "scale": max(scales),
        "variance": float(np.abs(np.array(variances) - 1).max()),
        "masked batch": max(change),
        "refused": float(refused),
        "batches": counted / batches[0]["input_ids"].numel(),
    }


def _endless(batches: list[Batch]) -> Iterable[Batch]:
    while True:
        yield from batches


def defects(seed: int) -> dict[str, float]:
    """The same four of PEFT: its largest rsLoRA scale after redistribution over the one asked for,
    the norm of a whitened row of q over that of the same row whitened once, the layers of wrong
    width after a masked first batch, and the forwards it asks for at tau = 1 (301: it was cut
    off)."""
    from peft import EvaConfig, LoraConfig, get_peft_model, initialize_lora_eva_weights
    from peft.tuners.lora import LoraLayer

    batches = text(16, 4, 64, seed)
    start: Any = "eva"
    config = LoraConfig(
        r=8,
        lora_alpha=8,
        use_rslora=True,
        target_modules=list(PARTS),
        init_lora_weights=start,
        eva_config=EvaConfig(rho=2.0, tau=0.0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PEFT's, on memory and on a name in transformers
        wrapped: Any = get_peft_model(llama(64, 160, 2, seed), config)
        initialize_lora_eva_weights(wrapped, batches, show_progress_bar=False)
    scales = [m.scaling["default"] / 8**0.5 for m in wrapped.modules() if isinstance(m, LoraLayer)]
    q, o = "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.o_proj"
    white = released(llama(64, 160, 2, seed), batches, 4, rho=1.0, tau=0.0, whiten=True).state
    stats = lora.collect(llama(64, 160, 2, seed), [q, o], batches)
    once = {
        n: float(torch.linalg.eigvalsh(s.covariance)[-1] * s.count) ** -0.25
        for n, s in stats.items()
    }
    norms = {n: float(white[n][0].norm()) for n in (q, o)}
    masked = {
        "input_ids": batches[0]["input_ids"],
        "attention_mask": batches[0]["attention_mask"] * 0,
    }
    state = released(llama(64, 160, 2, seed), [masked, *batches[:4]], 4, rho=1.0, tau=0.0).state
    layers = _layers(llama(64, 160, 2, seed))
    wrong = sum(rows.shape[1] != layers[name].in_features for name, rows in state.items())
    try:
        forwards = released(llama(64, 160, 2, seed), batches, 4, rho=1.0, tau=1.0).forwards
    except Endless:
        forwards = 301
    whitened = (norms[q] / norms[o]) / (once[q] / once[o])
    return {"scale": max(scales), "whitened": whitened, "wrong": wrong, "forwards": forwards}

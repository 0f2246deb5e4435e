"""A scheme on a whole small model, and from there to stock PEFT: see
`lora.testing.check_round_trip`."""

import tempfile
from typing import Any

import torch
from torch import Generator, Tensor, nn

from lora.collect import collect
from lora.config import Config
from lora.initialization import initial_factors
from lora.layer import LoRALinear, weight_of
from lora.model import adapters, build_layer, install
from lora.schemes import Scheme
from lora.storage import load, save
from lora.targets import targets

WIDTHS = (12, 16, 10)
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def model(dtype: torch.dtype) -> nn.Module:
    """Two linear layers, of a tall and of a wide weight."""
    made, rng = (
        nn.Sequential(nn.Linear(*WIDTHS[:2]), nn.ReLU(), nn.Linear(*WIDTHS[1:])),
        Generator().manual_seed(3),
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=rng) / parameter.shape[-1] ** 0.5
            )
    return made.to(dtype)


def inputs(dtype: torch.dtype) -> Tensor:
    return torch.randn(64, WIDTHS[0], generator=Generator().manual_seed(4), dtype=torch.float64).to(
        dtype
    )


def adapted_by(scheme: Scheme, rank: int, dtype: torch.dtype, options: dict[str, Any]) -> nn.Module:
    """The model with this scheme's adapters on it, as `lora.attach` puts those of a named
    scheme."""
    base, config, x = model(dtype), Config(rank=rank, scheme_options=options), inputs(dtype)
    found, skipped = targets(base, config)
    stats = {}
    if scheme.needs_data:
        stats = collect(base, found, [x], scheme.needs, lambda base, x: base(x).square().mean())

    def build(name: str, module: nn.Module) -> LoRALinear:
        factors = initial_factors(scheme, config, name, module, stats.get(name))
        return build_layer(config, name, module, factors, factors.frozen())

    install(base, config, found, skipped, build)
    return base


def check(name: str, scheme: Scheme, rank: int, options: dict[str, Any]) -> None:
    try:
        import peft
    except ImportError as error:
        raise ImportError("check_round_trip needs peft: pip install 'loralab[llm]'") from error

    def law(holds: bool, sentence: str) -> None:
        if not holds:
            raise AssertionError(f"{name}, rank {rank}: {sentence}")

    for dtype in DTYPES:
        x, adapted = inputs(dtype), adapted_by(scheme, rank, dtype, options)
        law(
            torch.equal(adapted(x), model(dtype)(x)),
            f"the function at step 0 is another in {dtype}",
        )
    x, adapted = inputs(torch.float32), adapted_by(scheme, rank, torch.float32, options)
    rng = Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:  # as training would move it
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    wanted, ours = adapted(x), model(torch.float32)
    with tempfile.TemporaryDirectory() as folder:
        save(adapted, folder)
        load(ours, folder)
        theirs = peft.PeftModel.from_pretrained(model(torch.float32), folder)
    law(torch.equal(ours(x), wanted), "saved and loaded, it computes another function")
    for key, layer in adapters(adapted).items():
        pair = adapters(ours)[key].factors()
        law(
            all(map(torch.equal, pair, layer.factors())),
            f"saved and loaded, {key} has other factors",
        )
    # float32 sums in another order: eps for each of their terms, 2 r of them through the frozen
    # pair
    terms = sum(WIDTHS) + 4 * rank
    bar = terms * torch.finfo(torch.float32).eps * _size(adapted, x)
    law(
        bool((theirs(x) - wanted).abs().max() <= bar),
        "stock PEFT computes another function from what is saved",
    )


def _size(adapted: nn.Module, x: Tensor) -> Tensor:
    """The largest sum of magnitudes that the output can be the result of."""
    for child in adapted.children():
        if isinstance(child, LoRALinear):
            L, R = child.exported()
            magnitude = weight_of(child.base_layer).abs() + child.scale * L.abs() @ R.abs()
            x = x.abs() @ magnitude.mT + (0 if child.bias is None else child.bias.abs())
    return x.max()

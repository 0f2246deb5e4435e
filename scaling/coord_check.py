"""The coordinate check of LoRA for any transformers architecture: do its features grow with width
as theory says?

    python scaling/coord_check.py                                           # a small Llama, Init[A]
    python scaling/coord_check.py --scheme init_a --lr-exponents -1 0       # LoRA+
    python scaling/coord_check.py --scheme init_b --lr-exponents -0.5 -0.5  # fails: unstable
    python scaling/coord_check.py --model-config gpt2 --blocks 1

Builds the model with random weights at several widths, attaches adapters, takes a few steps of Adam
at the learning rates k n^c_A and k n^c_B for the width n, and fits the growth of every feature of
arXiv:2406.08447, Z_A, Z_B and the three parts of the change of Z_B. Each slope stands beside the
exponent that theory.lr_stability predicts. Each layer is trained alone, as in the theory;
--together trains all of them.

Exit code 0 when, after the last step, every slope is within 0.15 of its exponent and Z_B does not
grow with width; 1 when not, and 2 when a flag is wrong. Measurements are kept in the run store.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loralab import flags
from loralab.code import ROOT, fingerprint, home
from loralab.memo import Memo
from loralab.process import finish
from loralab.store import Store
from proxies.instruments import optional
from scaling.core.settings import SCHEMES
from scaling.models.packaged import located

# torch takes seconds to load: what needs it is imported where it is run, and no --help does
if TYPE_CHECKING:
    from scaling.evaluation.coordinates import Result

FIRST = 2000  # seed


@dataclass(frozen=True)
class Config:
    model_config: str = ""
    """a transformers configuration, as a folder or a JSON file, the name of a model type such as
    gpt2, or of a model that loralab models lists; by default a small Llama"""
    scheme: str = "init_a"
    """the initialization of the adapters, a row of lora.SCHEMES"""
    lr_exponents: tuple[float, float] | None = None
    """c_A and c_B of the learning rates k n^c; by default both are the largest exponent that
    theory predicts to be stable"""
    widths: tuple[int, ...] = ()
    """hidden sizes, increasing; by default the least that the model can have from 128 on, and three
    doublings of it"""
    steps: int = 6
    """training steps of Adam"""
    seeds: int = 4
    """random models and batches, seeded 2000, 2001, ..."""
    rank: int = 4
    """rank of the adapters, with alpha = rank, so that s = 1"""
    rate: float = 0.3
    """k of the learning rates"""
    blocks: int = 2
    """transformer blocks to which the model is cut down"""
    together: bool = False
    """train all layers at once, which the theory does not cover, in place of each alone"""
    out: Path | None = None
    """folder for coord_check.json and coord_check.png; report/coord_check by default"""

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ValueError(f"--scheme must be one of {', '.join(SCHEMES)}, got {self.scheme!r}.")
        if len(self.widths) == 1 or list(self.widths) != sorted(set(self.widths)):
            raise ValueError(f"--widths must be at least two, increasing, got {self.widths}.")
        for name, least, reason in (
            ("steps", 3, "the first at which every feature has its final exponent"),
            ("seeds", 1, "as there is nothing to measure otherwise"),
            ("rank", 1, "as an adapter has columns"),
            ("blocks", 1, "as a model has blocks"),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"--{name} must be at least {least}, {reason}; got {getattr(self, name)}."
                )
        if not 0 < self.rate < float("inf"):
            raise ValueError(f"--rate must be positive and finite, got {self.rate}.")


def described(model_config: str) -> dict[str, Any]:
    """The configuration as a dict with its model_type; nothing is downloaded."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, AutoConfig

    from proxies.instruments import architectures

    if not model_config:
        return architectures.SMALL_LLAMA
    model_config = located(model_config)
    if Path(model_config).exists():
        try:
            return AutoConfig.from_pretrained(model_config, local_files_only=True).to_dict()
        except (OSError, ValueError, StrictDataclassError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"--model-config {model_config} is no configuration of transformers: {reason}"
            ) from error
    if model_config in CONFIG_MAPPING:
        return AutoConfig.for_model(model_config).to_dict()
    raise ValueError(
        f"--model-config {model_config} is neither a file or folder, nor a model type of "
        "transformers."
    )


def check(config: Config) -> "Result":
    """Measure the slopes and compare them with their exponents; ValueError for an impossible
    configuration."""
    from proxies.instruments import architectures
    from proxies.instruments.coordinates import QUANTITIES, coordinates, fitted
    from scaling.evaluation.coordinates import Result
    from theory.lr_stability import exponents, max_single_lr

    if not optional.transformers():
        raise ValueError("The coordinate check needs transformers: pip install 'loralab[llm]'.")
    model = described(config.model_config)
    architectures.check(model, config.blocks)
    widths = config.widths or architectures.default_widths(model)
    for width in widths:
        architectures.check_width(model, width)
    c = config.lr_exponents or (float(max_single_lr(config.scheme)),) * 2
    exact = [Fraction(str(value)) for value in c]
    predicted = []
    for step in range(1, config.steps + 1):
        orders = exponents(config.scheme, steps=step)
        predicted.append([float(getattr(orders, quantity)(*exact)) for quantity in QUANTITIES])
    shared = {
        "config": model,
        "scheme": config.scheme,
        "exponents": list(c),
        "steps": config.steps,
        "rank": config.rank,
        "rate": config.rate,
        "blocks": config.blocks,
        "together": config.together,
    }
    points = [
        {"width": width, "seed": FIRST + i, **shared}
        for width in widths
        for i in range(config.seeds)
    ]
    memo = Memo(
        Store(), "coord_check", fingerprint(ROOT / "proxies" / "instruments" / "coordinates.py")
    )
    trials = memo.map(coordinates, points)
    rows = [trials[i * config.seeds : (i + 1) * config.seeds] for i in range(len(widths))]
    settings = asdict(config) | {
        "model_config": model,
        "lr_exponents": c,
        "widths": widths,
        "out": None,
    }
    return Result(settings, rows, fitted(widths, rows), predicted)


def main(arguments: Sequence[str]) -> int:
    try:
        groups = {"check": flags.Group(Config, about="What is measured.")}
        values = flags.read(groups, "python scaling/coord_check.py", __doc__, arguments)
        config = Config(**values["check"])
        result = check(config)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from scaling.evaluation.coordinates import report

    return report(result, config.out or home() / "report" / "coord_check")


if __name__ == "__main__":
    finish(lambda: main(sys.argv[1:]))

"""What a run of a method takes beside LoRA's, from the recorded comparison on a language model."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from docs.generate import markdown
from loralab import pictured
from loralab.ledger import number

FAMILY = "language"
MISSING = (
    "Not measured yet: the comparison on SmolLM2-135M will fill this place. "
    "[Benchmarks](../benchmarks.md) says how to measure time and memory on your machine.\n"
)


@cache
def methods() -> dict[str, dict[str, Any]]:
    """What was measured of each method, by its name in the comparison; empty where nothing was."""
    run = pictured.read(FAMILY)
    return run.result["data"] if run else {}


def name_of(settings: Mapping[str, Any]) -> str | None:
    """The method of the comparison that has these settings and no other."""
    from scaling.studies.trials.methods import METHODS

    return next((name for name, own in METHODS.items() if own == settings), None)


def costs(settings: Mapping[str, Any]) -> str:
    """Trained parameters, seconds of a run and peak of memory, beside LoRA's."""
    settings = {} if settings == {"scheme": "init_a"} else settings
    if settings == {"variant": "tsd"}:
        settings = {"scheme": "tsd_init", "variant": "tsd"}
    name, found = name_of(settings), methods()
    if name is None or name not in found:
        return MISSING
    lines = [
        (
            each,
            f"{found[each]['parameters']:,}",
            number(found[each]["seconds"]),
            mebibytes(found[each]["memory"]),
        )
        for each in dict.fromkeys(("LoRA", name))
    ]
    head = ("method", "trained parameters", "seconds a run", "peak of memory, MiB")
    return f"Of the recorded comparison on SmolLM2-135M.\n\n{markdown.table(head, lines)}"


def mebibytes(count: float | None) -> str:
    return "-" if count is None else f"{count / 2**20:,.0f}"

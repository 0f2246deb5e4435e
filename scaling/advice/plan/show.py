"""A plan as text."""

from loralab.ledger import records_table, text_of
from scaling.advice.plan.memory import Memory
from scaling.advice.plan.plan import SPARE, Plan, Start


def text(plan: Plan) -> str:
    """What the run needs, and what to type."""
    turned = "without checkpointing" if plan.checkpointing else "with checkpointing"
    columns = {"adapter": plan.adapter, turned: plan.other, "full": plan.full}
    held = plan.precision if plan.quantize is None else f"{plan.quantize} and {plan.precision}"
    memory = [
        {"": what, **{name: gb(row) for name, row in zip(columns, sizes, strict=True)}}
        for what, *sizes in zip(ROWS, *map(_rows, columns.values()), strict=True)
    ]
    cards = [
        {
            "card": f"{fits.card} GB",
            **dict(zip(columns, map(_at_once, (fits.adapter, fits.other, fits.full)), strict=True)),
        }
        for fits in plan.cards
    ]
    base = [{"base model held as": way, "GB": gb(size)} for way, size in plan.weights.items()]
    files = [{"on disk": what, "GB": gb(size)} for what, size in plan.files.items()]
    most = "" if plan.exact else " (an estimate: its blocks are not those of Llama)"
    return "\n".join(
        [
            f"{plan.model}: {plan.kind}, {plan.parameters:,} parameters",
            f"an adapter trains {plan.trained:,}, full fine-tuning of its layers "
            f"{plan.trained_full:,}",
            text_of(
                records_table(
                    f"GB of memory, in {held}, {plan.micro} x {plan.length:,} tokens at once{most}",
                    memory,
                ),
                records_table(
                    f"examples at once that fit, with {SPARE:.0%} of the card left free", cards
                ),
                records_table("base model", base),
                records_table("files", files),
            ),
            *(f"{_said(start, plan.batch)}\n{start.line}" for start in plan.starts),
            *plan.notes,
        ]
    )


ROWS = (
    "weights that are not trained",
    "trained weights",
    "gradients",
    "AdamW's state",
    "activations",
    "for a moment",
    "sum",
)


def _rows(memory: Memory) -> list[int]:
    fixed = [memory.weights, memory.trained, memory.gradients, memory.optimizer]
    return [*fixed, memory.activations, memory.moment, memory.total]


def gb(size: int) -> str:
    """In GB of 10^9 bytes, to three digits."""
    return f"{size / 1e9:.3g}"


def _at_once(examples: int | None) -> str:
    return "-" if examples is None else str(examples)


def _said(start: Start, batch: int) -> str:
    many = "one GPU" if start.devices == 1 else f"{start.devices} GPUs"
    times = f" x {start.accumulation} micro-batches" if start.accumulation > 1 else ""
    return (
        f"\non {many} of {start.card} GB, {gb(start.memory.total)} GB each: a step of {batch} "
        f"examples is {start.micro} at once{times}"
        + (f" x {start.devices} GPUs" if start.devices > 1 else "")
    )

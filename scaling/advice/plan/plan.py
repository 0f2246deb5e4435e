"""The plan of a run: its memory, its files, the cards that it fits on and how it is started.

A card has GB of 10^9 bytes, which is a little less than the cards that are called so have. SPARE of
it is left free, for the device's own context and for its allocator: a guess, not measured.
"""

from dataclasses import dataclass, replace

from scaling.advice.plan.adapters import FLOAT, STATE, adapted, on_weight
from scaling.advice.plan.commands import command
from scaling.advice.plan.decoder import decoder
from scaling.advice.plan.memory import HALF, QUANTISED, Memory, Run, memory, weights
from scaling.core.config import Config, check_scheme
from scaling.core.settings import AUTO, Quantize
from scaling.models.packaged import language_model
from scaling.models.precision import WIDE

CARDS = (24, 40, 48, 80, 141)
SPARE = 0.1
DEVICES = 8
TASK = "causal_lm"


def largest(run: Run, batch: int, given: int | None, card: int) -> int | None:
    """The largest micro-batch, a divisor of the device's share of the batch, or the one that is
    given, with which the run fits on a card; None where none does."""
    share = batch // run.devices
    sizes = [given] if given else [m for m in range(share, 0, -1) if share % m == 0]
    room = (1 - SPARE) * card * 10**9
    return next((m for m in sizes if share % m == 0 and memory(run, m).total <= room), None)


@dataclass(frozen=True)
class Fits:
    """What fits on a card: the examples at once, None for not one.

    Args:
        card: its GB, of 10^9 bytes.
        adapter: of the run as it is asked for.
        other: with checkpointing, or without it where it is asked for.
        full: of full fine-tuning.
    """

    card: int
    adapter: int | None
    other: int | None
    full: int | None


@dataclass(frozen=True)
class Start:
    """A way to start the run.

    Args:
        devices: how many.
        card: the GB of each.
        micro: examples at once on each.
        accumulation: micro-batches of a step.
        memory: of each.
        line: the command.
    """

    devices: int
    card: int
    micro: int
    accumulation: int
    memory: Memory
    line: str


@dataclass(frozen=True, repr=False)
class Plan:
    """What a run needs.

    Args:
        model: as it was named.
        kind: transformers' model_type.
        exact: whether the activations are those of Llama's blocks, and no estimate.
        parameters: of the model.
        trained: numbers that the run trains.
        trained_full: those of full fine-tuning of the same layers.
        precision, quantize: of the weights that are not trained.
        batch, length: examples of a step, tokens of each at most.
        micro: examples at once, for which the memory is shown.
        checkpointing: whether it is asked for.
        adapter, other, full: memory as asked for, with checkpointing turned round, and of full
            fine-tuning.
        weights: bytes of the base model by how it is held.
        files: bytes on disk, by what they hold.
        cards: what fits on which.
        starts: on one device and on DEVICES, where it fits.
        notes: what there is to know besides.
    """

    model: str
    kind: str
    exact: bool
    parameters: int
    trained: int
    trained_full: int
    precision: str
    quantize: Quantize | None
    batch: int
    length: int
    micro: int
    checkpointing: bool
    adapter: Memory
    other: Memory
    full: Memory
    weights: dict[str, int]
    files: dict[str, int]
    cards: list[Fits]
    starts: list[Start]
    notes: list[str]

    def __repr__(self) -> str:
        from scaling.advice.plan.show import text

        return text(self)


def planned(config: Config) -> Plan:
    """The plan of a run of a causal language model.

    Args:
        config: the run. Its model may be a folder with a config.json, that file, a name of
            `loralab models` or one on the hub; no weights and no data are read.

    Raises: ValueError for another task, a model that cannot be planned for, an adapter that it
        cannot have, or longer examples than it reads.
    """
    if config.data.task != TASK:
        raise ValueError(f"plan is about {TASK}, got task {config.data.task!r}")
    check_scheme(config.adapter)
    named = language_model(config.data.model)
    model = decoder(named, config.adapter, config.data.trust_remote_code)
    length, batch = config.data.length, config.training.batch
    if length < 2 or (model.positions is not None and length > model.positions):
        most = "" if model.positions is None else f" and at most {model.positions}"
        raise ValueError(f"length must be at least 2 tokens{most}, got {length}")
    precision = config.training.precision
    if precision == AUTO:
        precision = "bfloat16" if model.width >= WIDE else "float32"
    quantize = config.training.quantize
    run = Run(
        model,
        adapted(config.adapter, model.linear),
        length,
        precision,
        quantize,
        checkpointing=config.run.gradient_checkpointing,
    )
    other = replace(run, checkpointing=not run.checkpointing)
    whole = {layer.name: on_weight(layer.out, layer.in_) for layer in model.linear if layer.rank}
    full = replace(run, layers=whole, full=True, quantize=None)
    given = config.run.micro_batch
    runs = (run, other, full)
    cards = [Fits(card, *(largest(each, batch, given, card) for each in runs)) for card in CARDS]
    chosen = next((fits for fits in cards if fits.adapter is not None), None)
    starts, notes = _starts(config, run, chosen, named)
    if chosen is None and any(fits.other is not None for fits in cards):
        turned = "without" if run.checkpointing else "with"
        notes.append(f"on one card it fits {turned} --gradient-checkpointing")
    micro = given or (chosen.adapter if chosen is not None and chosen.adapter else 1)
    return Plan(
        model=named,
        kind=model.kind,
        exact=model.known,
        parameters=model.parameters,
        trained=run.trained,
        trained_full=full.trained,
        precision=precision,
        quantize=quantize,
        batch=batch,
        length=length,
        micro=micro,
        checkpointing=run.checkpointing,
        adapter=memory(run, micro),
        other=memory(other, micro),
        full=memory(full, micro),
        weights=_held(run),
        files=_files(run, full, config.training.validate_every is not None),
        cards=cards,
        starts=starts,
        notes=notes,
    )


def _starts(
    config: Config, run: Run, chosen: Fits | None, named: str
) -> tuple[list[Start], list[str]]:
    """The run on one device and on DEVICES: of the same card, or where it fits on none sharded, of
    the smallest that does; and what there is to say."""
    batch, given = config.training.batch, config.run.micro_batch
    found, notes = list[Start](), list[str]()

    def start(run: Run, card: int) -> bool:
        micro = largest(run, batch, given, card)
        if micro is not None:
            line = command(config, named, run, micro)
            accumulation = batch // (run.devices * micro)
            found.append(Start(run.devices, card, micro, accumulation, memory(run, micro), line))
        return micro is not None

    if chosen is None:
        notes.append(f"it fits on no single card of {CARDS[-1]} GB")
    else:
        start(run, chosen.card)
    if batch % DEVICES:
        notes.append(f"on {DEVICES} GPUs the batch must be a multiple of {DEVICES}, and is {batch}")
        return found, notes
    several = replace(run, devices=DEVICES, sharded=config.run.sharded)
    sharded = replace(several, sharded=True)
    ways = [(several, card) for card in CARDS if chosen is None or card >= chosen.card]
    if run.quantize is None:  # which packs what sharded would split
        ways += [(sharded, card) for card in CARDS]
    if not any(start(*way) for way in ways):
        less = "--gradient-checkpointing or a smaller --length needs less"
        how = ", sharded" if run.quantize is None else ""
        notes.append(f"nor on {DEVICES}{how}: {less}")
    return found, notes


def _held(run: Run) -> dict[str, int]:
    """Bytes of the base model by how it is held."""
    ways: dict[str, tuple[str, Quantize | None]] = {
        "float32": ("float32", None),
        "bfloat16": ("bfloat16", None),
    }
    rest = "bfloat16" if run.precision in HALF else "float32"
    ways |= {name: (rest, name) for name in QUANTISED}
    return {
        way: weights(replace(run, precision=precision, quantize=quantize))
        for way, (precision, quantize) in ways.items()
    }


def _files(run: Run, full: Run, best: bool) -> dict[str, int]:
    """Bytes on disk, but for some thousand of headers; `best` is kept where runs are validated."""
    whole, layers = run.model.whole, run.layers.values()
    state = FLOAT * (sum(layer.carried for layer in layers) + whole) * (2 if best else 1)
    return {
        "adapter": FLOAT * (sum(layer.saved for layer in layers) + whole),
        "checkpoint": state + STATE * FLOAT * run.trained,
        "full: model": FLOAT * run.model.parameters,
        "full: difference": FLOAT * full.trained,
        "full: checkpoint": FLOAT * full.trained * ((2 if best else 1) + STATE),
    }

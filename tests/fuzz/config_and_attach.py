"""`lora.Config` and `lora.attach` on odd requests: python -m tests.fuzz.config_and_attach

Each case has sound settings but for one thing: a field or two of the config, a config read from
JSON, the model, the batches, the loss, or another argument. What is accepted must live: compute the
base function to the bit, train, be saved and loaded, merged, unmerged and detached.
"""

import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from torch import Tensor

import lora
from lora import SCHEMES, Config
from tests.fuzz import oddities, requests
from tests.fuzz.battery import Battery, main
from tests.fuzz.judge import Judged, Outcome, difference, refusal, snapshot
from tests.fuzz.lives import lives
from tests.fuzz.requests import ARGUMENTS, BATCHES, CHANGING, LOSSES, NAMES, shown
from tests.fuzz.victims import REFUSED, VICTIMS, Own, peft_too

WITH_DATA = [name for name, scheme in SCHEMES.items() if scheme.needs in ("inputs", "gradient")]


@dataclass
class Request:
    """What is asked, and in words what is odd about it."""

    kind: str
    what: str
    settings: dict[str, Any]
    victim: str = "MLP"
    batches: str = "sound"
    loss: str = "sound"
    arguments: dict[str, Any] | None = None
    config: Any = None  # in place of one of these settings


def drawn(rng: Random) -> Request:
    kind = rng.choices(["config fields", "model", "batches", "loss", "argument"], [10, 6, 4, 3, 2])[
        0
    ]
    settings = requests.sound(rng)
    match kind:
        case "config fields":
            odd = requests.odd(rng)
            named = {k: v for k, v in odd.items() if k in requests.FIELDS}
            victim = rng.choice(("MLP", "MLP", "small"))
            return Request(kind, f"Config({_call(named)}) on {victim}", odd, victim)
        case "model":
            victim = rng.choice(list(VICTIMS))
            return Request(kind, f"{victim}; Config({_call(settings)})", settings, victim)
        case "batches":
            settings |= {"scheme": rng.choice(WITH_DATA), "variant": "plain", "variant_options": {}}
            batches, loss = rng.choice(list(BATCHES)), rng.choice(("sound", "none given"))
            what = f"batches: {batches}, loss: {loss}; Config({_call(settings)})"
            return Request(kind, what, settings, batches=batches, loss=loss)
        case "loss":
            settings |= {"scheme": rng.choice(WITH_DATA), "variant": "plain", "variant_options": {}}
            loss = rng.choice(list(LOSSES))
            what = f"loss: {loss}; Config({_call(settings)})"
            return Request(kind, what, settings, loss=loss)
    settings |= {"scheme": rng.choice(WITH_DATA), "variant": "plain", "variant_options": {}}
    if rng.random() < 0.1:
        config = rng.choice((None, {"rank": 2}, "pissa", 8, Config, b""))
        return Request(kind, f"config={shown(config)}", settings, config=(config,))
    name = rng.choice(list(ARGUMENTS))
    value = rng.choice((*ARGUMENTS[name], rng.choice(requests.OBJECTS)))
    what = f"{name}={shown(value)}; Config({_call(settings)})"
    return Request(kind, what, settings, arguments={name: value})


def _call(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name}={shown(value)}" for name, value in settings.items())


def case(shared: None, rng: Random, index: int, folder: Path) -> Judged:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return from_json(rng) if index % 10 == 0 else asked(drawn(rng), folder)


def from_json(rng: Random) -> Judged:
    """A config in JSON with a change in it."""
    text, what = Config(**requests.sound(rng)).to_json(), "as it is"
    if rng.random() < 0.15:
        odd, what = oddities.texts(rng, text)
        text = odd.decode("latin-1")
    else:
        value = oddities.json.loads(text)
        value, what = oddities.mutated(rng, value)
        text = oddities.dumped(value)
    kind, what = "config from JSON", f"Config.from_json: {what}"
    try:
        config = Config.from_json(text)
    except Exception as error:
        return refusal(kind, what, error, NAMES, None)
    return _same_in_json(config, kind, what) or Judged(kind, Outcome.RIGHT, what)


def _same_in_json(config: Config, kind: str, what: str) -> Judged | None:
    try:
        again = Config.from_json(config.to_json())
    except Exception as error:
        detail = f"accepted, and then no JSON: {type(error).__name__}: {error}"
        return Judged(kind, Outcome.WRONG, what, detail[:300])
    same = repr(again) == repr(config)  # NaN too, which does not equal itself
    return None if same else Judged(kind, Outcome.WRONG, what, "JSON gives another config back")


def asked(request: Request, folder: Path) -> Judged:
    kind, what = request.kind, request.what
    try:
        config = request.config[0] if request.config else Config(**request.settings)
    except Exception as error:
        return refusal(kind, what, error, NAMES, None)
    if isinstance(config, Config) and (trouble := _same_in_json(config, kind, what)):
        return trouble
    model, x = VICTIMS[request.victim]()
    batches, loss, read = _data(request, x)
    before = snapshot(model)
    arguments = {"loss_fn": loss} | (request.arguments or {})
    names = {*NAMES, *(name for name, _ in model.named_modules() if name)}
    try:
        lora.attach(model, config, batches, **arguments)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        own = request.loss in CHANGING  # how these leave the model is their own affair
        changed = None if own else difference(before, snapshot(model))
        if not changed and _is_theirs(error, request, config):
            return Judged(kind, Outcome.OWN, what)
        judged = refusal(kind, what, error, names, changed)
        late = kind == "config fields" and judged.outcome is Outcome.REFUSED and len(read)
        if late:
            detail = f"only after {len(read)} batches were read: {judged.detail}"
            return Judged(kind, Outcome.UNCLEAR, what, detail)
        return judged
    if request.loss in CHANGING:
        return Judged(kind, Outcome.RIGHT, what)
    if request.victim in REFUSED:
        return Judged(kind, Outcome.WRONG, what, "adapters on a model that carries some already")
    try:
        trouble = lives(VICTIMS[request.victim], model, x, before, folder)
    except Exception as error:
        where = error.__traceback__
        trouble = f"accepted, then {type(error).__name__}: {error}"
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        trouble += f" ({where and Path(where.tb_frame.f_code.co_filename).name})"
    return Judged(kind, Outcome.WRONG if trouble else Outcome.RIGHT, what, (trouble or "")[:400])


def _data(request: Request, x: Tensor | None) -> tuple[Any, Any, list[Any]]:
    """The batches, the loss, and a list that grows as batches are read."""
    read: list[Any] = []
    loss = LOSSES[request.loss]
    if request.batches != "sound":
        return BATCHES[request.batches](), loss, read
    each = BATCHES["sound"]() if x is None or request.victim == "MLP" else [x]

    def counted() -> Iterator[Any]:
        for batch in each:
            read.append(batch)
            yield batch

    return counted(), loss, read


def _is_theirs(error: BaseException, request: Request, config: Any) -> bool:
    """Whether the user's own code raises the same where this library is not there."""
    if isinstance(error, Own | ZeroDivisionError):
        return True
    victim, x = VICTIMS[request.victim]()
    if "attached" in request.victim or "merged" in request.victim:
        return False
    loss = (request.arguments or {}).get("loss_fn", LOSSES[request.loss])
    scheme = SCHEMES.get(getattr(config, "scheme", ""))
    gradient = scheme is not None and scheme.needs == "gradient"
    weights = (request.arguments or {}).get("weights")
    theirs = requests.original(victim, _data(request, x)[0], loss, gradient, weights)
    return theirs is not None and (type(theirs), _bare(theirs)) == (type(error), _bare(error))


def _bare(error: BaseException) -> str:
    return re.sub(r"0x[0-9a-f]+", "", str(error))


BATTERY = Battery(
    "config_and_attach",
    "one sentence that names field, argument or layer, before any data is read for a field, and\n"
    "the model as it was; or a model that computes the base function to the bit, trains, and can\n"
    "be saved, loaded, merged, unmerged and detached",
    cases=5_500,
    limit=10.0,
    prepare=lambda folder: peft_too(),  # which takes longer to import than a case may
    case=case,
)

if __name__ == "__main__":
    sys.exit(main([BATTERY]))

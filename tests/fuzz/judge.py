"""How every battery judges a case: what came of it, whether an error is one clear sentence, and
whether a model was left as it was."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter


class Outcome(Enum):
    """What came of a case; the value is how the table calls it."""

    RIGHT = "right"
    REFUSED = "refused in one sentence"
    OTHER = "as adapter_config.json says, which no checksum contradicts"
    OWN = "the user's own exception passes through"
    WRONG = "SILENT WRONG"
    UNCLEAR = "UNCLEAR ERROR"
    CHANGED = "CHANGED ON ERROR"
    HUNG = "HANG"


BAD = (Outcome.WRONG, Outcome.UNCLEAR, Outcome.CHANGED, Outcome.HUNG)


@dataclass(frozen=True)
class Judged:
    """One case: what was done, in words, what came of it, and the evidence where it is bad."""

    kind: str
    outcome: Outcome
    case: str
    detail: str = ""


class Hung(BaseException):
    """The case took longer than its limit; no Exception, so that nothing takes it for its own."""


# The words of Python and of torch for a value that nobody looked at, however they are introduced.
RAW = re.compile(
    r"object is not|object has no attribute|objects? cannot be interpreted|is not iterable"
    r"|not subscriptable"
    r"|unhashable type|unsupported operand|\w\(\) (got|takes|missing) "
    r"|not supported between|can only concatenate|can't multiply|must be real number"
    r"|cannot convert float|too large to convert"
    r"|indices must be|list index out of|invalid literal|could not convert"
    r"|meta tensors|not implemented for|Cannot copy out|inference tensor"
    r"|Traceback|jaxtyping|beartype|Expected all tensors"
)
# What a parser, or a signature, says is fine behind the name of the file or the argument, and a
# riddle without it.
PARSER = re.compile(
    r"Expecting |Extra data|Unterminated|Invalid (control|\\)|codec can't decode|Exceeds the limit"
    r"|maximum recursion|out of range|unexpected keyword|positional argument|required argument"
    r"|Errno"
)
LONGEST = 2000  # characters; a sentence does not print a whole file or a number of 5,000 digits


def unclear(error: BaseException, names: Collection[str]) -> str | None:
    """Why an error is not one clear sentence; None where it is.

    Args:
        error: what was raised.
        names: words of which the sentence must have one: a file, a key, an argument, a layer.
    """
    kind, text = type(error), str(error)
    ours = kind.__module__.split(".")[0] in ("lora", "loralab", "scaling")
    if not (kind is ValueError or issubclass(kind, OSError | ImportError) or ours):
        return f"{kind.__name__} where a ValueError is promised"
    return unclear_text(text, names)


def unclear_text(text: str, names: Collection[str]) -> str | None:
    """The same of the sentence alone."""
    # in brackets behind a sentence of ours stands what another library said
    if found := RAW.search(re.sub(r"\([^()]+\)", "", text)):
        return f"raw words of Python, {found[0]!r}"
    if len(text.split()) < 4:
        return "no sentence"
    if "\n" in text.strip():
        return "more than one line"
    if len(text) > LONGEST:
        return f"{len(text)} characters"
    if (named := _any_of(frozenset(names)).search(text)) is None:
        return "it names no file, key, argument or layer"
    if (found := PARSER.search(text)) and found.start() < named.start():
        return f"{found[0]!r} before it names the file"
    return None


@cache
def _any_of(names: frozenset[str]) -> re.Pattern[str]:
    """Any of the names as whole words."""
    each = (rf"(?<!\w){re.escape(name)}" + r"(?!\w)" * name[-1].isalnum() for name in names if name)
    return re.compile("|".join(sorted(each)))


def refusal(
    kind: str, case: str, error: BaseException, names: Collection[str], changed: str | None
) -> Judged:
    """The judgement of an error after which the model differs from before in `changed`."""
    said = f"{type(error).__name__}: {str(error)[:300]}"
    if isinstance(error, Hung):
        return Judged(kind, Outcome.HUNG, case, "longer than the limit of a case")
    if changed:
        return Judged(kind, Outcome.CHANGED, case, f"{changed}, after {said}")
    if why := unclear(error, names):
        return Judged(kind, Outcome.UNCLEAR, case, f"{why}, in {said}")
    return Judged(kind, Outcome.REFUSED, case, said)


Snapshot = dict[str, Any]


def snapshot(model: nn.Module) -> Snapshot:
    """Everything of a model that an operation may have changed: which objects it holds, their
    modes, hooks and attributes, and every bit of their values."""
    return dict(_parts(model))


def difference(before: Snapshot, after: Snapshot) -> str | None:
    """The first part in which two snapshots differ, None where they are equal."""
    if before == after:
        return None
    for key in before.keys() | after.keys():
        was, now = before.get(key), after.get(key)
        if isinstance(was, tuple) and isinstance(now, tuple) and was != now:
            was, now = next((a, b) for a, b in zip(was, now, strict=True) if a != b)
        if was != now:
            return f"{key} is {_short(now)}, was {_short(was)}"
    return None


def _parts(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules(remove_duplicate=False):
        hooks = [len(value) for key, value in vars(module).items() if key.endswith("_hooks")]
        own = tuple(sorted(vars(module)))
        yield f"module {name!r}", (id(module), type(module), module.training, hooks, own)
        for key, value in (*module._parameters.items(), *module._buffers.items()):
            if value is not None:
                yield f"tensor {name}.{key}", _tensor(value)


def _tensor(value: Tensor) -> tuple:
    grad = None if value.grad_fn is not None or value.grad is None else id(value.grad)
    return (id(value), type(value), value.dtype, value.requires_grad, grad, bits(value))


def bits(value: Tensor) -> Any:
    """The value to the bit; of one that holds no bits here, what can be known of it."""
    if isinstance(value, UninitializedParameter | UninitializedBuffer):
        return "uninitialized"
    value = value.detach()
    if value.layout is not torch.strided:
        value = value.to_dense()
    try:
        return tuple(value.shape), value.contiguous().view(torch.uint8).numpy().tobytes()
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        if value.device.type == "meta":
            return "meta"
        return tuple(value.shape), str(value.tolist())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 150 else f"{text[:150]}..."

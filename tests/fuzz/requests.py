"""What a user asks of `lora.Config` and `lora.attach`: sound settings and odd ones, batches and
losses of every kind."""

import itertools
import math
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lora
from lora import SCHEMES, VARIANTS, Config
from tests.fuzz import oddities
from tests.fuzz.victims import Own, normal

OBJECTS: tuple[Any, ...] = (
    *oddities.VALUES,
    *(object(), len, int, {1}, frozenset("ab"), b"up", range(3), (), ("",), ("up", None), 2j),
    *(Path("up"), Decimal("2"), Fraction(1, 2), np.int64(2), np.float32(0.5), np.array([1, 2])),
    *(torch.tensor(2), torch.tensor([1.0]), torch.nan, iter(["up"]), Ellipsis, NotImplemented),
)
# Beside these for every field, what is odd for one of them.
FIELDS: dict[str, tuple[Any, ...]] = {
    "rank": (0, -3, 1.0, 7, 10_000, 2**62, "8", True),
    "alpha": (0, -1.0, 1e-320, 1e-30, 3.4e38, "16", True),
    "target_modules": ("0|2", "[", ("0", "2"), ("9",), (0,), "0", ["0"], ("0", "0"), "all-linea"),
    "exclude_modules": ("0", ("2",), ("0", "2"), ".*", "(", ("9",)),
    "modules_to_save": (("2",), ("1",), ("0", "2"), "2", ("9",), ("",), ("2", "2")),
    "scheme": ("pizza", "PISSA", "pissa ", "eva", "tsd_init", ("pissa",)),
    "scheme_options": (
        *({"rho": 2.0}, {"rho": 0.5}, {"rho": "2"}, {"rho": math.nan}, {"rho": 1e9}),
        *({"mode": "kpm"}, {"mode": "x"}, {"damping": -1}, {"gamma": 0}, {"gamma": "a"}),
        *({"center": "no"}, {"whiten": True}, {"side": "left"}, {"xi": -1}, {"eps": "x"}),
        *({"bogus": 1}, {3: 4}, {("a",): 1}, {"per_parameter": 1}, {"rank": 3}, {"W": 1}),
    ),
    "variant": ("dora ", "DoRA", "tsd", "dash", "op_dora", "overparam", ("plain",)),
    "variant_options": (
        *({"directions": 2}, {"directions": 0}, {"directions": 100}, {"directions": "2"}),
        *({"width": 4}, {"hidden": -1}, {"bogus": 1}, {3: 4}, {"depth": 2.5}),
    ),
    "dropout": (0.999, 1, 1.0, -0.1, "0.1", True),
    "seed": (-1, 1.0, 2**64, 10**40, "0"),
    "rank_pattern": (
        *({"0": 1}, {"0": 0}, {"0": 0, "2": 0}, {"9": 2}, {"(": 1}, {"0": -1}, {"0": 2.0}),
        *({3: 4}, {("a",): 1}, {"": 1}, {None: 1}, {"0": 10**400}, [("0", 1)], {"(0+)+x": 1}),
    ),
    "alpha_pattern": (
        *({"0": 1.0}, {"0": 0}, {"9": 2.0}, {"(": 1}, {"0": math.inf}, {3: 4.0}, {"0": 1e308}),
        *({"0": "1"}, {"": 1.0}, [("0", 1.0)]),
    ),
    "train_a": (False, 0, 1, "yes"),
    "train_b": (False, 0, 1, "yes"),
    "rank_stabilized": (True, 0, 1, "no"),
    "tie": (True, 1, "no"),
}
# What a message about a setting or an argument must name.
NAMES = (*FIELDS, "config", "option", "options", "layer", "layers", "batch", "batches", "loss")
NAMES += ("model", "loss_fn", "weights", "stats", "tolerance", "label_mask", "max_batches", "axes")
NAMES += ("max_tokens", "max_width", "sketch_above", "rho", "directions", "mode", "gamma", "xi")
NAMES += ("damping", "center", "whiten", "side", "eps", "per_parameter", "adapters")


def sound(rng: Random) -> dict[str, Any]:
    """Settings that go together, on the MLP at least."""
    scheme = rng.choice(list(SCHEMES))
    variant = rng.choice([name for name in VARIANTS if name != "tsd" or scheme == "tsd_init"])
    found: dict[str, Any] = {"rank": rng.choice((1, 2)), "scheme": scheme, "variant": variant}
    if "directions" in VARIANTS[variant].Options.__dataclass_fields__:
        found["variant_options"] = {"directions": 1}
    for name, value in {
        "alpha": 3.0,
        "dropout": 0.5,
        "rank_stabilized": True,
        "seed": 5,
        "tie": True,
        "alpha_pattern": {"": 1.0},
    }.items():
        if rng.random() < 0.2 and name != "alpha_pattern":
            found[name] = value
    return found


def odd(rng: Random) -> dict[str, Any]:
    """Settings of which one or two are odd."""
    found = sound(rng)
    if rng.random() < 0.5:  # most options belong to one scheme or variant
        found |= {"scheme": "init_a", "variant": "plain", "variant_options": {}}
    for name in rng.sample(list(FIELDS), rng.choice((1, 1, 2))):
        found[name] = rng.choice((*FIELDS[name], rng.choice(OBJECTS)))
    return found


def shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) < 300 else f"{text[:300]}..."


def _raising() -> Iterator[Any]:
    yield normal(5, 6)
    raise Own("the data end here")


class Indexed:
    """A data set that can only be indexed."""

    def __getitem__(self, index: int) -> Tensor:
        if index > 2:
            raise IndexError
        return normal(5, 6, seed=index)


class Slotted(dict):
    """A batch of another class that is a mapping."""


def _with_gradient() -> Tensor:
    return normal(5, 6).requires_grad_()


# Made anew for each case, since iterators are used up.
BATCHES: dict[str, Callable[[], Any]] = {
    "sound": lambda: [normal(5, 6), normal(4, 6, seed=1)],
    "None": lambda: None,
    "no batch": list,
    "a number": lambda: 5,
    "a string": lambda: "batch",
    "a tensor": lambda: normal(2, 5, 6),
    "a mapping": lambda: {"x": normal(5, 6)},
    "numbers": lambda: [5],
    "strings": lambda: ["text"],
    "Nones": lambda: [None],
    "no keywords": lambda: [{}],
    "unknown keywords": lambda: [{"bogus": normal(5, 6)}],
    "keywords that are no names": lambda: [{3: normal(5, 6)}],
    "keywords": lambda: [{"input": normal(5, 6)}],
    "a mapping of another class": lambda: [Slotted(input=normal(5, 6))],
    "tuples": lambda: [(normal(5, 6),)],
    "empty tuples": lambda: [()],
    "too many parts": lambda: [(normal(5, 6), normal(5, 6))],
    "lists of numbers": lambda: [[1.0, 2.0]],
    "wrong width": lambda: [normal(5, 7)],
    "one row": lambda: [normal(1, 6)],
    "one axis": lambda: [normal(6)],
    "no rows": lambda: [normal(0, 6)],
    "a scalar": lambda: [torch.tensor(1.0)],
    "integers": lambda: [torch.arange(6)[None]],
    "float64": lambda: [normal(5, 6).double()],
    "complex": lambda: [normal(5, 6).to(torch.complex64)],
    "sparse": lambda: [normal(5, 6).to_sparse()],
    "meta": lambda: [normal(5, 6).to("meta")],
    "NaN": lambda: [normal(5, 6) * torch.nan],
    "infinite": lambda: [normal(5, 6) * torch.inf],
    "3e38": lambda: [normal(5, 6).sign() * 3e38],
    "zeros": lambda: [torch.zeros(5, 6)],
    "the same row": lambda: [torch.ones(5, 6)],
    "requires a gradient": lambda: [_with_gradient()],
    "numpy": lambda: [normal(5, 6).numpy()],
    "raising": _raising,
    "raising at once": lambda: (1 / 0 for _ in [1]),
    "endless": lambda: itertools.repeat(normal(5, 6)),
    "indexed": Indexed,
    "good, then bad": lambda: [normal(5, 6), normal(5, 7)],
    "good, then None": lambda: [normal(5, 6), None],
    "used up": lambda: _used(iter([normal(5, 6)])),
    "a class": lambda: list,
}


def _used(iterator: Iterator[Any]) -> Iterator[Any]:
    list(iterator)
    return iterator


def squares(model: nn.Module, batch: Any) -> Tensor:
    result: Any = model(**batch) if isinstance(batch, dict) else model(batch)
    return result.square().mean()


def _raises(*_: Any) -> Tensor:
    raise Own("the loss does not want to")


def _steps(model: nn.Module, batch: Any) -> Tensor:
    loss = squares(model, batch)
    loss.backward()
    return loss


def _to_train(model: nn.Module, batch: Any) -> Tensor:
    model.train()
    return squares(model, batch)


def _unfreezes(model: nn.Module, batch: Any) -> Tensor:
    model.requires_grad_(True)
    return squares(model, batch)


def _attaches(model: nn.Module, batch: Any) -> Tensor:
    lora.attach(model, Config(rank=1))
    return squares(model, batch)


LOSSES: dict[str, Any] = {
    "sound": squares,
    "none given": None,
    "None": lambda *_: None,
    "a number": lambda *_: 1.0,
    "NaN": lambda model, batch: squares(model, batch) * math.nan,
    "infinite": lambda model, batch: squares(model, batch) / 0,
    "negative": lambda model, batch: -squares(model, batch),
    "constant": lambda *_: torch.tensor(1.0),
    "constant that requires a gradient": lambda *_: torch.ones((), requires_grad=True),
    "zero": lambda model, batch: squares(model, batch) * 0,
    "detached": lambda model, batch: squares(model, batch).detach(),
    "a vector": lambda model, batch: model(batch),
    "one element": lambda model, batch: squares(model, batch)[None],
    "complex": lambda model, batch: squares(model, batch).to(torch.complex64),
    "integer": lambda model, batch: squares(model, batch).long(),
    "a tuple": lambda model, batch: (squares(model, batch), None),
    "of one argument": lambda model: None,
    "of the first layer alone": lambda model, batch: model[0](batch).square().mean(),
    "under no_grad": torch.no_grad()(squares),
    "under inference_mode": torch.inference_mode()(squares),
    "raises": _raises,
    "no function": 5,
    "a name": "mse",
    "steps backward itself": _steps,
    "changes the mode": _to_train,
    "unfreezes": _unfreezes,
    "attaches": _attaches,
}
# These change the model themselves, so how it is left is their own affair.
CHANGING = ("changes the mode", "unfreezes", "attaches", "steps backward itself")

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "tolerance": (0, -1, 0.1, "a", math.nan),
    "weights": (
        3,
        lambda _: None,
        lambda _: normal(5, 6),
        lambda b: torch.ones(1, len(b)),
        _raises,
    ),
    "label_mask": (True, "yes", 3),
    "max_batches": (0, -1, 1, 2.5, "a", None, 10**30, True),
    "max_tokens": (0, 1, "a", None, 2.5),
    "max_width": (0, 1, 5, "a", None),
    "sketch_above": (0, 1, "a", None),
    "stats": (3, {}, {"0": None}, {"0": 3}, "stats", [], {"9": None}),
    "loss_fn": (5, "mse"),
}


def original(
    model: nn.Module, batches: Any, loss: Any, gradient: bool, weights: Any = None
) -> BaseException | None:
    """What the user's own code raises when it is called as `lora.collect` says that it is."""
    try:
        model.eval()
        batch: Any
        for batch in itertools.islice(batches, 3):
            if callable(weights):
                weights(batch)
            with torch.set_grad_enabled(gradient):
                if loss is not None:
                    value = loss(model, batch)
                    if gradient:
                        value.backward()
                elif isinstance(batch, dict):
                    model(**{k: v for k, v in batch.items() if gradient or k != "labels"})
                else:
                    model(*batch) if isinstance(batch, tuple | list) else model(batch)
    except Exception as error:
        return error
    return None

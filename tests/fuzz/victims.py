"""Models that people have, and models that nobody should, each with an input that it can compute,
or None where it can compute nothing."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import lora
from lora import Config
from tests.support.models import IDS, small

Victim = tuple[Any, Tensor | None]


class Own(Exception):
    """What a user's own code raises."""


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


X = normal(5, 6)


def mlp(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype).eval()


def _with(change: Callable[[nn.Sequential], Any], x: Tensor | None = X) -> Callable[[], Victim]:
    """The MLP after a change; what that returns replaces it, where it returns a module."""

    def build() -> Victim:
        model = mlp()
        changed = change(model)
        return (changed if isinstance(changed, nn.Module) else model), x

    return build


def _weight(value: Callable[[Tensor], Tensor], x: Tensor | None = X) -> Callable[[], Victim]:
    """The MLP whose first weight is another one."""

    def change(model: nn.Sequential) -> None:
        new = value(model[0].get_parameter("weight").detach().clone())
        model[0].weight = nn.Parameter(new, new.is_floating_point())

    return _with(change, x)


class Keyword(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner: Any = mlp()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner[2](input=self.inner[1](self.inner[0](input=x)))


class Wrapped(nn.Module):
    """Its forward does something odd with what the MLP computes."""

    def __init__(self, act: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.inner, self.act = mlp(), act

    def forward(self, x: Tensor) -> Any:
        return self.act(self.inner(x))


class Doubled(nn.Linear):
    """A Linear with another forward."""

    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mid, self.head = nn.Embedding(20, 6), nn.Linear(6, 6), nn.Linear(6, 20)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.mid(self.embed(ids)))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.again, self.last = self.first, nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.again(self.first(x).relu()))


class OddNames(nn.ModuleDict):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = layer(x)
        return x


def _seeded(build: Callable[[], nn.Module], x: Tensor | None) -> Callable[[], Victim]:
    def make() -> Victim:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(8)
            return build().eval(), x

    return make


def _raise(_: Any) -> None:
    raise Own("the model does not want to")


def _freeze_some(model: nn.Sequential) -> None:
    model[0].weight.requires_grad_(False)
    model.train()
    model[2].eval()


def _hooked(model: nn.Sequential) -> None:
    model[0].register_forward_hook(lambda *_: None)
    model[0].register_forward_pre_hook(lambda *_: None)
    model[2].register_forward_hook(lambda *args: args[-1] * 2)
    model[2].register_full_backward_hook(lambda *_: None)
    model.register_forward_pre_hook(lambda *_: None)


def _patched(model: nn.Sequential) -> None:
    forward = model[0].forward
    model[0].forward = lambda x: forward(x) + 1  # type: ignore[method-assign]


def _meta() -> Victim:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3)), None


def _half_meta(model: nn.Sequential) -> None:
    model[2] = nn.Linear(8, 3, device="meta")


def _inference() -> Victim:
    with torch.inference_mode():
        return mlp(), X


def peft_too() -> None:
    import peft

    del peft


def _peft() -> Victim:
    import peft

    return peft.get_peft_model(mlp(), peft.LoraConfig(r=2, target_modules=["0"])), X  # type: ignore[arg-type]


def _peft_inside() -> Victim:
    """The model below the wrapper, which holds PEFT's layers all the same."""
    return _peft()[0].base_model.model, X


def _attached(merged: bool) -> Victim:
    model = mlp()
    lora.attach(model, Config(rank=2))
    if merged:
        lora.merge(model)
    return model, X


def _itself(model: nn.Sequential) -> None:
    model[1].child = model[2]  # held twice, the second time below a module that ignores it


class Unparameterised(nn.Linear):
    """A Linear whose weight is no parameter but is computed, as by the older weight norm."""

    def __init__(self) -> None:
        super().__init__(6, 8)
        del self._parameters["weight"]
        self.direction: Any = nn.Parameter(normal(8, 6))
        self.weight = self.direction * 2


VICTIMS: dict[str, Callable[[], Victim]] = {
    "MLP": _with(lambda _: None),
    "MLP in train mode": _with(lambda model: model.train()),
    "small": lambda: (small(), IDS),
    "bfloat16": lambda: (mlp(torch.bfloat16), X.bfloat16()),
    "float16": lambda: (mlp(torch.float16), X.half()),
    "float64": lambda: (mlp(torch.float64), X.double()),
    "frozen in part, modes mixed": _with(_freeze_some),
    "frozen": _with(lambda model: model.requires_grad_(False)),
    "hooks": _with(_hooked),
    "a forward of its own on the instance": _with(_patched),
    "called by keyword": lambda: (Keyword(), X),
    "shared module": _seeded(Shared, X),
    "tied weights": _seeded(Tied, IDS),
    "a module held twice": _with(_itself),
    "no bias": _seeded(lambda: nn.Sequential(nn.Linear(6, 3, bias=False)), X),
    "one Linear alone": _seeded(lambda: nn.Linear(6, 3), X),
    "no layer": lambda: (nn.Identity(), X),
    "empty": lambda: (nn.Sequential(), X),
    "convolution": _seeded(lambda: nn.Sequential(nn.Conv1d(1, 2, 3)), X[:, None]),
    "LSTM": _seeded(lambda: nn.LSTM(6, 4), None),
    "transformer layer": _seeded(lambda: nn.TransformerEncoderLayer(6, 2, 8), X[:, None]),
    "attention": _seeded(lambda: nn.MultiheadAttention(6, 2), None),
    "bilinear": _seeded(lambda: nn.Sequential(nn.Bilinear(6, 6, 3)), None),
    "embedding alone": _seeded(lambda: nn.Sequential(nn.Embedding(20, 4)), IDS),
    "names like ours": _seeded(
        lambda: OddNames({"base_layer": nn.Linear(6, 6), "lora_A": nn.Linear(6, 6)}), X
    ),
    "odd names": _seeded(
        lambda: OddNames(
            {"é ü": nn.Linear(6, 6), "a+b(c": nn.Linear(6, 6), "weight_": nn.Linear(6, 6)}
        ),
        X,
    ),
    "one by one": _seeded(lambda: nn.Sequential(nn.Linear(1, 1)), X[:, :1]),
    "another forward": _seeded(lambda: nn.Sequential(Doubled(6, 6), nn.Linear(6, 3)), X),
    "weight norm": _seeded(lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 3))), X),
    "spectral norm": _seeded(
        lambda: nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 3))), X
    ),
    "a computed weight": _seeded(lambda: nn.Sequential(Unparameterised()), X),
    "raises": lambda: (Wrapped(_raise), None),
    "returns None": lambda: (Wrapped(lambda _: None), None),
    "returns a tuple": lambda: (Wrapped(lambda y: (y, None)), None),
    "meta": _meta,
    "meta in part": _with(_half_meta, None),
    "lazy": lambda: (nn.Sequential(nn.LazyLinear(3)), X),
    "lazy in part": lambda: (nn.Sequential(nn.Linear(6, 8), nn.LazyLinear(3)), X),
    "no inputs": _seeded(lambda: nn.Sequential(nn.Linear(0, 4)), X[:, :0]),
    "no outputs": _seeded(lambda: nn.Sequential(nn.Linear(6, 0)), X),
    "complex": _weight(lambda W: W.to(torch.complex64), None),
    "int8": _weight(lambda W: (W * 10).to(torch.int8), None),
    "bool": _weight(lambda W: W > 0, None),
    "float8": _weight(lambda W: W.to(torch.float8_e4m3fn), None),
    "sparse": _weight(lambda W: W.to_sparse()),
    "sparse CSR": _weight(lambda W: W.relu().to_sparse_csr(), None),
    "NaN in a weight": _weight(lambda W: W.index_fill(0, torch.tensor([1]), torch.nan)),
    "infinite weight": _weight(lambda W: W.index_fill(0, torch.tensor([1]), torch.inf)),
    "weights of 3e38": _weight(lambda W: W.sign() * 3e38),
    "weights of 1e-42": _weight(lambda W: W.sign() * 1e-42),
    "weights of zero": _weight(torch.zeros_like),
    "a transposed view": _weight(lambda W: W.mT.contiguous().mT),
    "an expanded view": _weight(lambda W: W[:1].expand(8, 6)),
    "a weight of another shape": _weight(lambda W: W[:, :4], None),
    "a weight of one axis": _weight(lambda W: W.reshape(-1), None),
    "a weight of three axes": _weight(lambda W: W[None], None),
    "no weight": _with(lambda model: model[0].register_parameter("weight", None), None),
    "made in inference mode": _inference,
    "wrapped by PEFT": _peft,
    "inside of PEFT's wrapper": _peft_inside,
    "attached": lambda: _attached(False),
    "merged": lambda: _attached(True),
    "DataParallel": lambda: (nn.DataParallel(mlp()), X),
    "a copy": lambda: (copy.deepcopy(mlp()), X),
}
# Whatever is asked of these.
REFUSED = ("wrapped by PEFT", "inside of PEFT's wrapper", "attached", "merged")

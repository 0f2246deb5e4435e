"""What a forward prepares for all layers at once is what each layer would prepare for itself."""

import copy
import pickle
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import lora
from lora import SCHEMES, VARIANTS, Config
from lora.joint import Joint
from tests.support.models import TOKENS, llama, shake

HALF = torch.bfloat16
EPS = torch.finfo(HALF).eps
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(autouse=True)
def a_bound_scheme_that_needs_no_data(monkeypatch):
    monkeypatch.setitem(SCHEMES, "tsd_init", SCHEMES["pissa"])


class Attention(nn.Module):
    """q, k and v read one tensor; o reads another."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(6, n) for n in (4, 5, 3))
        self.o = nn.Linear(6, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.q(x), self.k(x), self.v(x), self.o(2 * x)]
        return torch.cat(parts, -1)


def whole_numbers(*shape: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(-1, 2, shape, generator=rng).float()


def attention(**settings: Any) -> Any:
    """In bfloat16 with factors and weights of -1, 0 and 1: every product and sum is exact."""
    model: Any = Attention()
    for i, p in enumerate(model.parameters()):
        p.data = whole_numbers(*p.shape, seed=i)
    model.to(HALF)
    lora.attach(model, Config(rank=2, **settings))
    for i, layer in enumerate(lora.adapters(model).values()):
        for _, p in layer.trained():
            p.data = whole_numbers(*p.shape, seed=10 + i)
    return model


def alone(model: nn.Module) -> Any:
    """A copy whose layers prepare for themselves."""
    other = copy.deepcopy(model)
    other._forward_pre_hooks.clear()
    return other


def x_of(*shape: int) -> Tensor:
    return whole_numbers(*shape, 6, seed=99).to(HALF)


def gradients(model: nn.Module, forward: Callable[[], Tensor], weights: int = 7) -> list[Any]:
    model.zero_grad()
    y = forward()
    y.backward(whole_numbers(*y.shape, seed=weights).to(y))
    return [y.detach(), *(p.grad for p in model.parameters())]


def same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a.dtype == b.dtype and torch.equal(a, b))


class Calls(TorchDispatchMode):
    """Counts the operations that compute."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
        self.count[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("alpha", [2.0, 1.0, 4.0])  # s = 1, 1/2 and 2
@pytest.mark.parametrize("training", [{}, {"train_a": False}, {"train_b": False}])
def test_values_and_gradients_are_bit_equal_where_every_sum_is_exact(alpha, training):
    model = attention(alpha=alpha, **training)
    other = alone(model)
    for shape in ((3,), (2, 3), (1, 1), (0, 2)):  # the second forward knows who reads what
        x = x_of(*shape)
        same(gradients(model, lambda x=x: model(x)), gradients(other, lambda x=x: other(x)))
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert a.grad is None or a.dtype == torch.float32 or not b.requires_grad


def test_the_gradient_of_the_input_too():
    model = attention(alpha=4.0)
    other = alone(model)
    for _ in range(2):
        found = [
            torch.autograd.grad(m(x := x_of(3).requires_grad_()).sum(), x)[0]
            for m in (model, other)
        ]
        assert torch.equal(*found)


def close(a: Tensor, b: Tensor, sums: int) -> bool:
    """Whether two orders of sums of so many rounded terms may differ so."""
    return bool((a - b).abs().max() <= sums * EPS * (1 + b.abs().max()))


@every_variant
@pytest.mark.parametrize("scheme", ["init_a", "pissa"])
def test_every_variant_computes_what_it_would_alone(variant, scheme):
    model: Any = llama()
    model.to(HALF)
    options = {"directions": 2} if variant in ("dash", "tsd") else {}
    scheme = "tsd_init" if variant == "tsd" else scheme
    lora.attach(model, Config(rank=3, scheme=scheme, variant=variant, variant_options=options))
    shake(model)
    if options:
        lora.launch(model)
    reference = copy.deepcopy(model).to(torch.float64)
    others = {"joint": model, "alone": alone(model)}
    forward = lambda m: m(TOKENS).logits.square().sum()
    forward(model)  # learns who reads what
    expected = torch.autograd.grad(forward(reference), trained(reference))
    errors = {}
    for name, each in others.items():
        found = torch.autograd.grad(forward(each), trained(each))
        assert {g.dtype for g in found} == {torch.float32}
        errors[name] = torch.stack(
            [(g - e).norm() / e.norm() for g, e in zip(found, expected, strict=True)]
        )
    # both round every factor, input and sum once, to errors whose ratio was 1.02 with a standard
    # deviation of .4 (36 models); a layer that took another's factors would be off by its gradient
    assert errors["joint"].mean() <= 3 * errors["alone"].mean()


def trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def test_casts_and_products_are_shared():
    """A cast for all factors, one for all gradients, and a thin product for q, k and v together."""
    model = attention(alpha=4.0)
    model(x_of(3))
    calls, x = [], x_of(3)
    for each in (model, alone(model)):
        with Calls() as seen:
            each(x).sum().backward()
        calls.append(seen.count)
    ours, theirs = calls
    assert ours["_to_copy"] == 0
    assert theirs["_to_copy"] == 16
    assert ours["_foreach_copy_"] == 2
    # forward, alone: 4 thin products and the wide one of o; the three with a bias are addmm
    assert theirs["mm"] - ours["mm"] == 2 + 2, "two less forward, and for dR"


def test_the_cast_grows_in_no_number_of_operations_with_the_layers():
    counts = []
    for blocks in (1, 2):
        model = nn.Sequential(*(attention() for _ in range(blocks)))
        with torch.no_grad(), Calls() as seen:
            for block in model:
                block(x_of(3))
        counts.append(seen.count["_foreach_copy_"] / blocks)
    assert counts == [1, 1]


def test_rows_fewer_than_the_rank_prepare_nothing_for_all():
    """As where text is generated, one token after another."""
    model = attention()
    model(x_of(3))
    for rows, casts in ((1, 0), (2, 0), (3, 1)):
        x = x_of(rows)
        with torch.no_grad(), Calls() as seen:
            y = model(x)
        assert seen.count["_foreach_copy_"] == casts
        assert torch.equal(y, alone(model)(x))


def test_a_layer_that_reads_something_else_than_its_group_is_right():
    model = attention()
    other = alone(model)
    model(x_of(3))
    assert sorted(map(len, joint_of(model).alike or [])) == [1, 3]
    for m in (model, other):
        m.forward = lambda x, m=m: torch.cat([m.q(x), m.k(x + x), m.v(x), m.o(x)], -1)
    x = x_of(3)
    same(gradients(model, lambda: model(x)), gradients(other, lambda: other(x)))


def joint_of(model: nn.Module) -> Joint:
    (hook,) = model._forward_pre_hooks.values()
    return hook.__self__  # type: ignore[attr-defined]


def test_an_input_that_is_written_between_two_readers_is_read_anew():
    model = attention()
    other = alone(model)
    model(x_of(3))

    def forward(m: Any, x: Tensor) -> Tensor:
        x = x.clone()
        q = m.q(x)
        x.mul_(2)
        return torch.cat([q, m.k(x), m.v(x), m.o(x)], -1)

    with torch.no_grad():
        for m in (model, other):
            m.forward = lambda x, m=m: forward(m, x)
        assert torch.equal(model(x_of(3)), other(x_of(3)))
    with torch.inference_mode():
        assert torch.equal(model(x_of(3)), other(x_of(3)))


def test_a_product_made_without_a_graph_is_not_taken_for_one_with():
    model = attention()
    other = alone(model)
    model(x_of(3))

    def forward(m: Any, x: Tensor) -> Tensor:
        with torch.no_grad():
            q = m.q(x)
        return torch.cat([q, m.k(x), m.v(x), m.o(x)], -1)

    for m in (model, other):
        m.forward = lambda x, m=m: forward(m, x)
    x = x_of(3)
    same(gradients(model, lambda: model(x)), gradients(other, lambda: other(x)))


@pytest.mark.parametrize("reentrant", [False, True])
@every_variant
def test_checkpoints_within_the_model_change_no_gradient(variant, reentrant):
    model: Any = llama().train()
    model.to(HALF)
    options = {"directions": 2} if variant in ("dash", "tsd") else {}
    scheme = "tsd_init" if variant == "tsd" else "init_a"
    lora.attach(model, Config(rank=3, scheme=scheme, variant=variant, variant_options=options))
    shake(model)
    model.get_input_embeddings().register_forward_hook(lambda _, __, y: y.requires_grad_())
    forward = lambda m: m(TOKENS, use_cache=False).logits.float().square().sum()
    forward(model)
    expected = torch.autograd.grad(forward(model), trained(model), allow_unused=True)
    for block in model.model.layers:
        own = block.forward
        block.forward = lambda x, own=own, **named: checkpoint(
            partial(own, **named), x, use_reentrant=reentrant
        )
    model.zero_grad()
    forward(model).backward()
    for p, g in zip(trained(model), expected, strict=True):
        assert (p.grad is None) == (g is None)
        if g is not None and p.grad is not None:
            # two blocks of seven layers: sums of at most 48 terms, rounded in two orders
            assert close(p.grad, g, 14 * 48)


def test_one_layer_under_a_checkpoint_of_its_own():
    model = attention()
    other = alone(model)
    for m in (model, other):
        m.forward = lambda x, m=m: checkpoint(m.q, x, use_reentrant=False)
    x = x_of(3).requires_grad_()
    same(gradients(model, lambda: model(x)), gradients(other, lambda: other(x)))


def test_every_write_is_seen():
    model = attention()
    x = x_of(3)
    for call in (model, model.q):
        before = call(x)
        for p in trained(model):
            p.data.mul_(2)  # no version counter sees it
        assert not torch.equal(call(x), before)
        assert torch.equal(call(x), alone(model)(x) if call is model else alone(model).q(x))


def test_nothing_is_left_after_a_forward_nor_after_an_error():
    model = attention()
    layers = lora.adapters(model).values()
    model(x_of(3))
    assert [layer.share for layer in layers] == [None] * 4
    with pytest.raises(RuntimeError):
        model(x_of(3)[:, :5])
    assert [layer.share for layer in layers] == [None] * 4
    same(gradients(model, lambda: model(x_of(3))), gradients(o := alone(model), lambda: o(x_of(3))))


def test_parameters_given_for_a_call_are_those_that_count():
    model = attention()
    given = {name: 2 * p.detach() for name, p in model.named_parameters() if "base" not in name}
    other = copy.deepcopy(model)
    for name, p in other.named_parameters():
        if name in given:
            p.data = given[name]
    x = x_of(3)
    assert torch.equal(functional_call(model, given, (x,)), other(x))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_prepares_its_own_layers_and_detaches(copied):
    model = attention()
    model(x_of(3))
    other = copied(model)
    for p in trained(other):
        p.data.zero_()
    x = x_of(3)
    assert torch.equal(other(x), alone(other)(x))
    assert not torch.equal(other(x), model(x))
    lora.detach(other)
    assert not other._forward_pre_hooks
    assert not other._forward_hooks
    assert model._forward_pre_hooks
    assert torch.equal(model(x), alone(model)(x))


@pytest.mark.parametrize("variant", ["plain", "dora"])
def test_under_autocast_too(variant):
    model: Any = llama()
    lora.attach(model, Config(rank=3, alpha=5.0, variant=variant))
    shake(model)
    other = alone(model)
    forward = lambda m: m(TOKENS).logits.float().square().sum()
    with torch.autocast("cpu", HALF):
        forward(model)
        losses = [forward(model), forward(other)]
    found, expected = (
        torch.autograd.grad(loss, trained(m))
        for loss, m in zip(losses, (model, other), strict=True)
    )
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == torch.float32
        assert close(a, b, 14 * 48)


def test_the_second_derivative_is_that_of_the_layers_alone():
    model = attention(alpha=4.0)
    found = []
    for m in (model, model, alone(model)):
        x = x_of(2).requires_grad_()
        (dx,) = torch.autograd.grad(m(x).square().sum() / 16, x, create_graph=True)
        found.append(torch.autograd.grad(dx.square().sum() / 16, trained(m)))
    for again in found[:2]:
        for a, b in zip(again, found[2], strict=True):
            assert close(a, b, 6 * 14 * 6)


def test_gradients_can_be_differentiated_again():
    model = attention(alpha=4.0)
    found = []
    for m in (model, model, alone(model)):
        grads = torch.autograd.grad(m(x_of(2)).square().sum() / 16, trained(m), create_graph=True)
        penalty = sum((g.square().sum() for g in grads), torch.zeros(()))
        found.append(torch.autograd.grad(penalty / 64, trained(m)))
    for again in found[:2]:
        for a, b in zip(again, found[2], strict=True):
            assert close(a, b, 6 * 14 * 6)


def test_a_frozen_factor_costs_no_product_for_its_gradient():
    counts = []
    for settings in ({}, {"train_a": False}):
        model, x = attention(**settings), x_of(3).requires_grad_()
        model(x)
        with Calls() as seen:
            model(x).sum().backward()
        counts.append(seen.count["mm"])
    assert counts[0] - counts[1] == 2, "dR of q, k and v together, and of o"


def test_torch_func_stacks_parameters_of_a_half_precision_model():
    model, x = attention(), x_of(3)
    model(x)
    stacked = {n: torch.stack([p.detach(), 2 * p.detach()]) for n, p in model.named_parameters()}
    found = vmap(lambda given: functional_call(model, given, (x,)))(stacked)
    for i in range(2):
        given = {name: p[i] for name, p in stacked.items()}
        assert torch.equal(found[i], functional_call(model, given, (x,)))


def test_a_traced_half_precision_model_follows_its_parameters():
    model, x = attention(), x_of(3)
    model(x)
    traced: Any
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its successor
        traced = torch.jit.trace(model, x, check_trace=False)
    for p in trained(model):
        p.data.mul_(2)
    assert torch.equal(traced(x), model(x))


def test_a_layer_that_is_not_called_gets_no_gradient():
    model = attention()
    model(x_of(3))
    model.forward = lambda x: model.q(x)
    model(x_of(3)).sum().backward()
    assert model.k.A.grad is None
    assert model.q.A.grad is not None


def test_merged_and_disabled_layers_are_left_alone():
    model = attention()
    x = x_of(3)
    with lora.disabled(model):
        assert torch.equal(model(x), alone(model)(x))
    lora.merge(model)
    assert torch.equal(model(x), alone(model)(x))


def test_a_pass_of_collect_that_ends_within_a_forward_leaves_nothing():
    model, x = attention(), x_of(3)
    model(x)
    lora.collect(model, ["q.base_layer"], [x])  # on a base layer that hooks then make run itself
    lora.collect(model, ["q"], [x, x])  # the second forward ends at q
    assert [layer.share for layer in lora.adapters(model).values()] == [None] * 4
    for p in trained(model):
        p.data.mul_(2)
    assert torch.equal(model.k(x), alone(model).k(x))

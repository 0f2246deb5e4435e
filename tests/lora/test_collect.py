"""One pass over the data: the moments that numpy and autograd give, and a model left as it was."""

import itertools
import multiprocessing
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import lora
from lora import Config, Statistics, collect, merged
from lora.targets import targets
from tests.support.models import IDS, TOKENS, gpt2, llama, photograph, small, twin

EPS32, EPS64 = torch.finfo(torch.float32).eps, torch.finfo(torch.float64).eps


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gradient_of(stats: Statistics) -> torch.Tensor:
    assert stats.gradient is not None
    return stats.gradient


def linear(out: int = 4, in_: int = 6, dtype: torch.dtype = torch.float64) -> Any:
    model: Any = nn.Sequential(nn.Linear(in_, out, bias=False)).to(dtype)
    with torch.no_grad():
        model[0].weight.copy_(normal(out, in_, seed=99))
    return model


def quadratic(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """A mean over the tokens of a loss of each, so that splitting a batch changes nothing."""
    return model(batch).square().sum(-1).mean() / 2


def assert_close(ours: Statistics, theirs: Statistics, eps: float) -> None:
    """Every moment within eps of the largest entry of what it is made of."""
    assert ours.count == theirs.count
    for field in ("mean", "second_moment", "covariance", "gradient", "weighted_second_moment"):
        a, b = getattr(ours, field), getattr(theirs, field)
        assert (a is None) == (b is None), field
        if a is not None:
            assert (a - b).abs().max() <= eps * b.abs().max(), field


@given(
    st.integers(1, 8),
    st.integers(1, 300),
    st.lists(st.integers(1, 20), min_size=1, max_size=5),
    st.integers(0, 99),
)
def test_equal_to_numpy_on_every_moment(out, in_, sizes, seed):
    model = linear(out, in_)
    batches = [normal(n, in_, seed=seed + i) + 2 for i, n in enumerate(sizes)]
    ours = collect(model, ["0"], batches, "gradient", quadratic)["0"]
    W, X = model[0].weight.detach().numpy(), torch.cat(batches).numpy()
    g = X @ W.T  # of |W x|^2 / 2
    n = len(X)
    expected = [X.mean(0), X.T @ X / n, g.T @ X / n, (g**2).sum(1) * X.T @ X / n]
    found = [ours.mean, ours.second_moment, ours.gradient, ours.weighted_second_moment]
    assert ours.count == n
    for a, b in zip(found, expected, strict=True):
        # sums of n products in another order: n eps of the largest sum of magnitudes, here below 8
        # of the entry
        assert np.abs(a.numpy() - b).max() <= 8 * (n + in_) * EPS64 * np.abs(b).max()


@given(st.permutations(range(6)), st.integers(1, 5))
def test_the_order_of_batches_and_their_split_change_nothing(order, cut):
    model = linear(dtype=torch.float32)
    batches = [normal(5 + i, 6, seed=i, dtype=torch.float32) + i / 3 for i in range(6)]
    gather = lambda batches: collect(model, ["0"], batches, "gradient", quadratic)["0"]
    straight, shuffled = gather(batches), gather([batches[i] for i in order])
    shards = merged(
        gather([batches[i] for i in order[:cut]]), gather([batches[i] for i in order[cut:]])
    )
    whole = gather([torch.cat(batches)])
    for other in (shuffled, shards, whole):
        # float32 products of numbers below 5 summed in float64; measured at most 3 eps
        assert_close(other, straight, 30 * EPS32)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4])
def test_a_huge_mean_does_not_drown_the_covariance(offset):
    """The rows are exact in float32, so only the arithmetic is judged: naive float32 moments are
    off by more than 1."""
    X = (normal(600, 8) * 64).round() / 64 + offset
    model = linear(4, 8, torch.float32)
    ours = collect(model, ["0"], X.float().split(100))["0"].covariance
    expected = torch.from_numpy(np.cov(X.numpy().T, bias=True))
    # a float32 product of 100 rows is good to some eps32, whatever the offset; float64 loses eps64
    # offset^2
    bar = 20 * EPS32 + 10 * EPS64 * offset**2
    assert (ours - expected).abs().max() <= bar * expected.abs().max()
    naive = X.float().mT @ X.float() / len(X) - X.float().mean(0).outer(X.float().mean(0))
    assert offset < 1e4 or (naive - expected).abs().max() > 1, "the test would show it"


def test_one_batch_gives_the_gradient_of_the_weight_itself():
    model = llama()
    batch = {"input_ids": TOKENS, "labels": TOKENS}
    layers = targets(model, Config())[0]
    found = collect(model, layers, [batch], "gradient")
    assert all(p.grad is None for p in model.parameters())
    other: Any = twin(model)
    other(**batch).loss.backward()
    for name, stats in found.items():
        grad: Any = other.get_submodule(name).weight.grad
        # the same float32 products, of 20 tokens, added up in another order
        assert (gradient_of(stats) - grad).abs().max() <= 20 * EPS32 * grad.abs().max(), name


def test_the_gradient_is_the_token_weighted_mean_over_batches():
    model = small()
    batches = [IDS[:1], IDS[1:]]
    G = collect(model, ["up", "down"], batches, ["inputs", "gradient"], square)
    for name, layer in {"up": model.up, "down": model.down}.items():
        grads = [torch.autograd.grad(square(model, batch), layer.weight)[0] for batch in batches]
        expected = (1 * grads[0] + 3 * grads[1]) / 4
        assert (gradient_of(G[name]) - expected).abs().max() <= 20 * EPS32 * expected.abs().max()


def test_layers_that_read_one_tensor_share_its_statistics():
    model = llama()
    found = collect(model, targets(model, Config())[0], [TOKENS, TOKENS.flip(1)])
    assert len(found) == 14
    for i in range(2):
        layer = lambda path, i=i: found[f"model.layers.{i}.{path}"]
        assert layer("self_attn.q_proj") is layer("self_attn.k_proj") is layer("self_attn.v_proj")
        assert layer("mlp.gate_proj") is layer("mlp.up_proj")
    assert len({id(stats) for stats in found.values()}) == 8
    with_gradient = collect(
        model, targets(model, Config())[0], [{"input_ids": TOKENS, "labels": TOKENS}], "gradient"
    )
    q, k = (with_gradient[f"model.layers.0.self_attn.{name}"] for name in ("q_proj", "k_proj"))
    assert q.second_moment is k.second_moment
    assert q.gradient is not None
    assert k.gradient is not None
    assert q.gradient.shape != k.gradient.shape


class Recycled(nn.Module):
    """A layer that is called twice, beside one that reads only the first of its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.a(self.a(x) + self.b(x))


def test_a_layer_called_twice_counts_both_and_does_not_share_with_one_called_once():
    model, X = Recycled().double(), normal(7, 3)
    found = collect(model, ["a", "b"], [X, X])
    assert (found["a"].count, found["b"].count) == (28, 14)
    second = model.a(X) + model.b(X)
    expected = (X.mT @ X + second.mT @ second) / 14
    assert (found["a"].second_moment - expected).abs().max() <= 50 * EPS64 * expected.abs().max()
    expected = X.mT @ X / 7
    assert (found["b"].second_moment - expected).abs().max() <= 50 * EPS64 * expected.abs().max()
    G = gradient_of(collect(model, ["a"], [X], "gradient", quadratic)["a"])
    W_grad = torch.autograd.grad(quadratic(model, X), model.a.weight)[0]
    assert (G - W_grad).abs().max() <= 50 * EPS64 * W_grad.abs().max()


@pytest.mark.parametrize("build", [llama, gpt2])
def test_inputs_are_what_a_plain_hook_sees_in_both_layouts(build):
    model, seen = build(), {}
    layers = targets(model, Config())[0]
    found = collect(model, layers, [TOKENS])
    handles = [
        m.register_forward_hook(lambda m, x, y, n=n: seen.update({n: x[0]}))
        for n, m in layers.items()
    ]
    model(TOKENS)
    for handle in handles:
        handle.remove()
    for name, stats in found.items():
        X = seen[name].detach().flatten(0, 1).double()
        expected = X.mT @ X / len(X)
        assert (stats.second_moment - expected).abs().max() <= 30 * EPS32 * expected.abs().max(), (
            name
        )


def test_masked_tokens_do_not_count():
    model = llama()
    mask = torch.ones_like(TOKENS)
    mask[1, 6:] = 0
    labels = TOKENS.clone()
    labels[0, :3] = -100
    name = "model.layers.0.self_attn.q_proj"
    batch = {"input_ids": TOKENS, "attention_mask": mask, "labels": labels}
    X = (
        collect(model, [name], [{"input_ids": TOKENS[:1]}]),
        collect(model, [name], [{"input_ids": TOKENS[1:, :6]}]),
    )
    padded = collect(model, [name], [batch])[name]
    assert_close(padded, merged(*(part[name] for part in X)), 30 * EPS32)
    assert collect(model, [name], [batch], label_mask=True)[name].count == 13
    batch["labels"] = torch.full_like(labels, -100)
    before = photograph(model)
    with pytest.raises(ValueError, match="q_proj: no token counts"):
        collect(model, [name], [batch], label_mask=True)
    with pytest.raises(ValueError, match='label_mask needs "labels"'):
        collect(model, [name], [TOKENS], label_mask=True)
    assert photograph(model) == before


@pytest.mark.parametrize(
    "arrange", [lambda x: x, lambda x: x.mT, lambda x: x.flatten()], ids=["BT", "TB", "flat"]
)
def test_the_mask_follows_the_tokens_into_the_layout_of_the_layer(arrange):
    model: Any = linear(1, 1)
    model.forward = lambda x, attention_mask: model[0](arrange(x)[..., None])
    x, mask = normal(2, 3), torch.tensor([[1, 1, 0], [1, 0, 0]])
    found = collect(model, ["0"], [{"x": x, "attention_mask": mask}])["0"]
    assert found.count == 3
    assert abs(found.mean.item() - x[mask.bool()].mean().item()) <= 10 * EPS64


def test_rows_that_are_no_tokens_all_count():
    model: Any = linear(1, 3)
    model.forward = lambda x, attention_mask: model[0](x)
    batch = {"x": normal(2, 3), "attention_mask": torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0]])}
    assert collect(model, ["0"], [batch])["0"].count == 2


def test_a_body_only_forward_ends_at_the_last_layer_and_drops_the_labels():
    model: Any = llama()
    ran = []
    model.lm_head.register_forward_hook(lambda *_: ran.append("head"))
    model.model.layers[1].mlp.register_forward_hook(lambda *_: ran.append("mlp"))
    model.register_forward_pre_hook(
        lambda _, args, kwargs: ran.append(sorted(kwargs)), with_kwargs=True
    )
    collect(
        model, ["model.layers.1.self_attn.o_proj"], [{"input_ids": TOKENS, "labels": TOKENS}] * 3
    )
    inputs = ["input_ids"]
    assert ran == [inputs, "mlp", inputs, inputs], "the first finds the order, and needs no logits"
    ran.clear()
    collect(
        model,
        ["model.layers.1.self_attn.o_proj"],
        [TOKENS],
        loss_fn=lambda model, ids: model(ids).logits.sum(),
    )
    assert ran[-1] == "head", "a loss may call the model again"
    ran.clear()
    collect(model, ["model.layers.1.self_attn.o_proj", "lm_head"], [TOKENS])
    assert ran[-1] == "head", "asked for itself"


def test_a_layer_that_runs_after_the_head_is_waited_for():
    model: Any = Recycled().double()
    model.get_output_embeddings = lambda: model.a
    model.forward = lambda x: model.b(model.a(x))
    assert collect(model, ["b"], [normal(5, 3)])["b"].count == 5


def test_any_iterable_of_tensors_tuples_or_mappings_will_do():
    model = small()
    expected = collect(model, ["up"], [IDS])["up"]
    for batches in (
        (IDS for _ in range(1)),
        iter([(IDS,)]),
        [[IDS]],
        ({"ids": IDS} for _ in range(1)),
    ):
        assert torch.equal(
            collect(model, ["up"], batches)["up"].second_moment, expected.second_moment
        )
    regression = nn.Sequential(nn.Linear(3, 2))
    pairs = [(normal(4, 3, dtype=torch.float32), normal(4, 2, dtype=torch.float32))]
    loss_fn = lambda model, batch: (model(batch[0]) - batch[1]).square().mean()
    for need in ("inputs", "gradient"):
        assert collect(regression, ["0"], pairs, need, loss_fn)["0"].count == 4


def test_an_infinite_loader_ends_at_the_cap_and_no_batch_too_many_is_drawn():
    drawn = []
    endless = (drawn.append(i) or IDS for i in itertools.count())
    assert collect(small(), ["up"], endless, max_batches=3)["up"].count == 60
    assert drawn == [0, 1, 2]
    assert collect(small(), ["up"], endless, max_tokens=21)["up"].count == 40
    assert drawn == [0, 1, 2, 3, 4]
    assert collect(small(), ["up"], itertools.repeat(IDS))["up"].count == 256 * 20, (
        "the default cap"
    )


class Interrupted(Exception):
    pass


def nan_embedding(model):
    with torch.no_grad():
        model.embed.weight[3, 2] = torch.nan


def fail(*_):
    raise Interrupted("interrupted")


def failing_batches():
    yield IDS
    raise Interrupted("interrupted")


def square(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    return model(ids).square().mean()


@pytest.mark.parametrize(
    ("spoil", "arguments", "error", "message"),
    [
        (nan_embedding, {}, ValueError, "up: 12 entries of its input are NaN or infinite"),
        (lambda m: m.head.register_forward_hook(fail), {}, Interrupted, "interrupted"),
        (
            lambda m: m.down.register_forward_hook(fail),
            {"need": "gradient", "loss_fn": square},
            Interrupted,
            "interrupted",
        ),
        (None, {"batches": failing_batches()}, Interrupted, "interrupted"),
        (None, {"batches": []}, ValueError, "batches is empty"),
        (None, {"batches": iter(())}, ValueError, "batches is empty"),
        (None, {"need": "weights"}, ValueError, 'need must be "inputs", "gradient", '),
        (None, {"need": ()}, ValueError, 'need must be "inputs", "gradient", '),
        (None, {"layers": ["upp"]}, ValueError, "no module 'upp'"),
        (None, {"layers": "up"}, ValueError, "layers must be a collection of names, got 'up'"),
        (None, {"layers": []}, ValueError, "layers is empty"),
        (None, {"layers": {"lost": nn.Linear(2, 2)}}, ValueError, "lost: the layer never ran"),
        (None, {"max_width": 11}, ValueError, "up: its input is 12 wide, above max_width = 11"),
        (None, {"max_batches": 0}, ValueError, "max_batches must be at least 1"),
        (None, {"need": "gradient"}, ValueError, "gradients need a scalar loss: pass loss_fn"),
        (
            None,
            {"need": "gradient", "loss_fn": lambda m, ids: m(ids).sum() * torch.inf},
            ValueError,
            "the loss must be finite",
        ),
        (
            None,
            {"need": "gradient", "loss_fn": lambda m, ids: m(ids).sum().detach()},
            ValueError,
            "the loss does not depend on any",
        ),
        (
            None,
            {
                "need": "gradient",
                "loss_fn": lambda m, ids: (m(ids), m.up(torch.ones(1, 12)).sum())[1],
            },
            ValueError,
            "down: no gradient reached the layer",
        ),
    ],
)
def test_an_exception_leaves_nothing_behind(spoil, arguments, error, message):
    model = small().train()
    model.norm.eval()
    model.embed.weight.requires_grad_(False)
    if spoil:
        spoil(model)
    before, state = photograph(model), torch.get_rng_state()
    with pytest.raises(error, match=message):
        collect(model, **({"layers": ["up", "down"], "batches": [IDS, IDS]} | arguments))
    assert photograph(model) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("need", ["inputs", "gradient"])
def test_a_finished_pass_leaves_nothing_behind_either(need):
    model = small().train()
    model.up.weight.requires_grad_(False)
    before = photograph(model)
    collect(model, ["up", "down"], [IDS, IDS], need, square)
    assert photograph(model) == before
    assert all(p.grad is None for p in model.parameters())


def test_an_input_changed_in_place_is_read_before_and_refused_for_gradients():
    class InPlace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x + 1
            y = self.a(x).relu_()
            return x.add_(y)

    model, X = InPlace().double(), normal(5, 3)
    expected = (X + 1).mT @ (X + 1) / 5
    assert (
        collect(model, ["a"], [X])["a"].second_moment - expected
    ).abs().max() <= 20 * EPS64 * expected.abs().max()
    with pytest.raises(ValueError, match="a: its input is changed in place"):
        collect(model, ["a"], [X], "gradient", quadratic)


def test_one_tensor_before_and_after_a_change_in_place_is_two_inputs():
    model: Any = Recycled().double()
    model.forward = lambda x: (model.a(x), model.b(x.relu_()))
    X = normal(9, 3)
    found = collect(model, ["a", "b"], [X.clone()])
    for name, rows in {"a": X, "b": X.relu()}.items():
        expected = rows.mT @ rows / 9
        assert (
            found[name].second_moment - expected
        ).abs().max() <= 20 * EPS64 * expected.abs().max()


def test_a_layer_that_runs_on_some_batches_only_is_averaged_over_its_own():
    """As in a mixture of experts: `b` is chosen by the second batch alone, and reaches the loss of
    neither."""
    model: Any = Recycled().double()
    model.forward = lambda x: model.a(x) if x.sum() > 0 else model.a(x) + 0 * model.b(x).detach()
    X = normal(5, 3).abs()
    found = collect(model, ["a", "b"], [X, -X, X])
    assert (found["a"].count, found["b"].count) == (15, 5)
    with pytest.raises(ValueError, match="b: no gradient reached"):
        collect(model, ["a", "b"], [X, -X], "gradient", quadratic)


def test_tokens_that_no_gradient_reaches_count_as_zeros():
    model: Any = Recycled().double()
    model.forward = lambda x: (model.a(x), model.b(x))
    X = normal(5, 3)
    loss_fn: Any = lambda model, x: sum(
        y.square().mean() for y in model(x)[: 2 if x[0, 0] == X[0, 0] else 1]
    )
    once, twice = (
        gradient_of(collect(model, ["a", "b"], batches, "gradient", loss_fn)["b"])
        for batches in ([X], [X, 2 * X])
    )
    assert (2 * twice - once).abs().max() <= 20 * EPS64 * once.abs().max()


def test_dropout_is_off_during_the_pass():
    names = ["transformer.h.1.mlp.c_fc"]
    trained, state = gpt2().train(), torch.get_rng_state()
    found = collect(trained, names, [TOKENS])[names[0]]
    assert torch.equal(
        found.second_moment, collect(gpt2(), names, [TOKENS])[names[0]].second_moment
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_a_layer_that_reads_another_tensor_later_is_noticed():
    model: Any = Recycled()
    model.forward = lambda batch: model.a(batch.x) + model.b(batch.y)
    x, y = normal(2, 3, 3, dtype=torch.float32)
    batches = [SimpleNamespace(x=x, y=x), SimpleNamespace(x=x, y=y)]
    with pytest.raises(ValueError, match="b: it read the same tensor as a on the first batch"):
        collect(model, ["a", "b"], batches)


def wide() -> Any:
    """A layer whose 160 inputs, of which 40 directions vary, are kept as a sketch of 64 columns,
    and so exactly."""
    model: Any = linear(3, 160)
    mixing = normal(40, 160, seed=7)
    model.forward = lambda x: model[0](x @ mixing)
    return model


def process(rank: int, file: str, queue) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=2
    )
    batches = [IDS[:3], IDS[3:]][rank : rank + 1]
    found = collect(small(), ["up", "down"], batches, "gradient", square)["down"]
    part = normal(90, 40).split(60)[rank]
    sketched = collect(wide(), ["0"], [part], "gradient", quadratic, axes=8, sketch_above=100)["0"]
    torch.distributed.destroy_process_group()
    assert sketched.covariance_sketch is not None
    assert sketched.weighted_sketch is not None
    factors = [sketched.covariance_sketch.factor, sketched.weighted_sketch.factor]
    tensors = [
        found.mean,
        found.second_moment,
        gradient_of(found),
        sketched.mean,
        gradient_of(sketched),
        *factors,
    ]
    queue.put([found.count, sketched.count, *(t.numpy() for t in tensors)])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_get_the_statistics_of_all(tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [
        context.Process(target=process, args=(rank, str(tmp_path / "meet"), queue))
        for rank in range(2)
    ]
    for child in children:
        child.start()
    answers = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(60)
    expected = collect(small(), ["up", "down"], [IDS[:3], IDS[3:]], "gradient", square)["down"]
    whole = collect(wide(), ["0"], normal(90, 40).split(60), "gradient", quadratic)["0"]
    for count, wide_count, *values, F, H in answers:
        assert (count, wide_count) == (expected.count, 90)
        theirs = [
            expected.mean,
            expected.second_moment,
            gradient_of(expected),
            whole.mean,
            gradient_of(whole),
        ]
        for value, tensor in zip(values, theirs, strict=True):
            assert np.abs(value - tensor.numpy()).max() <= 30 * EPS32 * tensor.abs().max()
        assert whole.weighted_second_moment is not None
        for factor, tensor in ((F, whole.covariance), (H, whole.weighted_second_moment)):
            assert (
                np.abs(factor @ factor.T - tensor.numpy()).max() <= 1e4 * EPS64 * tensor.abs().max()
            )


@pytest.mark.parametrize(
    ("tokens", "losses", "wanted"),
    [
        ((3, 4), (0.1, 0.3), (7, 0.3)),
        ((3, 4), (0.3, 0.1), (7, 0.3)),
        ((None, 4), (None, 0.1), (None, None)),
        ((3, None), (0.1, None), (None, None)),
    ],
)
def test_merged_tokens_add_up_and_the_worst_loss_counts_where_every_part_knows_its_own(
    tokens, losses, wanted
):
    mean, moment = torch.zeros(2).double(), torch.eye(2).double()
    parts = [
        Statistics(1.5, mean, moment, tokens=n, capture_loss=loss)
        for n, loss in zip(tokens, losses, strict=True)
    ]
    whole = merged(*parts)
    assert (whole.count, whole.tokens, whole.capture_loss) == (3.0, *wanted)


def test_merging_needs_parts_of_one_kind():
    one = collect(small(), ["up"], [IDS])["up"]
    other = collect(small(), ["up"], [IDS], "gradient", square)["up"]
    with pytest.raises(ValueError, match="gradient is missing in some parts"):
        merged(one, other)
    with pytest.raises(ValueError, match="at least one"):
        merged()
    assert lora.merged is merged


X = torch.randn(5, 12, generator=torch.Generator().manual_seed(0))


def unfreezing(model: nn.Module, ids: Tensor) -> Tensor:
    model.requires_grad_(True)
    return model(ids).square().mean()


def test_a_loss_that_unfreezes_the_model_leaves_no_grad_behind():
    model = small().requires_grad_(False)
    kept = torch.full_like(model.head.weight, 3.0)
    model.head.weight.grad = kept
    before, value = photograph(model), kept.clone()
    stats = lora.collect(model, ["up", "down"], [IDS], "gradient", unfreezing)
    assert photograph(model) == before
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {"head.weight"}
    assert model.head.weight.grad is kept
    assert torch.equal(kept, value)
    frozen = lora.collect(
        small(), ["up", "down"], [IDS], "gradient", lambda m, ids: m(ids).square().mean()
    )
    for name in frozen:
        ours, theirs = frozen[name].gradient, stats[name].gradient
        assert ours is not None
        assert theirs is not None
        assert torch.equal(ours, theirs)


def test_a_model_made_in_inference_mode_gives_inputs_and_refuses_gradients():
    with torch.inference_mode():
        model = small()
    flags = [p.requires_grad for p in model.parameters()]
    with pytest.raises(ValueError, match=r"^embed.weight was made under torch.inference_mode"):
        lora.collect(model, ["up"], [IDS], "gradient", lambda m, ids: m(ids).square().mean())
    assert [p.requires_grad for p in model.parameters()] == flags
    ours, theirs = (lora.collect(m, ["up"], [IDS])["up"] for m in (model, small()))
    assert torch.equal(ours.second_moment, theirs.second_moment)


class Strange(nn.Module):
    """Calls its layers in ways that no statistics can be taken of."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.layer, self.given = nn.Identity(), given

    def forward(self, x: Tensor) -> Any:
        return self.layer() if self.given is nn.Identity else self.layer(self.given)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (None, "a NoneType"),
        ("text", "a str"),
        (torch.tensor(3.0), r"of shape \(\)"),
        (torch.ones(2, 3, dtype=torch.int64), r"of torch\.int64"),
        (torch.ones(2, 3, dtype=torch.complex64), r"of torch\.complex64"),
        (nn.Identity, "a NoneType"),
    ],
)
def test_an_input_without_rows_of_numbers_is_refused_by_the_layer_s_name(given, what):
    with pytest.raises(ValueError, match=f"^layer: its input must be a tensor .*, and is {what}"):
        lora.collect(Strange(given), ["layer"], [X])


def test_an_output_that_is_no_tensor_is_refused_by_the_layer_s_name():
    model = nn.Sequential(nn.LSTM(12, 4))
    with pytest.raises(ValueError, match=r"^0: its output must be a tensor .*, and is a tuple"):
        lora.collect(model, ["0"], [X], "gradient", lambda m, x: m(x)[0].sum())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"need": 3},
            'need must be "inputs", "gradient", "G" or "Q", or a collection of them, got 3',
        ),
        ({"layers": 3}, "layers must be a collection of names, got 3"),
        ({"layers": [3]}, "layers: the model has no module 3"),
        ({"layers": {"0": 3}}, "layers: '0' must be a torch.nn.Module, got int"),
        ({"model": 3}, "model must be a torch.nn.Module, got int"),
        ({"model": nn.Sequential(nn.LazyLinear(3))}, "0.weight has no shape yet"),
        (
            {
                "batches": [{"input": X, "attention_mask": X > 0, "labels": X[:1]}],
                "label_mask": True,
                "loss_fn": lambda model, batch: model(batch["input"]).sum(),
            },
            r'label_mask: "labels" must have the shape \(5, 12\) of the mask, got \(1, 12\)',
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_a_malformed_argument_is_named(given, message):
    arguments = {"model": nn.Sequential(nn.Linear(12, 3)), "layers": ["0"], "batches": [X]} | given
    with pytest.raises(ValueError, match=f"^{message}"):
        lora.collect(**arguments)

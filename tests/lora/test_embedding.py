"""Adapted embeddings: the linear layer on one-hot inputs that they are, without a one-hot input
ever made."""

from typing import Any

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

import lora
from lora import SCHEMES, VARIANTS, Config
from tests.support.models import IDS, TOKENS, gpt2, llama, photograph, shake, small

SCHEMES_WITHOUT_DATA = [
    name for name, scheme in SCHEMES.items() if scheme.needs in ("nothing", "weight")
]
# tsd is bound to a scheme that needs gradients
FREE_VARIANTS = [name for name in VARIANTS if name != "tsd"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
every_variant = pytest.mark.parametrize("variant", FREE_VARIANTS)
starts = pytest.mark.parametrize("scheme", ["init_a", "init_b", "pissa"])
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning"),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning"),
]
EPS = torch.finfo(torch.float32).eps


def config(variant: str = "plain", scheme: str = "init_a", **options: Any) -> Config:
    if variant == "dash":
        options = {"variant_options": {"directions": 2}} | options
    return Config(
        **(
            {"rank": 2, "target_modules": ("embed",), "scheme": scheme, "variant": variant}
            | options
        )
    )


def adapted(
    variant: str = "plain", scheme: str = "pissa", build: Any = small, **options: Any
) -> Any:
    """A model in the middle of its training."""
    model = build()
    lora.attach(model, config(variant, scheme, **options))
    shake(model)
    if variant == "dash":
        lora.launch(model)
        shake(model, seed=2)
    return model


def close(ours: Tensor, theirs: Tensor) -> None:
    """Equal up to the order of float32 sums of at most 128 terms in three layers, for outputs below
    10."""
    assert (ours - theirs).abs().max() <= 10 * 3 * 128 * EPS


@every_variant
@starts
@settings(max_examples=20)
@given(
    vocabulary=st.integers(2, 9),
    dim=st.integers(2, 9),
    shape=st.sampled_from([(), (0,), (5,), (2, 3)]),
    data=st.data(),
)
def test_it_is_the_linear_layer_on_one_hot_inputs(variant, scheme, vocabulary, dim, shape, data):
    rank, seed = data.draw(st.integers(1, min(vocabulary, dim))), data.draw(st.integers(0, 2**32))
    rng = torch.Generator().manual_seed(seed)
    linear = nn.Linear(vocabulary, dim, bias=False, dtype=torch.float64)
    embedding = nn.Embedding(vocabulary, dim, dtype=torch.float64)
    E = torch.randn(vocabulary, dim, generator=rng, dtype=torch.float64)
    linear.weight, embedding.weight = nn.Parameter(E.mT.clone()), nn.Parameter(E.clone())
    ids = torch.randint(0, vocabulary, shape, generator=rng)
    dy = torch.randn(*shape, dim, generator=rng, dtype=torch.float64)
    results = []
    for module, x in ((linear, F.one_hot(ids, vocabulary).double()), (embedding, ids)):
        model = nn.ModuleDict({"embed": module})
        options = {"variant_options": {"directions": 1}} if variant == "dash" else {}
        lora.attach(model, config(variant, scheme, rank=rank, seed=seed, **options))
        shake(model, seed=seed)
        if variant == "dash":
            lora.launch(model)
            shake(model, seed=seed + 1)
        trained = [p for p in model.parameters() if p.requires_grad]
        y = model["embed"](x)
        results.append([y, *torch.autograd.grad(y, trained, dy), *trained])
    for ours, theirs in zip(*results, strict=True):
        # the same sums of at most 9 terms with and without zeros, or an SVD of one matrix and of
        # its transpose
        assert ours.shape == theirs.shape
        size = 1 + theirs.abs().max() if theirs.numel() else 1
        assert ((ours - theirs).abs() <= 1e5 * torch.finfo(torch.float64).eps * size).all()


@pytest.mark.parametrize("scheme", SCHEMES_WITHOUT_DATA)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_start_is_exact_and_so_is_the_way_back(scheme, dtype):
    model = small(dtype)
    before, expected = photograph(model), model(IDS)
    report = lora.attach(model, config(scheme=scheme))
    assert torch.equal(model(IDS), expected)
    assert report.layers[0].path == "gathered"
    assert report.layers[0].shape == (12, 20)
    layer = lora.adapters(model)["embed"]
    assert layer.A.dtype == layer.B.dtype == torch.promote_types(dtype, torch.float32)
    shake(model)
    trained = model(IDS)
    for _ in range(3):
        lora.merge(model)
        merged = model(IDS)
        lora.unmerge(model)
    # one rounding of each entry in dtype, then the rest of the model: sums of at most 16 terms of
    # values below 10
    assert (merged - trained).abs().max() <= 10 * 16 * torch.finfo(dtype).eps
    assert not torch.equal(trained, expected)
    lora.detach(model)
    assert photograph(model) == before


@every_variant
def test_every_variant_starts_exactly_merges_and_trains(variant):
    model = small()
    before = model(IDS)
    lora.attach(model, config(variant, "pissa"))
    assert torch.equal(model(IDS), before)
    model = adapted(variant)
    expected = model(IDS)
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    for (name, _), gradient in zip(
        trained, torch.autograd.grad(expected.square().sum(), [p for _, p in trained]), strict=True
    ):
        assert gradient.any(), name
    lora.merge(model)
    close(model(IDS), expected)


@pytest.mark.parametrize(("train_a", "train_b"), [(True, False), (False, True)])
def test_a_frozen_factor_stays(train_a, train_b):
    model = adapted(train_a=train_a, train_b=train_b)
    model(IDS).sum().backward()
    layer = lora.adapters(model)["embed"]
    assert (layer.A.grad is not None, layer.B.grad is not None) == (train_a, train_b)


def test_only_the_tokens_that_were_read_are_kept_for_backward():
    vocabulary, tokens, rank = 3000, 7, 2
    model = nn.ModuleDict({"embed": nn.Embedding(vocabulary, 5)})
    lora.attach(model, config(scheme="olora", rank=rank))
    layer: Any = lora.adapters(model)["embed"]
    sizes = []
    with saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        layer(torch.arange(tokens))
    # the largest is the pair's image of the tokens, (2 r, tokens), or L, (dim, 2 r): nothing as
    # long as the vocabulary
    assert max(sizes) <= 2 * rank * max(tokens, 5)


@pytest.mark.parametrize("scheme", ["init_a", "pissa"])
def test_dropout_of_a_one_hot_input_drops_the_tokens_whole_branch(scheme):
    model = nn.ModuleDict({"embed": nn.Embedding(4, 3)})
    p = 0.25
    lora.attach(model, config(scheme=scheme, dropout=p))
    layer: Any = lora.adapters(shake(model))["embed"]
    assert torch.equal(layer.eval()(torch.arange(4)), layer(torch.arange(4))), (
        "not while it does not train"
    )
    ids = torch.zeros(4000, dtype=torch.long)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        y = layer.train()(ids)
        frozen = layer.weight[0] - (
            0 if layer.B0 is None else layer.scale * layer.B0 @ layer.A0[:, 0]
        )
        whole = frozen + layer.scale * layer.B @ layer.A[:, 0] / (1 - p)
    # a few sums of at most 2 r terms, of values below 10
    is_frozen, is_whole = (
        (y - value).abs().max(1).values <= 100 * EPS for value in (frozen, whole)
    )
    assert (is_frozen ^ is_whole).all()
    share = is_frozen.double().mean().item()
    assert abs(share - p) <= 5 * (p * (1 - p) / len(ids)) ** 0.5, "5 standard errors of a share"


@every_variant
def test_the_padding_token_gives_no_gradient_as_in_torch(variant):
    def build() -> nn.Module:
        model = small(torch.float64)
        model.embed.padding_idx = 3
        return model

    model = adapted(variant, build=build)
    layer: Any = lora.adapters(model)["embed"]
    trained = [p for p in model.parameters() if p.requires_grad]
    ids = torch.tensor([[3, 5, 3], [0, 3, 3]])
    y = layer(ids)
    W = y.detach().new_tensor(layer.merged_weight().tolist(), requires_grad=True)
    plain = F.embedding(ids, W, padding_idx=3)
    # 12 eps-sized roundings of values below 10
    torch.testing.assert_close(y, plain, rtol=0, atol=1e-13)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = torch.autograd.grad(y, trained, dy, retain_graph=True)
    theirs = torch.autograd.grad(layer(ids[ids != 3]), trained, dy[ids != 3])
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() <= 1e-12 * (1 + b.abs().max())
    assert all(
        not g.any()
        for g in torch.autograd.grad(layer(torch.full((4,), 3)), trained, torch.ones(4, 12))
    )


def test_a_sparse_embedding_is_adapted_its_factors_get_dense_gradients():
    model: Any = nn.ModuleDict({"embed": nn.Embedding(9, 4, sparse=True)})
    lora.attach(model, config(scheme="pissa"))
    model["embed"](torch.arange(3)).sum().backward()
    layer: Any = lora.adapters(model)["embed"]
    assert layer.A.grad.layout == torch.strided


def unread():
    raise AssertionError("the batches were read")
    yield


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        (
            {},
            {"max_norm": 1.0},
            "embed cannot be adapted: max_norm changes its weight in each forward",
        ),
        (
            {},
            {"scale_grad_by_freq": True},
            "embed cannot be adapted: scale_grad_by_freq divides the gradient",
        ),
        (
            {"scheme": "eva"},
            {},
            "embed is an embedding, whose inputs are indices, not vectors: scheme 'eva'",
        ),
        ({"scheme": "lora_ga"}, {}, "embed is an embedding, whose inputs are indices"),
        ({"rank": 13}, {}, r"embed: rank must be an integer from 1 to min\(out, in\) = 12, got 13"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_happens(options, change, message):
    model = small()
    for name, value in change.items():
        setattr(model.embed, name, value)
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.attach(model, config(**options), batches=unread())
    assert photograph(model) == before


class Scaled(nn.Embedding):
    def forward(self, input: Tensor) -> Tensor:
        return 8 * super().forward(input)


def test_an_embedding_with_another_forward_is_refused():
    model: Any = small()
    model.embed = Scaled(20, 12)
    with pytest.raises(ValueError, match="embed is a Scaled, which is not supported"):
        lora.attach(model, config())


@every_variant
@starts
@pytest.mark.parametrize(
    "options", [{}, {"rank_stabilized": True, "rank_pattern": {"embed": 3}}], ids=str
)
def test_stock_peft_and_our_load_give_the_saved_function(tmp_path, variant, scheme, options):
    model = adapted(variant, scheme, target_modules=("embed", "up"), **options)
    lora.save(model, tmp_path)
    expected = model(IDS)
    assert (expected - small()(IDS)).abs().max() > 1e-2, "the adapter does something"
    rank = {"pissa": 2}.get(scheme, 1) * options.get("rank_pattern", {}).get("embed", 2) + 2 * (
        variant == "dash"
    )
    shapes = {
        key.removeprefix("base_model.model.embed."): tuple(value.shape)
        for key, value in load_file(tmp_path / "adapter_model.safetensors").items()
        if ".embed." in key and "magnitude" not in key
    }
    assert shapes == {"lora_embedding_A": (rank, 20), "lora_embedding_B": (12, rank)}
    close(peft.PeftModel.from_pretrained(small(), str(tmp_path))(IDS), expected)
    again = small()
    lora.load(again, tmp_path)
    close(again(IDS), expected)


@pytest.mark.parametrize(
    ("build", "names"), [(llama, ["embed_tokens", "q_proj"]), (gpt2, ["wte", "c_attn"])]
)
@pytest.mark.parametrize(
    "options",
    [{}, {"use_dora": True}, {"init_lora_weights": "pissa"}, {"use_rslora": True}],
    ids=str,
)
def test_we_load_what_peft_saves_and_peft_what_we_save(tmp_path, build, names, options):
    settings = peft.LoraConfig(r=4, lora_alpha=6, target_modules=names, **options)
    theirs: Any = shake(peft.get_peft_model(build(), settings)).eval()
    theirs.save_pretrained(str(tmp_path / "theirs"))
    ours = build()
    lora.load(ours, tmp_path / "theirs")
    close(ours(TOKENS).logits, theirs(TOKENS).logits)
    assert (ours(TOKENS).logits - build()(TOKENS).logits).abs().max() > 1e-2
    lora.save(ours, tmp_path / "ours")
    again = peft.PeftModel.from_pretrained(build(), str(tmp_path / "ours"))
    close(again(TOKENS).logits, ours(TOKENS).logits)


def test_peft_s_copy_of_another_base_weight_is_refused(tmp_path):
    settings = peft.LoraConfig(r=2, target_modules=["embed_tokens"])
    peft.get_peft_model(llama(), settings).save_pretrained(str(tmp_path))
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors["base_model.model.model.embed_tokens.base_layer.weight"][3, 3] += 1
    save_file(tensors, file, {"format": "pt"})
    model = llama()
    before = photograph(model)
    with pytest.raises(
        ValueError,
        match=r"embed_tokens\.base_layer\.weight is the weight that the adapter was trained on",
    ):
        lora.load(model, tmp_path)
    assert photograph(model) == before

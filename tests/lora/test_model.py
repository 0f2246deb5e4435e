"""Adapters on whole models: exact at the start, exact to take back, and never half on."""

import weakref
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lora
from lora import SCHEMES, Config
from tests.support.models import IDS, TOKENS, data_for, gpt2, llama, photograph, shake, small, twin

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
# The little model's gradients have a lower rank than some schemes ask for, who say so.
pytestmark = pytest.mark.filterwarnings("ignore:.*directions asked for:UserWarning")


@every_scheme
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_d11_the_function_at_step_0_is_bit_equal_in_every_dtype(scheme, dtype):
    """PEFT subtracts a start from a half-precision base, whose rounding changes the function."""
    model = small(dtype)
    before = model(IDS)
    lora.attach(
        model, Config(rank=4, scheme=scheme, target_modules=("up", "down")), **data_for(model)
    )
    assert torch.equal(model(IDS), before)
    for layer in lora.adapters(model).values():
        assert layer.weight.dtype == dtype
        assert layer.A.dtype == layer.B.dtype == torch.promote_types(dtype, torch.float32), (
            "masters are wide"
        )


@every_scheme
@pytest.mark.parametrize("build", [llama, gpt2])
def test_step_0_on_transformers_models_and_both_weight_layouts(scheme, build):
    model = build()
    before = model(TOKENS).logits
    report = lora.attach(model, Config(rank=4, scheme=scheme), **data_for(model))
    assert torch.equal(model(TOKENS).logits, before)
    assert report.skipped["lm_head"] == "the output head"
    assert {layer.path for layer in report.layers} == {"fused"}


def test_conv1d_gets_what_the_equivalent_linear_gets():
    conv: Any = gpt2().transformer.get_submodule("h.0.mlp.c_fc")
    linear: Any = nn.Linear(*conv.weight.shape)
    linear.weight, linear.bias = nn.Parameter(conv.weight.mT.clone()), conv.bias
    x, outputs = torch.randn(5, 32, generator=torch.Generator().manual_seed(0)), []
    for layer in (conv, linear):
        model = nn.Sequential(layer)
        lora.attach(model, Config(rank=4, scheme="pissa"))
        with torch.no_grad():
            lora.adapters(model)["0"].B.mul_(1.5)
        lora.merge(model)
        outputs.append(model(x))
    # two layouts of one matrix: different summation orders over 32 terms, of magnitude below 10
    torch.testing.assert_close(*outputs, rtol=0, atol=10 * 32 * torch.finfo(torch.float32).eps)


@every_scheme
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_every_trained_factor_gets_a_gradient_within_two_steps(scheme, seed):
    model = small()
    lora.attach(
        model,
        Config(rank=3, scheme=scheme, seed=seed, target_modules=("up", "down")),
        **data_for(model),
    )
    optimizer = torch.optim.SGD(lora.param_groups(model, 0.1))
    moved = set()
    for _ in range(2):
        optimizer.zero_grad()
        model(IDS).square().sum().backward()
        moved |= {
            name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()
        }
        optimizer.step()
    assert moved == {f"{layer}.{factor}" for layer in ("up", "down") for factor in "AB"}


@every_scheme
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_merge_and_unmerge_restore_the_weight_bit_for_bit(scheme, dtype):
    model: Any = small(dtype)
    weight = model.up.weight
    bits = weight.clone()
    lora.attach(
        model, Config(rank=4, scheme=scheme, target_modules=("up", "down")), **data_for(model)
    )
    shake(model)
    expected = model(IDS)
    for _ in range(20):
        lora.merge(model)
        merged = model(IDS)
        lora.unmerge(model)
        assert model.up.base_layer.weight is weight
        assert torch.equal(weight, bits)
    assert torch.equal(model(IDS), expected)
    # merging rounds W + s B A once in W's type: n eps of the sizes that meet, with values below 10
    # here
    assert (merged - expected).abs().max() <= 10 * 16 * torch.finfo(dtype).eps


def test_merge_can_give_the_original_up():
    model = small()
    lora.attach(model, Config(rank=2))
    shake(model)
    expected = model(IDS)
    lora.merge(model, keep_base=False)
    assert not any("kept_weight" in name for name, _ in model.named_parameters())
    with pytest.raises(ValueError, match="up: merged with keep_base=False"):
        lora.unmerge(model)
    lora.detach(model)
    assert not lora.adapters(model)
    torch.testing.assert_close(model(IDS), expected)


@pytest.mark.parametrize(("keep_base", "times"), [(True, 1), (False, 2)])
def test_a_merged_weight_is_made_once_where_it_is_kept_beside_the_original(keep_base, times):
    """Else twice, to check and to use: at no time are there two that are not in the model yet."""
    model = small()
    lora.attach(model, Config(rank=2))
    layers = lora.adapters(shake(model))
    made: list[weakref.ref] = []
    waiting: list[int] = []

    def counted(layer: Any) -> torch.Tensor:
        waiting.append(sum(weight() is not None for weight in made))
        weight = merged_weight(layer)
        made.append(weakref.ref(weight))
        return weight

    merged_weight = lora.LoRALinear.merged_weight
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lora.LoRALinear, "merged_weight", counted)
        lora.merge(model, keep_base)
    assert len(made) == times * len(layers)
    assert max(waiting) <= (len(layers) if keep_base else 0)


@pytest.mark.parametrize("keep_base", [True, False])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_a_merge_that_fails_in_its_last_layer_changes_none(keep_base, value):
    model = small()
    lora.attach(model, Config(rank=2))
    name, last = list(lora.adapters(shake(model)).items())[-1]
    with torch.no_grad():
        last.B[0, 0] = value
        last.A[0, 0] = 4
    before = photograph(model)
    with pytest.raises(ValueError, match=f"{name}: the merged weight would have .* infinite"):
        lora.merge(model, keep_base)
    assert photograph(model) == before
    assert not any(layer.merged for layer in lora.adapters(model).values())


def test_merging_leaves_a_tied_weight_alone():
    model: Any = gpt2()
    lora.attach(model, Config(rank=2, target_modules=("lm_head",), tie=True))
    shake(model)
    expected = model(TOKENS).logits
    lora.merge(model)
    torch.testing.assert_close(model(TOKENS).logits, expected)
    lora.unmerge(model)
    assert model.lm_head.base_layer.weight is model.transformer.wte.weight


@every_scheme
def test_detach_gives_the_model_back(scheme):
    model = small()
    model.embed.weight.requires_grad_(False)
    before = photograph(model)
    lora.attach(model, Config(rank=3, scheme=scheme, modules_to_save=("head",)), **data_for(model))
    shake(model)
    assert photograph(model) != before
    lora.detach(model)
    assert photograph(model) == before


def test_only_adapters_and_saved_modules_train():
    model = small()
    report = lora.attach(model, Config(rank=2, modules_to_save=("head",)))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"up.A", "up.B", "down.A", "down.B", "head.weight", "head.bias"}
    assert report.trainable == 2 * (12 + 16) * 2 + 12 * 3 + 3
    assert report.skipped == {
        "embed": "an embedding, adapted only where it is named",
        "head": "in modules_to_save",
    }


@pytest.mark.parametrize(("train_a", "train_b"), [(True, False), (False, True)])
def test_a_frozen_factor_stays(train_a, train_b):
    model = small()
    lora.attach(model, Config(rank=2, scheme="pissa", train_a=train_a, train_b=train_b))
    layer = lora.adapters(model)["up"]
    assert (layer.A.requires_grad, layer.B.requires_grad) == (train_a, train_b)
    model(IDS).sum().backward()
    assert (layer.A.grad is not None, layer.B.grad is not None) == (train_a, train_b)


def nan_weight(model):
    with torch.no_grad():
        model.down.weight[0, 0] = torch.nan


@pytest.mark.parametrize(
    ("config", "spoil", "message"),
    [
        ({"rank": 3, "scheme": "pissa"}, nan_weight, "down: W must be finite, got 1 entries"),
        ({"rank": 13}, None, r"up: rank must be an integer from 1 to min\(out, in\) = 12, got 13"),
        ({"rank_pattern": {"down": 99}}, None, "down: rank must be an integer from 1 to min"),
        ({"scheme_options": {"xi": 1.0}}, None, "init_a has no option 'xi'; it has none"),
        (
            {"scheme": "nystrom", "scheme_options": {"xi": -1.0}},
            None,
            "nystrom: xi must be positive and finite, got -1",
        ),
        ({"target_modules": ("upp",)}, None, "the model has no module 'upp'; did you mean 'up'"),
        (
            {"target_modules": ("norm",)},
            None,
            "norm is a LayerNorm, which is not supported; supported are ",
        ),
        ({"target_modules": "nothing"}, None, "leaves no layer"),
        ({"exclude_modules": ("dwn",)}, None, "exclude_modules: the model has no module 'dwn'"),
        (
            {"modules_to_save": ("haed",)},
            None,
            "modules_to_save: the model has no module 'haed'; did you mean 'head'",
        ),
        ({"rank_pattern": {"q_proj": 2}}, None, "rank_pattern: 'q_proj' matches no adapted layer"),
    ],
)
def test_a_refused_attach_leaves_the_model_as_it_was(config, spoil, message):
    model = small()
    if spoil:
        spoil(model)
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.attach(model, Config(**config))
    assert photograph(model) == before


def test_operations_in_the_wrong_order_are_refused():
    model = small()
    for operation in (lora.merge, lora.unmerge, lora.detach, lambda m: lora.param_groups(m, 1e-3)):
        with pytest.raises(ValueError, match="carries no adapter"):
            operation(model)
    lora.attach(model, Config(rank=2))
    before = photograph(model)
    with pytest.raises(ValueError, match="carries adapters already"):
        lora.attach(model, Config(rank=2))
    assert photograph(model) == before


def test_a_merge_that_would_not_be_finite_changes_nothing():
    model = small()
    lora.attach(model, Config(rank=2))
    with torch.no_grad():
        lora.adapters(model)["down"].B[0, 0] = torch.inf
    before = photograph(model)
    with pytest.raises(ValueError, match="down: the merged weight would have"):
        lora.merge(model)
    assert photograph(model) == before


def test_tied_modules_to_save_are_refused():
    model = gpt2()
    before = photograph(model)
    with pytest.raises(
        ValueError, match=r"lm_head shares its weight with transformer\.wte\.weight"
    ):
        lora.attach(model, Config(modules_to_save=("lm_head",)))
    assert photograph(model) == before


def test_attention_that_bypasses_its_projection_is_reported_not_adapted():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    report = lora.attach(model, Config(rank=2))
    assert set(lora.adapters(model)) == {"linear1", "linear2"}
    assert "self_attn.out_proj" in report.skipped


def test_a_module_held_twice_is_adapted_once_and_everywhere():
    shared = nn.Linear(6, 6)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    lora.attach(model, Config(rank=2))
    assert model[0] is model[2]
    assert list(lora.adapters(model)) == ["0"]
    lora.detach(model)
    assert model[0] is model[2] is shared


def test_names_are_matched_as_in_peft():
    model = llama()
    attach = lambda **options: list(lora.adapters(twin_of(model, **options)))
    assert all(
        name.endswith(("q_proj", "v_proj")) for name in attach(target_modules=("q_proj", "v_proj"))
    )
    assert len(attach(target_modules=("q_proj", "v_proj"))) == 4
    assert attach(target_modules=r".*\.1\..*k_proj") == ["model.layers.1.self_attn.k_proj"]
    assert not any("mlp" in name for name in attach(exclude_modules=r".*mlp.*"))
    assert "lm_head" not in attach()
    assert attach(target_modules=("lm_head",)) == ["lm_head"]


def twin_of(model, **options):
    copy = twin(model)
    lora.attach(copy, Config(rank=2, **options))
    return copy


def test_a_layer_draws_from_its_own_stream():
    alone, all_layers = (
        twin_of(small(), target_modules=names) for names in (("down",), "all-linear")
    )
    other_seed = twin_of(small(), target_modules=("down",), seed=1)
    factor = lambda model: lora.adapters(model)["down"].A
    assert torch.equal(factor(alone), factor(all_layers))
    assert not torch.equal(factor(alone), factor(other_seed))


def test_layers_of_one_shape_start_apart():
    model = twin_of(llama(), target_modules=("q_proj",))
    first, second = (layer.A for layer in lora.adapters(model).values())
    assert not torch.equal(first, second)


def test_a_model_whose_part_is_adapted_is_refused():
    model = small()
    part = nn.ModuleDict({"part": model})
    lora.attach(model, Config(rank=2))
    before = photograph(part)
    with pytest.raises(ValueError, match=r"part\.up carries an adapter already"):
        lora.attach(part, Config(rank=2))
    assert photograph(part) == before


def test_groups_hold_every_trained_parameter_once_and_by_kind():
    model = small()
    lora.attach(model, Config(rank=2, modules_to_save=("head",)))
    groups = lora.param_groups(model, 1e-3, ratio=16.0, weight_decay=0.1)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    layers = lora.adapters(model).values()
    by_name = {group["name"]: group for group in groups}
    assert {id(p) for p in by_name["B"]["params"]} == {id(layer.B) for layer in layers}
    assert by_name["B"]["lr"] == 16 * by_name["A"]["lr"] == 16e-3
    assert by_name["saved vectors"]["weight_decay"] == 0
    assert by_name["saved vectors"]["lr"] == 1e-3, "a trained vector does not get B's rate"
    for wrong in ({"lr": -1.0}, {"lr": 1e-3, "ratio": 0.0}, {"lr": 1e-3, "weight_decay": -1.0}):
        with pytest.raises(ValueError, match="must be"):
            lora.param_groups(model, **wrong)


def test_dropout_takes_the_unfused_path_and_says_so():
    model = small()
    lora.attach(model, Config(rank=2, scheme="pissa", dropout=0.5))
    layer = lora.adapters(model)["up"]
    assert layer.path == "fused", "in eval mode dropout does nothing"
    layer.train()
    assert layer.path.startswith("unfused: dropout 0.5")
    x = torch.randn(4000, 12, generator=torch.Generator().manual_seed(0))
    shake(model)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        dropped = layer(x) - layer.eval()(x)
    # dropout is unbiased: the mean over n tokens is 0 up to 5 standard errors
    assert (dropped.mean(0).abs() <= 5 * dropped.std(0) / len(x) ** 0.5).all()
    assert dropped.any()


def test_hooks_on_the_base_layer_are_still_called():
    model = small()
    seen = []
    model.up.register_forward_hook(lambda *_: seen.append(1))
    expected = model(IDS)
    report = lora.attach(model, Config(rank=2, scheme="pissa"))
    assert {layer.name: layer.path for layer in report.layers}["up"].startswith(
        "unfused: the base layer has hooks"
    )
    seen.clear()
    assert torch.equal(model(IDS), expected)
    assert seen


@pytest.mark.parametrize("scheme", ["init_a", "pissa"])
def test_fused_and_unfused_paths_agree(scheme):
    model = small(torch.float64)
    lora.attach(model, Config(rank=3, scheme=scheme), **data_for(model))
    shake(model)
    fused = torch.autograd.grad(
        model(IDS).square().sum(), [p for p in model.parameters() if p.requires_grad]
    )
    for layer in lora.adapters(model).values():
        layer.base_layer.register_forward_hook(lambda *_: None)
    plain = torch.autograd.grad(
        model(IDS).square().sum(), [p for p in model.parameters() if p.requires_grad]
    )
    for ours, theirs in zip(fused, plain, strict=True):
        # the same sums in another order: 100 eps relative to the largest entry
        assert (ours - theirs).abs().max() <= 100 * torch.finfo(
            torch.float64
        ).eps * theirs.abs().max()


def test_a_copy_of_an_adapted_model_is_adapted():
    model = small()
    lora.attach(model, Config(rank=2))
    copy = twin(shake(model))
    lora.detach(copy)
    assert lora.adapters(model)
    assert not lora.adapters(copy)


def test_a_mixed_precision_model_trains_under_autocast():
    model = small()
    lora.attach(model, Config(rank=2, scheme="milora"))
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS).float().square().sum().backward()
    for layer in lora.adapters(model).values():
        assert layer.A.grad is not None
        assert layer.A.grad.dtype == torch.float32

"""What holds for every variant: an exact start and way back, adapters that PEFT reads, nothing left
untrained."""

from typing import Any

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lora
from lora import SCHEMES, VARIANTS, Config
from tests.support.models import IDS, TOKENS, gpt2, llama, photograph, shake, small, twin

DTYPES = [torch.float64, torch.float32, torch.bfloat16]
OWN_SCHEME = {"tsd": "tsd_init"}  # variants that are bound to one scheme
LAUNCHED = {"dash", "tsd"}
every_variant = pytest.mark.parametrize("variant", VARIANTS)
starts = pytest.mark.parametrize("scheme", ["init_a", "pissa"], ids=["no pair", "pair"])
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
]


@pytest.fixture(autouse=True)
def a_bound_scheme_that_needs_no_data(monkeypatch):
    for scheme in OWN_SCHEME.values():
        monkeypatch.setitem(SCHEMES, scheme, SCHEMES["pissa"])


def config(variant: str, scheme: str = "init_a", **options: Any) -> Config:
    if variant in LAUNCHED:
        options = {"variant_options": {"directions": 2}} | options
    return Config(
        **({"rank": 3, "scheme": OWN_SCHEME.get(variant, scheme), "variant": variant} | options)
    )


def adapted(variant: str, scheme: str = "init_a", build: Any = small, **options: Any) -> Any:
    """A model in the middle of its training."""
    model = build()
    lora.attach(model, config(variant, scheme, **options))
    shake(model)
    if variant in LAUNCHED:
        lora.launch(model)
        shake(model, seed=2)
    return model


def close(ours: torch.Tensor, theirs: torch.Tensor, dtype: torch.dtype | None = None) -> None:
    """Equal up to the rounding of three layers, each a sum of at most 128 terms, of values below 10
    or the output."""
    size = max(10, float(theirs.detach().abs().max()))
    assert (ours - theirs).abs().max() <= size * 3 * 128 * torch.finfo(dtype or ours.dtype).eps


@every_variant
@starts
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_function_at_step_0_is_bit_equal(variant, scheme, dtype):
    model = small(dtype)
    before = model(IDS)
    lora.attach(model, config(variant, scheme))
    assert torch.equal(model(IDS), before)
    lora.merge(model)
    assert torch.equal(model(IDS), before)


@every_variant
@pytest.mark.parametrize("build", [llama, gpt2])
def test_step_0_on_transformers_models(variant, build):
    model = build()
    before = model(TOKENS).logits
    lora.attach(model, config(variant, "pissa"))
    assert torch.equal(model(TOKENS).logits, before)


@every_variant
@starts
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_merge_gives_the_unmerged_output_and_unmerge_the_same_tensor(variant, scheme, dtype):
    model = adapted(variant, scheme, lambda: small(dtype))
    weight = model.up.base_layer.weight
    bits, expected = weight.clone(), model(IDS)
    lora.merge(model)
    close(model(IDS), expected)
    lora.unmerge(model)
    assert model.up.base_layer.weight is weight
    assert torch.equal(weight, bits)
    assert torch.equal(model(IDS), expected)


@every_variant
@starts
def test_detach_gives_the_model_back(variant, scheme):
    model = small()
    before = photograph(model)
    lora.attach(model, config(variant, scheme))
    shake(model)
    model(IDS)
    lora.detach(model)
    assert photograph(model) == before


@every_variant
@starts
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_every_trained_parameter_gets_a_gradient_and_the_base_none(variant, scheme, seed):
    model: Any = small()
    lora.attach(model, config(variant, scheme, seed=seed))
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.SGD(lora.param_groups(model, 0.01))
    moved = set()
    for step in range(3):
        optimizer.zero_grad()
        model(IDS).square().sum().backward()
        moved |= {
            name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()
        }
        optimizer.step()
        if variant in LAUNCHED and step == 0:
            lora.launch(model)
    now = dict(model.named_parameters())
    assert moved == now.keys() - frozen.keys()
    assert all(
        torch.equal(now[name], value) and now[name].grad is None for name, value in frozen.items()
    )


@every_variant
@starts
@pytest.mark.parametrize(
    "options", [{}, {"rank_stabilized": True, "rank_pattern": {"down": 2}}], ids=str
)
def test_stock_peft_and_our_load_give_the_saved_function(tmp_path, variant, scheme, options):
    model = adapted(variant, scheme, modules_to_save=("head",), **options)
    lora.save(model, tmp_path)
    expected = model(IDS)
    assert (expected - small()(IDS)).abs().max() > 0.1, "the adapter does something"
    close(peft.PeftModel.from_pretrained(small(), str(tmp_path))(IDS), expected)
    again = small()
    report = lora.load(again, tmp_path)
    close(again(IDS), expected)
    assert report.variant == VARIANTS[variant].exported_as
    assert report.scheme == OWN_SCHEME.get(variant, scheme)


@every_variant
@pytest.mark.parametrize("build", [llama, gpt2])
def test_stock_peft_loads_transformers_adapters(tmp_path, variant, build):
    model = adapted(variant, "pissa", build)
    lora.save(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(build(), str(tmp_path))
    close(theirs(TOKENS).logits, model(TOKENS).logits)


@every_variant
@starts
def test_a_state_dict_continues_the_training_bit_for_bit(variant, scheme):
    def step(model):
        model.zero_grad()
        model(IDS).square().sum().backward()
        torch.optim.AdamW(lora.param_groups(model, 1e-3)).step()
        assert model(IDS).isfinite().all()
        return model(IDS)

    model = adapted(variant, scheme)
    again = small(seed=7)
    lora.attach(again, config(variant, scheme, seed=7))
    again(IDS)
    again.load_state_dict(model.state_dict())
    for _ in range(2):
        assert torch.equal(model(IDS), again(IDS))
        assert torch.equal(step(model), step(again))


@every_variant
@starts
def test_a_copy_lives_on_its_own(variant, scheme):
    model = adapted(variant, scheme)
    expected = model(IDS)
    copy = twin(model)
    assert torch.equal(copy(IDS), expected)
    shake(copy, seed=3)
    assert not torch.equal(copy(IDS), expected)
    close(copy(IDS), merged(copy))
    assert torch.equal(model(IDS), expected)


def merged(model: Any) -> torch.Tensor:
    """The output by the weights alone, on another copy."""
    copy = twin(model)
    lora.merge(copy)
    lora.detach(copy)
    return copy(IDS)


@every_variant
def test_groups_hold_every_trained_parameter_once(variant):
    model = small()
    lora.attach(model, config(variant, modules_to_save=("head",)))
    groups = lora.param_groups(model, 1e-3, ratio=16.0, weight_decay=0.1)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    for layer in lora.adapters(model).values():
        kinds = {id(p): kind for kind, p in layer.trained()}
        own = dict(layer.named_parameters())
        assert kinds.keys() == {
            id(p) for name, p in own.items() if not name.startswith("base_layer.")
        }
        for group in groups:
            assert {kinds.get(id(p), group["name"]) for p in group["params"]} <= {group["name"]}


@every_variant
@starts
def test_fused_and_unfused_paths_agree(variant, scheme):
    model = adapted(variant, scheme, lambda: small(torch.float64))
    trained = [p for p in model.parameters() if p.requires_grad]
    results = []
    for _ in range(2):
        y = model(IDS)
        results.append([y, *torch.autograd.grad(y.square().sum(), trained)])
        for layer in lora.adapters(model).values():
            layer.base_layer.register_forward_hook(lambda *_: None)
    for fused, plain in zip(*results, strict=True):
        # the same sums in another order: 1000 eps relative to the largest entry
        assert (fused - plain).abs().max() <= 1000 * torch.finfo(
            torch.float64
        ).eps * plain.abs().max()


@every_variant
@starts
def test_dropout_is_unbiased_and_spares_the_frozen_start(variant, scheme):
    model = small()
    lora.attach(model, config(variant, scheme, dropout=0.5))
    shake(model)
    layer = lora.adapters(model)["up"].train()
    # one token: over many, whatever is linear in them would average out with them
    x = torch.randn(12, generator=torch.Generator().manual_seed(0)).expand(4000, 12)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        dropped = layer(x) - layer.eval()(x)
    # the mean over n tokens is 0 up to 5 standard errors
    assert (dropped.mean(0).abs() <= 5 * dropped.std(0) / len(x) ** 0.5).all()
    assert dropped.any()


@every_variant
def test_mixed_precision_training_keeps_float32_gradients(variant):
    model = small(torch.bfloat16)
    lora.attach(model, config(variant, "pissa"))
    shake(model)
    with torch.autocast("cpu", torch.bfloat16):
        model(IDS).float().square().sum().backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and g.dtype == torch.float32 and g.isfinite().all() for g in gradients)
    reference = merged(model)
    with torch.autocast("cpu", torch.bfloat16):
        y = model(IDS)
    close(y, reference, torch.bfloat16)


@every_variant
def test_a_generation_under_inference_mode_does_not_spoil_training(variant):
    model = adapted(variant)
    with torch.inference_mode():
        expected = model(IDS)
    y = model(IDS)
    assert torch.equal(y, expected)
    y.sum().backward()


@every_variant
def test_a_config_of_every_variant_survives_json(variant):
    settings = config(variant)
    assert Config.from_json(settings.to_json()) == settings


@every_variant
def test_an_unknown_option_is_refused(variant):
    with pytest.raises(ValueError, match=rf"variant '{variant}'.*wdith"):
        config(variant, variant_options={"wdith": 3})


def test_dropout_has_no_effect_where_the_trained_branch_vanishes():
    model = small()
    lora.attach(model, config("plain", "pissa", dropout=0.5))
    layer: Any = lora.adapters(model)["up"]
    with torch.no_grad():
        layer.B.zero_()
    x = torch.randn(9, 12, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = layer.train()(x), layer(x)
    assert torch.equal(first, second)

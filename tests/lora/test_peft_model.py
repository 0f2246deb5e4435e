"""Any scheme on a model that PEFT has wrapped."""

from typing import Any

import peft
import pytest
import torch
from torch import nn

import lora
from lora import SCHEMES, Config
from tests.support.models import TOKENS, data_for, gpt2, llama, photograph, shake

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*directions asked for.*:UserWarning"),
]


def wrapped(build=llama, **options: Any) -> Any:
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"} | options
    return peft.get_peft_model(build(), peft.LoraConfig(**settings)).eval()


@pytest.mark.parametrize("build", [llama, gpt2])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_start_is_the_one_that_attach_gives_or_is_refused_with_the_way_out(scheme, build):
    model, ours = wrapped(build), build()
    lora.attach(ours, Config(rank=4, alpha=8.0, scheme=scheme, seed=3), **data_for(ours))
    before, output = photograph(model), model(TOKENS).logits
    if any(layer.B0 is not None for layer in lora.adapters(ours).values()):
        with pytest.raises(ValueError, match=rf"{scheme} starts at B A != 0.*use lora\.attach"):
            lora.initialize_peft(model, scheme, **data_for(ours), seed=3)
        assert photograph(model) == before
        return
    report = lora.initialize_peft(model, scheme, **data_for(ours), seed=3)
    assert [layer.name for layer in report.layers] == list(lora.adapters(ours))
    assert torch.equal(model(TOKENS).logits, output), "the function at step 0 is unchanged"
    for name, layer in lora.adapters(ours).items():
        theirs: Any = model.get_base_model().get_submodule(name)
        assert torch.equal(theirs.lora_A["default"].weight, layer.A)
        assert torch.equal(theirs.lora_B["default"].weight, layer.B)


def test_the_saved_adapter_holds_the_start(tmp_path):
    model = wrapped()
    lora.initialize_peft(model, "orthogonal")
    model.save_pretrained(str(tmp_path))
    ours = llama()
    lora.load(ours, tmp_path)
    A = lora.adapters(ours)["model.layers.0.mlp.up_proj"].A
    # orthonormal to a small multiple of float32's eps
    torch.testing.assert_close(A @ A.mT, torch.eye(4), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (llama, ("orthogonal",), "must be a peft.PeftModel, .*, got LlamaForCausalLM"),
        (wrapped, ("orthagonal",), "unknown scheme 'orthagonal'"),
        (wrapped, ("eva",), "scheme 'eva' needs batches"),
        (
            lambda: wrapped(init_lora_weights="pissa"),
            ("orthogonal",),
            "made with init_lora_weights='pissa'",
        ),
        (
            lambda: wrapped(target_modules=["embed_tokens"]),
            ("orthogonal",),
            "no linear layer to initialize; it adapts model.embed_tokens, which keep PEFT",
        ),
        (
            lambda: wrapped(init_lora_weights="orthogonal"),
            ("eva", []),
            "made with init_lora_weights='orthogonal'",
        ),
        (
            lambda: two_adapters(activate=["default", "other"]),
            ("orthogonal",),
            "exactly one adapter must be active",
        ),
        (
            lambda: merged(wrapped()),
            ("orthogonal",),
            r"q_proj is merged; call unmerge_adapter\(\) first",
        ),
        (wrapped, ("eva", []), "batches is empty"),
        (
            lambda: peft.get_peft_model(
                llama(), peft.IA3Config(target_modules=["q_proj"], feedforward_modules=[])
            ),
            ("orthogonal",),
            "the active adapter must be LoRA, got IA3Config",
        ),
        (lambda: wrapped(r=17), ("orthogonal",), r"k_proj: rank must be an integer from 1 to min"),
    ],
)
def test_what_cannot_be_started_is_refused_and_left_as_it_was(build, arguments, message):
    model = build()
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.initialize_peft(model, *arguments)
    assert photograph(model) == before


SHARED = [("eva", {}), ("gradient_signal", {}), ("gradient_signal", {"per_parameter": True})]


@pytest.mark.parametrize("use_rslora", [False, True])
@pytest.mark.parametrize(("scheme", "options"), SHARED, ids=str)
def test_ranks_are_shared_out_as_by_attach_and_stock_peft_loads_them(
    tmp_path, scheme, options, use_rslora
):
    options = {"rho": 2.0} | options
    asked: Any = {"rank_pattern": {"q_proj": 3}, "alpha_pattern": {"mlp.up_proj": 5}}
    model, ours = wrapped(use_rslora=use_rslora, **asked), llama()
    before = {name: layer.scaling["default"] for name, layer in theirs(model).items()}
    config = Config(
        rank=4,
        alpha=8.0,
        scheme=scheme,
        scheme_options=options,
        rank_stabilized=use_rslora,
        seed=3,
        **asked,
    )
    expected = lora.attach(ours, config, **data_for(ours))
    output = model(TOKENS).logits
    report = lora.initialize_peft(model, scheme, **data_for(ours), seed=3, **options)
    assert torch.equal(model(TOKENS).logits, output), "the function at step 0 is unchanged"
    assert [layer.rank for layer in report.layers] == [layer.rank for layer in expected.layers]
    assert len({layer.rank for layer in report.layers}) > 2, "ranks moved"
    assert report.trainable == expected.trainable
    for name, layer in theirs(model).items():
        assert torch.equal(layer.lora_A["default"].weight, lora.adapters(ours)[name].A)
        assert (
            layer.lora_A["default"].out_features
            == layer.lora_B["default"].in_features
            == layer.r["default"]
        )
        # alpha is multiplied and divided by the same rank
        assert (
            abs(layer.scaling["default"] / before[name] - 1) <= 4 * torch.finfo(torch.float64).eps
        )
        root = layer.r["default"] ** (0.5 if use_rslora else 1)
        assert layer.scaling["default"] == layer.lora_alpha["default"] / root
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    model(TOKENS).logits.square().sum().backward()
    optimizer.step()
    assert all(layer.lora_B["default"].weight.any() for layer in theirs(model).values())
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert {name: layer.r["default"] for name, layer in theirs(again).items()} == {
        layer.name: layer.rank for layer in report.layers
    }
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)
    loaded = llama()
    lora.load(loaded, tmp_path)
    # float32 sums of at most 48 terms through two blocks of seven layers, outputs below 10
    error = (loaded(TOKENS).logits - model(TOKENS).logits).abs().max()
    assert error <= 10 * 14 * 48 * torch.finfo(torch.float32).eps


def quiet(model: Any, *names: str) -> Any:
    """The inputs' statistics of a model, and those of these layers as of inputs of equal variance
    in all directions."""
    names_of = [
        name
        for name, module in model.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer)
    ]
    stats = lora.collect(model, names_of, [TOKENS])
    for name in names:
        width = len(stats[name].mean)
        stats[name] = lora.Statistics(1000, torch.zeros(width).double(), torch.eye(width).double())
    return stats


QUIET = "model.layers.1.mlp.down_proj"


def test_a_layer_of_rank_0_is_given_back_and_stays_so(tmp_path):
    model = wrapped(r=1)
    base = theirs(model)[QUIET].get_base_layer()
    report = lora.initialize_peft(model, "eva", stats=quiet(model.get_base_model(), QUIET), rho=3.0)
    assert report.skipped[QUIET] == "rank 0"
    assert not report.skipped.keys() & theirs(model).keys()
    assert model.get_base_model().get_submodule(QUIET) is base
    assert not base.weight.requires_grad
    assert sum(layer.rank for layer in report.layers) == 14, "the budget"
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert list(theirs(again)) == list(theirs(model)) == [layer.name for layer in report.layers]
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def test_statistics_are_collected_once_for_several_models():
    base = llama()
    names = [name for name, module in base.named_modules() if name.endswith("_proj")]
    stats = lora.collect(base, names, need="gradient", **data_for(base))
    for scheme in ("eva", "gradient_signal", "nystrom_grad"):
        one, two = wrapped(), wrapped()
        assert lora.initialize_peft(one, scheme, stats=stats) == lora.initialize_peft(
            two, scheme, **data_for(base)
        )
        for name in names:
            a, b = (theirs(model)[name].lora_A["default"].weight for model in (one, two))
            # two passes: sums of one length in another order, and eigenvectors of well separated
            # values
            assert (a - b).abs().max() <= 1e-4, name
    model = wrapped()
    before = photograph(model)
    del stats[QUIET]
    with pytest.raises(ValueError, match=f"{QUIET}: stats has no statistics of this layer"):
        lora.initialize_peft(model, "eva", stats=stats)
    stats[QUIET] = stats[names[0]]
    with pytest.raises(ValueError, match=f"{QUIET}: its inputs are 48 wide, those of stats 32"):
        lora.initialize_peft(model, "eva", stats=stats)
    assert photograph(model) == before


def test_a_rank_that_fails_on_the_last_layer_leaves_ranks_and_config_as_they_were():
    model = wrapped(r=1)
    stats = quiet(model.get_base_model())
    last = list(theirs(model))[-1]
    width = len(stats[last].mean)
    stats[last] = lora.Statistics(
        10, torch.zeros(width).double(), torch.full((width, width), torch.nan).double()
    )
    before, config = photograph(model), model.peft_config["default"].to_dict()
    ranks = {name: (dict(layer.r), dict(layer.scaling)) for name, layer in theirs(model).items()}
    with pytest.raises(ValueError, match=f"{last}: scores must be non-negative and finite"):
        lora.initialize_peft(model, "eva", stats=stats, rho=2.0)
    with pytest.raises(
        ValueError,
        match=f"{last}: eva: the second moment has 2304 entries that are NaN or infinite",
    ):
        lora.initialize_peft(model, "eva", stats=stats)
    assert photograph(model) == before
    assert model.peft_config["default"].to_dict() == config
    assert {
        name: (dict(layer.r), dict(layer.scaling)) for name, layer in theirs(model).items()
    } == ranks


def two_adapters(activate: Any = "default") -> Any:
    model = wrapped()
    model.add_adapter("other", peft.LoraConfig(r=2, target_modules=["q_proj"]))
    model.base_model.set_adapter(activate)
    return model


def merged(model: Any) -> Any:
    model.merge_adapter()
    return model


def theirs(model: Any, name: str = "default") -> dict[str, Any]:
    """PEFT's layers of an adapter, by their name in the model that it wraps."""
    return {
        key: module
        for key, module in model.get_base_model().named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer) and name in module.r
    }


def test_the_active_one_of_two_adapters_is_started_and_the_other_left_alone():
    model = two_adapters("other")
    others = {name: layer.lora_A["default"].weight.clone() for name, layer in theirs(model).items()}
    report = lora.initialize_peft(model, "orthogonal")
    assert [layer.name for layer in report.layers] == list(theirs(model, "other"))
    assert {layer.rank for layer in report.layers} == {2}
    for name, layer in theirs(model).items():
        assert torch.equal(layer.lora_A["default"].weight, others[name])
    before = photograph(model)
    with pytest.raises(
        ValueError,
        match="rho may take layers off, so it needs the model's only adapter, and it has others",
    ):
        lora.initialize_peft(model, "eva", [TOKENS], rho=2.0)
    assert photograph(model) == before


def test_modules_to_save_are_left_to_peft(tmp_path):
    model = wrapped(modules_to_save=["lm_head"])
    lora.initialize_peft(model, "eva", [TOKENS], rho=2.0)
    shake(model)
    model.save_pretrained(str(tmp_path))
    again = peft.PeftModel.from_pretrained(llama(), str(tmp_path))
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


@pytest.mark.parametrize("options", [{"rho": 0.5}, {"rho": "2"}])
def test_a_bad_rho_is_refused_before_the_pass(options):
    model = wrapped()
    with pytest.raises(ValueError, match="rho must be a finite number of at least 1"):
        lora.initialize_peft(model, "eva", (1 / 0 for _ in range(1)), **options)


def test_a_shared_layer_of_rank_0_is_given_back_everywhere():
    def tied() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            a, b = nn.Linear(6, 6), nn.Linear(6, 6)
        return nn.ModuleDict({"first": a, "again": a, "up": b})

    model: Any = peft.get_peft_model(tied(), peft.LoraConfig(r=1, target_modules=["first", "up"]))
    poor, rich = torch.eye(6).double(), torch.diag(torch.tensor([9.0, 8, 0, 0, 0, 0])).double()
    stats = {
        n: lora.Statistics(9, torch.zeros(6).double(), M)
        for n, M in {"first": poor, "up": rich}.items()
    }
    assert lora.initialize_peft(model, "eva", stats=stats, rho=2.0).skipped == {"first": "rank 0"}
    base = model.get_base_model()
    assert type(base["first"]) is nn.Linear
    assert base["first"] is base["again"]


def test_a_trained_adapter_is_not_overwritten():
    model = wrapped()
    with torch.no_grad():
        model.get_base_model().model.layers[0].mlp.up_proj.lora_B["default"].weight.fill_(0.1)
    before = photograph(model)
    with pytest.raises(ValueError, match="B A is not zero"):
        lora.initialize_peft(model, "orthogonal")
    assert photograph(model) == before


FIRST = {"layers.1.self_attn.q_proj": 6, "q_proj": 2, r"layers\.\d+\.mlp\.up_proj": 5, "up_proj": 3}
SAVED_BY_PEFT = [
    (llama, {"rank_pattern": FIRST, "alpha_pattern": {"v_proj": 3, "[kv]_proj": 12}}),
    (llama, {"rank_pattern": {".*q_proj": 2, "layers.1.self_attn.q_proj": 6}, "use_rslora": True}),
    (gpt2, {"rank_pattern": {"h.1.attn.c_attn": 2}, "alpha_pattern": {"c_fc": 3}}),
    (gpt2, {"target_modules": ["c_attn"], "fan_in_fan_out": True, "use_rslora": True}),
    (gpt2, {"target_modules": ["c_fc", "c_proj"], "fan_in_fan_out": True, "use_dora": True}),
    (gpt2, {"target_modules": ["c_attn"], "modules_to_save": ["ln_f"]}),
]


@pytest.mark.parametrize(("build", "options"), SAVED_BY_PEFT)
def test_what_peft_saves_of_patterns_and_conv1d_loads_with_its_outputs(tmp_path, build, options):
    """The reference is PEFT's own reading: its file has the patterns in the order of the alphabet,
    and the first match wins, so that an ambiguous pattern means another model on disk than in
    memory."""
    saved: Any = shake(wrapped(build, **options))
    saved.save_pretrained(str(tmp_path))
    model, ours = peft.PeftModel.from_pretrained(build(), str(tmp_path)), build()
    report = lora.load(ours, tmp_path)
    assert {layer.name: layer.rank for layer in report.layers} == {
        n: a.r["default"] for n, a in theirs(model).items()
    }
    # float32 sums of at most 128 terms through two blocks of seven layers, outputs below 10
    bar = 10 * 14 * 128 * torch.finfo(torch.float32).eps
    assert (ours(TOKENS).logits - model(TOKENS).logits).abs().max() <= bar
    assert (ours(TOKENS).logits - build()(TOKENS).logits).abs().max() > 10 * bar, (
        "the adapter does something"
    )

"""lora.swap: the function of the stored adapter, in the very tensors that are there."""

import json
from typing import Any

import peft
import pytest
import torch
from torch import nn

import lora
from lora import Config
from tests.support.models import IDS, TOKENS, llama, photograph, shake, small, twin

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*never launched:UserWarning"),
]
EPS = torch.finfo(torch.float32).eps


def adapted(seed: int = 1, launched: bool = True, **options: Any):
    model = small()
    config = Config(**({"rank": 3, "alpha": 6, "target_modules": ["up", "down"]} | options))
    lora.attach(model, config)
    shake(model, seed=seed)
    if config.variant == "dash" and launched:
        lora.launch(model)
        shake(model, 0.05, seed=seed)
    return model


def places(model) -> list:
    """What compiled code and whoever holds a tensor depend on."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [
        [(name, id(module)) for name, module in model.named_modules()],
        [(name, id(t), t.data_ptr(), t.shape, t.dtype, t.requires_grad) for name, t in tensors],
        [(layer.scale, layer.dropout, layer.rank) for layer in lora.adapters(model).values()],
    ]


def swapped(model, other, folder) -> None:
    """`other` saved and swapped in: then `model` has its function, saved again too."""
    lora.save(other, folder)
    before = places(model)
    lora.swap(model, folder)
    assert places(model) == before
    # another rank and scale are another order of float32 sums: 64 terms, outputs below 10
    assert (model(IDS) - other(IDS)).abs().max() <= 10 * 64 * EPS
    lora.save(model, folder / "again")
    again = small()
    lora.load(again, folder / "again")
    assert (again(IDS) - other(IDS)).abs().max() <= 10 * 64 * EPS
    assert (again(IDS) - small()(IDS)).abs().max() > 0.01, "the adapter does something"


PAIRS = [  # settings of the model, settings of the stored adapter
    ({}, {"alpha": 3}),
    ({}, {"alpha": 7.7, "rank": 2}),
    ({}, {"rank": 1, "rank_stabilized": True}),
    ({"rank_pattern": {"up": 5}}, {"rank_pattern": {"down": 1}, "alpha_pattern": {"up": 9.0}}),
    ({"scheme": "pissa"}, {"scheme": "olora"}),
    ({"scheme": "pissa"}, {"scheme": "milora", "rank": 2, "alpha": 5}),
    ({"scheme": "pissa"}, {"scheme": "init_b"}),
    ({"rank": 6}, {"scheme": "pissa"}),
    ({"rank": 7}, {"scheme": "pissa", "alpha": 2, "rank": 2}),
    ({"train_a": False}, {}),
    ({"variant": "dora"}, {"variant": "dora", "alpha": 3, "rank": 2}),
    ({"variant": "dora", "scheme": "pissa"}, {"variant": "op_dora"}),
    ({}, {"variant": "overparam", "rank": 2}),
    ({"variant": "dash", "variant_options": {"directions": 2}}, {"rank": 2}),
    (
        {"rank": 9},
        {"rank": 3, "variant": "dash", "variant_options": {"directions": 2}},
    ),
    (
        {"variant": "dash", "variant_options": {"directions": 2}, "rank": 5, "scheme": "pissa"},
        {"variant": "dash", "variant_options": {"directions": 2}, "rank": 3},
    ),
    ({"modules_to_save": ["head"]}, {"modules_to_save": ["head"], "alpha": 11}),
    ({"target_modules": ["embed", "up"]}, {"target_modules": ["embed", "up"], "rank": 1}),
]


@pytest.mark.parametrize(("here", "there"), PAIRS, ids=str)
def test_a_stored_adapter_takes_the_layers_over(tmp_path, here, there):
    swapped(adapted(1, **here), adapted(2, **there), tmp_path)


def test_a_ratio_of_two_is_exact_and_there_and_back_is_the_same(tmp_path):
    model, other = adapted(1), adapted(2, alpha=12)
    wanted = model(IDS)
    lora.save(model, tmp_path / "a")
    lora.save(other, tmp_path / "b")
    lora.swap(model, tmp_path / "b")
    assert torch.equal(lora.adapters(model)["up"].B, 2 * lora.adapters(other)["up"].B)
    assert torch.equal(lora.adapters(model)["up"].A, lora.adapters(other)["up"].A)
    lora.swap(model, tmp_path / "a")
    assert torch.equal(model(IDS), wanted)


@pytest.mark.parametrize(
    "options",
    [
        {"r": 3},
        {"r": 2, "use_rslora": True, "rank_pattern": {"layers.1.*q_proj": 1}},
        {"init_lora_weights": "pissa", "r": 2},
        {"r": 2, "lora_dropout": 0.3, "lora_alpha": 7},
    ],
    ids=str,
)
def test_an_adapter_of_peft_s_goes_in_too(tmp_path, options):
    theirs = peft.get_peft_model(
        llama(), peft.LoraConfig(target_modules=["q_proj", "down_proj"], **options)
    )
    shake(theirs)
    theirs.eval().save_pretrained(str(tmp_path))
    model = llama()
    lora.attach(model, Config(rank=4, target_modules=("q_proj", "down_proj")))
    before = places(model)
    lora.swap(model, tmp_path)
    assert places(model) == before
    # float32 sums of at most 128 terms in three layers, outputs below 10
    bar = 10 * 3 * 128 * EPS
    assert (model(TOKENS).logits - theirs(TOKENS).logits).abs().max() <= bar


def test_a_pattern_of_peft_s_sees_the_base_model_s_names(tmp_path):
    """As a regular expression it must not meet the `base_layer` inside of ours."""
    theirs = peft.get_peft_model(llama(), peft.LoraConfig(r=2, target_modules=r".*mlp\..*_proj"))
    shake(theirs)
    theirs.eval().save_pretrained(str(tmp_path))
    values = json.loads((tmp_path / "adapter_config.json").read_text())
    model = llama()
    lora.attach(model, Config(rank=2, target_modules=values["target_modules"]))
    lora.swap(model, tmp_path)
    assert (model(TOKENS).logits - theirs(TOKENS).logits).abs().max() <= 10 * 3 * 128 * EPS


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_nothing_is_compiled_anew(tmp_path):
    model = adapted(1)
    lora.save(adapted(2, rank=2), tmp_path)
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(model, backend=backend)
    with torch.no_grad():
        compiled(IDS)
        count = len(graphs)
        lora.swap(model, tmp_path)
        after = compiled(IDS)
    assert count
    assert len(graphs) == count
    assert torch.equal(after, model(IDS))


def merged() -> nn.Module:
    model = adapted()
    lora.merge(model)
    return model


def on_meta() -> nn.Module:
    return adapted().to("meta")


REFUSED = [
    (small, {}, "the model carries no adapter"),
    (merged, {}, "up: it is merged; call lora.unmerge"),
    (on_meta, {}, "up: this process does not hold its factors"),
    (lambda: adapted(variant="overparam"), {}, "up: a generator network makes its factors"),
    (lambda: adapted(variant="op_dora"), {"variant": "dora"}, "up: a generator network makes"),
    (adapted, {"rank": 4}, "up: stored is rank 4, but the layer has room for rank 3"),
    (adapted, {"scheme": "pissa", "rank": 2}, "stored is rank 4, but the layer has room for"),
    (lambda: adapted(scheme="pissa"), {"rank": 4}, "stored is rank 4, but the layer has room"),
    (adapted, {"variant": "dora"}, "up: stored are DoRA magnitudes, but the layer has no"),
    (lambda: adapted(variant="dora"), {}, "up: stored are no DoRA magnitudes, but the layer has"),
    (adapted, {"target_modules": ["up"]}, "it lacks base_model.model.down.lora_A.weight"),
    (lambda: adapted(target_modules=["up"]), {}, "it holds .*which belongs to no adapted layer"),
    (adapted, {"modules_to_save": ["head"]}, "holds .*head.bias, which belongs to no"),
    (
        lambda: adapted(target_modules=["up"], modules_to_save=["head"]),
        {"target_modules": ["up"]},
        "lacks base_model.model.head.",
    ),
]


@pytest.mark.parametrize(("here", "there", "message"), REFUSED)
def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path, here, there, message):
    lora.save(adapted(2, **there), tmp_path)
    model = here()
    before = None if here is on_meta else photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.swap(model, tmp_path)
    assert before is None or photograph(model) == before


def test_a_layer_that_fits_is_not_written_before_one_that_does_not(tmp_path):
    lora.save(adapted(2, rank_pattern={"up": 2, "down": 4}), tmp_path)
    model = adapted()
    before = photograph(model)
    with pytest.raises(ValueError, match="down: stored is rank 4"):
        lora.swap(model, tmp_path)
    assert photograph(model) == before


def test_values_that_the_layer_cannot_hold_are_refused(tmp_path):
    other = adapted(2, alpha=1e18)
    with torch.no_grad():
        lora.adapters(other)["down"].B.fill_(1e30)
    lora.save(other, tmp_path)
    model = adapted(alpha=1e-10)
    before = photograph(model)
    with pytest.raises(ValueError, match="down: its values are too large for the layer's type"):
        lora.swap(model, tmp_path)
    assert photograph(model) == before


def test_a_damaged_adapter_is_refused_as_by_load(tmp_path):
    lora.save(adapted(2), tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 4
    file.write_bytes(content)
    model = adapted()
    before = photograph(model)
    with pytest.raises(ValueError, match="damaged, its checksum does not match"):
        lora.swap(model, tmp_path)
    assert photograph(model) == before
    assert twin(model)(IDS).equal(model(IDS))

"""Adapters on disk: whole or not at all, exact both ways, and the same outputs in stock PEFT."""

import json
import pickle
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file, save_file

import lora
import lora.storage.files
from lora import SCHEMES, Config
from tests.support.models import IDS, TOKENS, data_for, gpt2, llama, photograph, shake, small, twin

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
# PEFT 0.21 reads a property that transformers 5 deprecates, and tells of Conv1D's layout what it
# then handles.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to:UserWarning"),
    # a little model's gradients
    pytest.mark.filterwarnings("ignore:.*directions asked for:UserWarning"),
]
EPS = torch.finfo(torch.float32).eps


def adapted(scheme: str = "pissa", build=small, **options: Any):
    model = build()
    # it takes 2 r singular pairs, of which the head's gradient has 3
    rank = 1 if scheme == "lora_ga" else 3
    lora.attach(model, Config(rank=rank, scheme=scheme, **options), **data_for(model))
    return shake(model)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal up to the order of float32 sums of at most 128 terms in three layers, for outputs below
    10."""
    assert (ours - theirs).abs().max() <= 10 * 3 * 128 * EPS


@every_scheme
@pytest.mark.parametrize(
    "options", [{}, {"rank_stabilized": True}, {"modules_to_save": ("head",)}], ids=str
)
def test_a_round_trip_is_bit_equal_and_trains_on_the_same(tmp_path, scheme, options):
    model = adapted(scheme, **options)
    lora.save(model, tmp_path)
    again = small()
    report = lora.load(again, tmp_path)
    assert report.scheme == scheme
    assert torch.equal(again(IDS), model(IDS))
    before, after = ({n: p.requires_grad for n, p in m.named_parameters()} for m in (model, again))
    assert before == after
    for one in (model, again):
        one(IDS).square().sum().backward()
    for (name, ours), (_, theirs) in zip(
        model.named_parameters(), again.named_parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0, msg=name)


@every_scheme
@pytest.mark.parametrize("rank_stabilized", [False, True])
def test_stock_peft_loads_what_we_save(tmp_path, scheme, rank_stabilized):
    model = adapted(
        scheme,
        rank_stabilized=rank_stabilized,
        rank_pattern={"down": 2},
        alpha_pattern={"up": 5.0},
        modules_to_save=("head",),
    )
    lora.save(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(small(), str(tmp_path))
    close(theirs(IDS), model(IDS))
    assert (model(IDS) - small()(IDS)).abs().max() > 0.1, "the adapter does something"


@every_scheme
@pytest.mark.parametrize("build", [llama, gpt2])
def test_stock_peft_loads_transformers_adapters(tmp_path, scheme, build):
    model = shake(adapted(scheme, build), 0.01)
    lora.save(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(build(), str(tmp_path))
    close(theirs(TOKENS).logits, model(TOKENS).logits)


def test_a_name_that_ends_another_layers_name_is_kept_apart(tmp_path):
    build = lambda: torch.nn.ModuleDict(
        {"up": torch.nn.Linear(4, 4), "x": torch.nn.ModuleDict({"up": small().up})}
    )
    model = build()
    lora.attach(model, Config(rank=2, target_modules="up"))
    lora.save(model, tmp_path)
    theirs = peft.PeftModel.from_pretrained(build(), str(tmp_path))
    assert [n for n, m in theirs.named_modules() if isinstance(m, peft.tuners.lora.LoraLayer)] == [
        "base_model.model.up"
    ]


PEFT_OPTIONS = [
    {},
    {"init_lora_weights": "gaussian"},
    {"init_lora_weights": "pissa"},
    {"use_rslora": True, "rank_pattern": {"layers.1.*q_proj": 2}, "alpha_pattern": {"v_proj": 3}},
    {"target_modules": ["q_proj", "gate_proj"], "lora_dropout": 0.1},
    {"target_modules": r".*mlp\.\w+_proj"},
    {"modules_to_save": ["lm_head"]},
    {"layers_to_transform": [1], "target_modules": ["q_proj", "down_proj"]},
    {"layers_to_transform": 0, "layers_pattern": "layers", "target_modules": ["v_proj"]},
    {"task_type": "CAUSAL_LM"},
    {"use_dora": True},
    {"use_dora": True, "use_rslora": True, "rank_pattern": {"layers.1.*q_proj": 2}},
    {"use_dora": True, "init_lora_weights": "pissa"},
]


@pytest.mark.parametrize("options", PEFT_OPTIONS, ids=str)
def test_we_load_what_peft_saves(tmp_path, options):
    theirs = peft.get_peft_model(
        llama(),
        peft.LoraConfig(**({"r": 4, "lora_alpha": 6, "target_modules": "all-linear"} | options)),
    )
    shake(theirs).eval()
    theirs.save_pretrained(str(tmp_path))
    ours = llama()
    lora.load(ours, tmp_path)
    close(ours(TOKENS).logits, theirs(TOKENS).logits)
    assert (ours(TOKENS).logits - llama()(TOKENS).logits).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bias": "all"}, "bias = 'all' is not supported"),
        ({"init_lora_weights": "olora"}, "init_lora_weights = 'olora' changed the base weight"),
        ({"trainable_token_indices": [3]}, r"trainable_token_indices = .*3.* is not supported"),
    ],
)
def test_a_peft_adapter_of_another_function_is_refused_by_name(tmp_path, options, message):
    theirs = peft.get_peft_model(
        llama(), peft.LoraConfig(**({"r": 4, "target_modules": ["q_proj"]} | options))
    )
    theirs.save_pretrained(str(tmp_path))
    model = llama()
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.load(model, tmp_path)
    assert photograph(model) == before


def flip_a_bit(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def cut_short(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])


def as_a_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(pickle.dumps({"a": 1}))


def without_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (flip_a_bit, ValueError, "damaged, its checksum does not match"),
        (cut_short, ValueError, "damaged or no safetensors file"),
        (as_a_pickle, ValueError, "damaged or no safetensors file"),
        (
            without_weights,
            FileNotFoundError,
            r"no adapter_model.safetensors .* \(pickled weights are never read\)",
        ),
    ],
)
def test_a_damaged_adapter_is_refused(tmp_path, damage, error, message):
    lora.save(adapted(), tmp_path)
    damage(tmp_path)
    model = small()
    before = photograph(model)
    with pytest.raises(error, match=message):
        lora.load(model, tmp_path)
    assert photograph(model) == before


def edit(change):
    """An edit of the tensors of a file that carries no checksums, as one from PEFT."""

    def apply(folder: Path) -> None:
        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file, {"format": "pt"})
        settings = folder / "adapter_config.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"auto_mapping": None}))

    return apply


A_UP = "base_model.model.up.lora_A.weight"


def drop(tensors):
    del tensors[A_UP]


def rename(tensors):
    tensors[A_UP.replace("up", "upp")] = tensors.pop(A_UP)


def add(tensors):
    tensors["base_model.model.embed.lora_embedding_A"] = torch.zeros(2, 2)


def reshape(tensors):
    tensors[A_UP] = torch.zeros(5, 12)


def poison(tensors):
    tensors[A_UP][0, 0] = torch.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop, f"lacks {A_UP} .1 missing in all."),
        (rename, f"lacks {A_UP}"),
        (add, "holds base_model.model.embed.lora_embedding_A, which belongs to no adapted layer"),
        (
            reshape,
            r"up: stored are B \(16, 3\) and A \(5, 12\), but rank 3 on this layer needs \(16, "
            r"3\) and \(3, 12\)",
        ),
        (poison, f"{A_UP} has 1 entries that are NaN or infinite"),
    ],
)
def test_a_foreign_file_that_does_not_fit_is_refused(tmp_path, change, message):
    lora.save(adapted("init_a"), tmp_path)
    edit(change)(tmp_path)
    model = small()
    before = photograph(model)
    with pytest.raises(ValueError, match=message):
        lora.load(model, tmp_path)
    assert photograph(model) == before


def test_saved_modules_of_another_shape_are_refused(tmp_path):
    lora.save(adapted("init_a", modules_to_save=("head",)), tmp_path)
    model = small()
    model.head = torch.nn.Linear(12, 5)
    before = photograph(model)
    with pytest.raises(
        ValueError, match=r"head.weight has shape \(3, 12\), the model's is \(5, 12\)"
    ):
        lora.load(model, tmp_path)
    assert photograph(model) == before


def test_a_model_of_other_layers_is_refused(tmp_path):
    lora.save(adapted("init_a"), tmp_path)
    model = llama()
    before = photograph(model)
    with pytest.raises(ValueError, match="lacks"):
        lora.load(model, tmp_path)
    assert photograph(model) == before


def test_an_edited_description_is_noticed(tmp_path):
    model = adapted()
    lora.save(model, tmp_path)
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"lora_alpha": 99}))
    again = small()
    with pytest.warns(UserWarning, match="was changed since the save"):
        lora.load(again, tmp_path)
    assert torch.equal(again(IDS), model(IDS))


def test_a_value_that_is_not_finite_is_not_saved(tmp_path):
    model = adapted()
    lora.save(model, tmp_path)
    good = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with torch.no_grad():
        lora.adapters(model)["down"].B[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"down.lora_B.weight has 1 entries that are NaN"):
        lora.save(model, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == good


@pytest.mark.parametrize(
    "values", [[torch.inf, -torch.inf], [torch.inf], [torch.nan, 1.0]], ids=str
)
def test_infinities_are_found_even_where_they_cancel_and_large_numbers_are_none(tmp_path, values):
    lora.save(adapted("init_a"), tmp_path)
    largest = torch.finfo(torch.float32).max
    edit(lambda tensors: tensors[A_UP].fill_(largest))(tmp_path)  # whose sum overflows
    model = small()
    lora.load(model, tmp_path)
    assert lora.adapters(model)["up"].A.eq(largest).all()
    edit(lambda tensors: tensors[A_UP][0, : len(values)].copy_(torch.tensor(values)))(tmp_path)
    with pytest.raises(
        ValueError, match=rf"{A_UP} has {sum(abs(v) != 1 for v in values)} entries that are NaN"
    ):
        lora.load(small(), tmp_path)


def test_a_full_disk_leaves_the_earlier_adapter(tmp_path, monkeypatch):
    model = adapted()
    lora.save(model, tmp_path)
    good = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lora.storage.files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        lora.save(shake(model), tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == good, (
        "and no partial file is left"
    )


def test_saving_leaves_other_files_alone(tmp_path):
    (tmp_path / "optimizer.pt").write_bytes(b"mine")
    model = adapted()
    lora.save(model, tmp_path / "new" / "folder")
    lora.save(model, tmp_path)
    assert (tmp_path / "optimizer.pt").read_bytes() == b"mine"
    assert twin(model)(IDS).equal(model(IDS))

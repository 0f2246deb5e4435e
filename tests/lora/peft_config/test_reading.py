"""adapter_config.json of someone else: read as PEFT reads it, or refused by key and requirement."""

import dataclasses
import json
import warnings
from typing import Any

import peft
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

import lora
from lora.peft_config import from_peft
from lora.peft_config.reading import KINDS, NEUTRAL, OTHERS, REQUIRED
from tests.support.models import TOKENS, llama, photograph, shake

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
GOOD = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
NAMES = ["", "model", "model.layers.0.q_proj", "model.layers.1.q_proj"]


def read(**changes):
    return from_peft(json.dumps(GOOD | changes).encode(), NAMES)[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "LOHA"}, 'it must have "peft_type": "LORA", got \'LOHA\''),
        ({"r": "8"}, "r must be a positive integer, got '8'"),
        ({"r": 0}, "r must be a positive integer, got 0"),
        ({"r": None}, "r must be a positive integer, got None"),
        ({"r": 10**400}, "rank must be at most"),
        ({"lora_alpha": []}, r"lora_alpha must be a positive finite number, got \[\]"),
        ({"lora_alpha": 1e300}, "alpha must be from 1e-18 to"),
        ({"target_modules": None}, "target_modules must be a string or a list, .* got None"),
        ({"target_modules": {"q_proj": 1}}, "target_modules must be a string or a list"),
        ({"target_modules": [3]}, r"target_modules must be a string or a list, .* got \[3\]"),
        ({"target_modules": []}, "target_modules must name at least one module"),
        ({"target_modules": "q_(proj"}, "target_modules is not a valid regular expression"),
        ({"target_modules": r"(q)\1"}, "back-references cannot be matched in bounded time"),
        ({"exclude_modules": 5}, "exclude_modules must be .* or null, got 5"),
        ({"modules_to_save": "head"}, "modules_to_save must be a list.* got 'head'"),
        ({"rank_pattern": []}, r"rank_pattern must be an object, .* got \[\]"),
        ({"rank_pattern": {"q_proj": "2"}}, "rank_pattern must be an object, .* integer"),
        ({"rank_pattern": {"q_(": 2}}, "rank_pattern has a key that is not a valid regular"),
        ({"alpha_pattern": 1}, "alpha_pattern must be an object, .* got 1"),
        ({"alpha_pattern": {"(?i)q_proj": 2}}, "alpha_pattern has a key .*global flags"),
        ({"lora_dropout": "0.1"}, r"lora_dropout must be in \[0, 1\), got '0.1'"),
        ({"lora_dropout": 1}, r"lora_dropout must be in \[0, 1\), got 1"),
        ({"use_dora": "yes"}, "use_dora must be True or False, or null, got 'yes'"),
        ({"use_rslora": 1}, "use_rslora must be True or False, or null, got 1"),
        ({"init_lora_weights": ["eva"]}, "init_lora_weights must be True or False or a string"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights = 'loftq' changed the base weight"),
        ({"layers_to_transform": "1"}, "layers_to_transform must be an integer or a list"),
        ({"layers_to_transform": [7]}, r"layers_to_transform = \[7\] leaves no layer"),
        ({"layers_to_transform": [1], "target_modules": ".*q_proj"}, "needs a list of names"),
        ({"layers_to_transform": [1], "layers_pattern": "h.*"}, "must hold names of module lists"),
        ({"bias": "all"}, "bias = 'all' is not supported"),
        ({"trainable_token_indices": {"a": [1]}}, "trainable_token_indices = .* is not supported"),
    ],
)
def test_a_malformed_setting_is_refused_by_key_and_requirement(changes, message):
    with pytest.raises(ValueError, match=message):
        read(**changes)


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_setting_is_named_with_what_may_be_meant(key):
    values = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(ValueError, match=f"it lacks {key}, which must be"):
        from_peft(json.dumps(values).encode(), NAMES)
    misspelt = f"{key[:-1]}x" if len(key) > 1 else "rr"
    with pytest.raises(ValueError, match=f"it lacks {key}, .*; did you mean '{misspelt}'"):
        from_peft(json.dumps(values | {misspelt: GOOD[key]}).encode(), NAMES)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 99_999, '{"a": ' * 9999, "\xff"])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError, match="it must "):
        from_peft(text.encode("latin1"), NAMES)


def test_a_setting_that_is_not_known_is_not_ignored_in_silence():
    with pytest.warns(UserWarning, match="use_rsloar = True .* ignored; did you mean 'use_rslora'"):
        read(use_rsloar=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(of_a_later_version=None)


def test_every_setting_of_peft_is_known():
    theirs = {field.name for field in dataclasses.fields(peft.LoraConfig)}
    known = KINDS.keys() | NEUTRAL.keys() | OTHERS
    assert theirs - known == set()


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*KINDS, *NEUTRAL, "peft_type"]), JUNK, max_size=3))
@settings(max_examples=150)
def test_whatever_stands_there_is_read_or_refused(changes):
    try:
        config = read(**changes)
    except ValueError:
        return
    assert isinstance(config, lora.Config)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(4, 4)
        self.experts = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, x):
        return x + self.up(x) + sum(expert(x) for expert in self.experts)


class Towers(nn.Module):
    """Two module lists, one inside another module and one with lists inside."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block() for _ in range(3)])
        self.vision = nn.ModuleDict({"blocks": nn.ModuleList([Block() for _ in range(3)])})
        self.up = nn.Linear(4, 4)

    def forward(self, x):
        for block in (*self.layers, *self.vision["blocks"]):  # type: ignore[misc]
            x = block(x)
        return self.up(x)


def towers() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Towers()


@pytest.mark.parametrize("indices", [1, [0, 2], [2, 1]], ids=str)
@pytest.mark.parametrize(
    "holders", [None, "layers", ["blocks"], ["layers", "blocks"], "vision.b.*"]
)
@pytest.mark.parametrize("ends", [["up"], ["0", "up"], ["experts.1"]], ids=str)
def test_layers_to_transform_means_the_layers_that_peft_means(tmp_path, indices, holders, ends):
    asked = {"target_modules": ends, "layers_to_transform": indices, "layers_pattern": holders}
    try:
        theirs = peft.get_peft_model(towers(), peft.LoraConfig(r=2, **asked))
    except ValueError:  # it finds no layer
        theirs = None
    model = towers()
    if theirs is None or holders == "vision.b.*":
        text = json.dumps(GOOD | asked).encode()
        with pytest.raises(ValueError, match=r"leaves no layer|must hold names of module lists"):
            from_peft(text, [name for name, _ in model.named_modules()])
        return
    shake(theirs)
    theirs.save_pretrained(str(tmp_path))
    lora.load(model, tmp_path)
    wanted = {
        name.removeprefix("base_model.model.")
        for name, module in theirs.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer)
    }
    assert lora.adapters(model).keys() == wanted


def saved_by_peft(folder, **options):
    theirs: Any = peft.get_peft_model(
        llama(), peft.LoraConfig(**({"r": 2, "target_modules": ["q_proj"]} | options))
    )
    shake(theirs)
    theirs.eval().save_pretrained(str(folder))
    return theirs


KEY = "base_model.model.model.layers.1.self_attn.q_proj.lora_{}.weight"


@pytest.mark.parametrize(
    ("part", "dtype", "message"),
    [
        ("A", torch.float8_e4m3fn, "is of type F8_E4M3; supported are F64, F32"),
        ("A", torch.float8_e8m0fnu, "is of type F8_E8M0; supported are"),
        ("B", torch.int32, "is of type torch.int32, which must be a floating-point type"),
        ("B", torch.complex64, "is of type torch.complex64, which must be a floating-point"),
        ("A", torch.bool, "is of type torch.bool, which must be a floating-point type"),
    ],
)
def test_factors_of_another_type_are_refused_by_file_and_key(tmp_path, part, dtype, message):
    saved_by_peft(tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    key = KEY.format(part)
    tensors[key] = tensors[key].abs().clamp(min=0.5).to(dtype)
    save_file(tensors, tmp_path / WEIGHTS)
    model = llama()
    before = photograph(model)
    with pytest.raises(ValueError, match=f"{WEIGHTS}: .*{key} {message}"):
        lora.load(model, tmp_path)
    assert photograph(model) == before


@pytest.mark.parametrize("dora", [False, True])
@pytest.mark.parametrize("part", ["A", "B"])
def test_one_factor_in_double_precision_is_computed_with(tmp_path, part, dora):
    theirs = saved_by_peft(tmp_path, use_dora=dora)
    tensors = load_file(tmp_path / WEIGHTS)
    tensors[KEY.format(part)] = tensors[KEY.format(part)].double()
    save_file(tensors, tmp_path / WEIGHTS)
    model = llama()
    lora.load(model, tmp_path)
    # float32 sums of at most 128 terms in three layers, outputs below 10
    bar = 10 * 3 * 128 * torch.finfo(torch.float32).eps
    assert (model(TOKENS).logits - theirs(TOKENS).logits).abs().max() <= bar


def test_a_sentence_names_the_file(tmp_path):
    saved_by_peft(tmp_path)
    values = json.loads((tmp_path / CONFIG).read_text())
    del values["r"]
    (tmp_path / CONFIG).write_text(json.dumps(values))
    with pytest.raises(ValueError, match=rf"{tmp_path}/{CONFIG}: it lacks r, which must be a pos"):
        lora.load(llama(), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        lora.load(llama(), tmp_path / "nowhere")


def test_a_hostile_pattern_ends(tmp_path):
    """By backtracking the third layer's name takes longer than the universe is old."""
    saved_by_peft(tmp_path)
    values = json.loads((tmp_path / CONFIG).read_text())
    for key in ("rank_pattern", "alpha_pattern"):
        values[key] = {"([a-z_.0-9]+)+X": 4}
    (tmp_path / CONFIG).write_text(json.dumps(values))
    lora.load(llama(), tmp_path)
    values["target_modules"] = "([a-z_.0-9]+)+X"
    (tmp_path / CONFIG).write_text(json.dumps(values))
    with pytest.raises(ValueError, match="leaves no layer of the model to adapt"):
        lora.load(llama(), tmp_path)

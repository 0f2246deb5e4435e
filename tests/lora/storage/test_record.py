"""The record: damage to it is seen, and files of before it had a checksum are read."""

import json
import warnings
import zlib
from pathlib import Path

import peft
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import lora
from lora import Config
from lora.model import attached
from lora.storage import CONFIG, WEIGHTS
from lora.storage.record import KEY
from tests.support.models import shake, small

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
X = torch.linspace(-1, 1, 24).view(4, 6)


def base() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))


CASES = {
    "pissa": lora.Config(rank=2, alpha=6, scheme="pissa", dropout=0.25, seed=9),
    "frozen A": lora.Config(rank=1, alpha=3, train_a=False, alpha_pattern={"1": 5.5}),
    "dora": lora.Config(rank=2, variant="dora", rank_stabilized=True, rank_pattern={"0": 1}),
    "saved": lora.Config(rank=1, scheme="olora", target_modules=("0",), modules_to_save=("1",)),
    "overparam": lora.Config(rank=1, variant="overparam", variant_options={"width": 4}),
}


def adapted(config: lora.Config) -> nn.Sequential:
    model = base()
    lora.attach(model, config)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=rng))
    return model


def seen(folder: Path) -> tuple:
    """All of what a load gives: function, settings, what is trained, the frozen pairs."""
    model = base()
    lora.load(model, folder)
    layers = lora.adapters(model).values()
    return (
        model.eval()(X).tolist(),
        attached(model).config,
        [layer.dropout for layer in layers],
        {name: p.requires_grad for name, p in model.named_parameters()},
        {name: value.tolist() for name, value in model.named_buffers()},
    )


def record_of(folder: Path) -> str:
    with safe_open(folder / WEIGHTS, "pt") as file:
        return file.metadata()[KEY]


def with_record(folder: Path, text: str) -> None:
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"format": "pt", KEY: text})


def as_before(folder: Path, **changes) -> None:
    """The file as it was written before the record had a checksum."""
    tensors = load_file(folder / WEIGHTS)
    values = json.loads(record_of(folder).partition(" ")[2])
    values["config"] = json.dumps(values["config"] | changes, sort_keys=True)
    values["crc32"] = {key: zlib.crc32(value.numpy().tobytes()) for key, value in tensors.items()}
    with_record(folder, json.dumps(values))


@pytest.mark.parametrize("case", CASES)
def test_every_flipped_bit_of_the_header_is_refused_or_harmless(tmp_path, case):
    """Of some 10,000 bits each 61st, which meets every bit of a byte."""
    lora.save(adapted(CASES[case]), tmp_path)
    file, wanted = tmp_path / WEIGHTS, seen(tmp_path)
    good = file.read_bytes()
    refused, bits = 0, range(0, 8 * (8 + int.from_bytes(good[:8], "little")), 61)
    for bit in bits:
        content = bytearray(good)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert seen(tmp_path) == wanted, f"bit {bit} of byte {bit // 8}"
        except ValueError:
            refused += 1
    assert refused > 0.9 * len(bits)


CHANGES = [
    ("pissa", {"alpha": 22.0}, "its record is damaged: it says scale 11 for 0, and .* 3"),
    ("pissa", {"rank": 3}, "its record is damaged: it says rank 6 for 0, and .* 4"),
    ("pissa", {"dropout": 0.5}, "its record is damaged: it says dropout 0.5, and .* 0.25"),
    ("frozen A", {"alpha_pattern": {"1": 1.5}}, "it says scale 1.5 for 1, and .* 5.5"),
    ("dora", {"rank_stabilized": False}, "it says scale .* for 1"),
    ("dora", {"variant": "plain"}, "it says variant 'plain', and .* 'dora'"),
]


@pytest.mark.parametrize(("case", "changes", "message"), CHANGES)
def test_a_record_without_a_checksum_is_compared_with_the_settings(
    tmp_path, case, changes, message
):
    lora.save(adapted(CASES[case]), tmp_path)
    as_before(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        seen(tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_a_file_of_before_is_read(tmp_path, case):
    lora.save(adapted(CASES[case]), tmp_path)
    wanted = seen(tmp_path)
    as_before(tmp_path)
    assert seen(tmp_path) == wanted
    settings = json.loads((tmp_path / CONFIG).read_text())
    del settings["auto_mapping"]["loralab"]
    (tmp_path / CONFIG).write_text(json.dumps(settings))
    with pytest.warns(UserWarning, match="was changed since the save"):
        assert seen(tmp_path) == wanted


def signed(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x} {text}"


def without(key: str):
    return lambda values: {name: value for name, value in values.items() if name != key}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("crc32"), "its record lacks 'crc32', which must be an object"),
        (without("start"), "its record lacks 'start'"),
        (lambda values: values | {"start": 3}, "'start' of its record must be a list, .* got 3"),
        (lambda values: values | {"strat": []}, "the unknown key 'strat'; did you mean 'start'?"),
        (lambda values: values | {"crc32": {"a": "b"}}, "'crc32' of its record must be an object"),
        (lambda values: values | {"config": 7}, "'config' of its record must be .* got 7"),
        (lambda values: values | {"config": {"rnk": 1}}, "record: unknown config key 'rnk'; did"),
        (lambda values: values | {"config": "{"}, "its record: a config must be JSON"),
    ],
)
def test_a_malformed_record_is_named(tmp_path, edit, message):
    lora.save(adapted(CASES["pissa"]), tmp_path)
    values = edit(json.loads(record_of(tmp_path).partition(" ")[2]))
    for text in (signed(json.dumps(values)), json.dumps(values)):
        with_record(tmp_path, text)
        with pytest.raises(ValueError, match=f"{WEIGHTS}: .*{message}"):
            seen(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "its record is damaged, its checksum does not match"),
        (signed("{}").upper(), "its record is damaged, its checksum does not match"),
        ("", "its record is damaged, its checksum does not match"),
        (signed("[" * 50_000), "its record must be JSON that is not nested too deep"),
        (signed("7"), "its record must be a JSON object, got int"),
        ("{", "its record must be JSON: "),
    ],
)
def test_what_is_no_record_is_named(tmp_path, text, message):
    lora.save(adapted(CASES["pissa"]), tmp_path)
    with_record(tmp_path, text)
    with pytest.raises(ValueError, match=f"{WEIGHTS}: {message}"):
        seen(tmp_path)


def test_our_settings_beside_weights_without_a_record_are_refused(tmp_path):
    """The trained and the frozen half of PiSSA would both be trained."""
    lora.save(adapted(CASES["pissa"]), tmp_path)
    save_file(load_file(tmp_path / WEIGHTS), tmp_path / WEIGHTS, {"format": "pt"})
    with pytest.raises(ValueError, match=f"{CONFIG}: it was written by lora.save, but .* lost its"):
        seen(tmp_path)
    settings = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(settings | {"auto_mapping": None}))
    assert lora.load(base(), tmp_path).layers[0].rank == 4, "the way out that the sentence names"


@pytest.mark.parametrize("task", [None, "CAUSAL_LM"])
def test_what_peft_saved_again_is_peft_s(tmp_path, task):
    """Our mark goes through PEFT's config, and does not fit what PEFT writes of it."""
    lora.save(adapted(CASES["frozen A"]), tmp_path / "ours")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # nothing of ours is strange to PEFT
        theirs = peft.PeftModel.from_pretrained(base(), str(tmp_path / "ours"))
    theirs.peft_config["default"].task_type = task
    theirs.save_pretrained(str(tmp_path / "theirs"))
    model = base()
    lora.load(model, tmp_path / "theirs")
    # float32 sums of 7 terms, in another order, through two layers with values below 1e3
    assert (model(X) - theirs.eval()(X)).abs().max() <= 1e3 * 14 * torch.finfo(torch.float32).eps


def test_the_checksum_covers_the_type(tmp_path):
    """Integers of the same bytes are other values."""
    lora.save(adapted(CASES["frozen A"]), tmp_path)
    text, tensors = record_of(tmp_path), load_file(tmp_path / WEIGHTS)
    key = "base_model.model.0.lora_B.weight"
    tensors[key] = tensors[key].view(torch.int32)
    save_file(tensors, tmp_path / WEIGHTS, {"format": "pt", KEY: text})
    with pytest.raises(ValueError, match=f"{key} is damaged, its checksum does not match"):
        seen(tmp_path)


def test_a_launched_adapter_is_read_with_its_seed_and_its_scheme(tmp_path):
    """Its ranks are those of the file, all else is what was asked for."""
    model = small()
    asked = Config(
        rank=2, scheme="orthogonal", variant="dash", seed=7, variant_options={"directions": 2}
    )
    lora.attach(model, asked)
    shake(model)
    lora.launch(model)
    lora.save(model, tmp_path)
    read = small()
    lora.load(read, tmp_path)
    found = attached(read).config
    assert (found.seed, found.scheme) == (7, "orthogonal")

"""The plan of a run from a model's configuration: known figures, files as they are written, and
commands that start what was planned."""

import json
import shlex
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

import lora
import loralab
from loralab.flags import read
from scaling import advise as command
from scaling.advice.plan import memory
from scaling.advice.plan.adapters import adapted
from scaling.advice.plan.decoder import sizes_of
from scaling.advice.plan.plan import CARDS, SPARE
from scaling.core import state
from scaling.core.config import Config
from scaling.training.experiment import groups_of
from tests.support.models import llama

# Llama 3.1 8B, from its public model card
EIGHT = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}
RUN = {"rank": 16, "length": 2048, "batch": 16}


@pytest.fixture
def eight(tmp_path) -> Path:
    return written(tmp_path / "eight", EIGHT)


def written(folder: Path, config: dict) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_figures_of_eight_billion_parameters_are_the_known_ones(eight):
    found = loralab.advise(model=eight, plan=True, **RUN)
    assert found.parameters == 8_030_261_248
    assert found.trained == 41_943_040
    assert found.precision == "bfloat16"
    assert found.weights["bfloat16"] == found.adapter.weights == 2 * found.parameters
    # the layers in four bits with an eighth of a bit more, embeddings and head in sixteen
    layers, others = 6_979_321_856, 2 * (8_030_261_248 - 6_979_321_856)
    assert found.trained_full == layers
    assert found.weights["nf4"] == pytest.approx(layers * 4.127 / 8 + others, rel=1e-4)
    assert found.full.optimizer == 8 * layers
    assert found.adapter.optimizer == found.files["checkpoint"] - found.files["adapter"]
    assert [fits.card for fits in found.cards if fits.full] == []
    assert next(fits.card for fits in found.cards if fits.adapter) == 40
    assert next(fits.card for fits in found.cards if fits.other) == 24


def test_no_weights_and_no_data_are_read(eight, tmp_path):
    nowhere = {"train": tmp_path / "nowhere.jsonl", "test": tmp_path / "nowhere.csv"}
    found = loralab.advise(model=eight / "config.json", plan=True, **nowhere, **RUN)
    assert found.starts[0].line.count(f"--model {eight} ") == 1, "the folder of the file"
    (eight / "config.json").rename(eight / "other.json")
    found = loralab.advise(model=eight / "other.json", plan=True, **RUN)
    assert "--model MODEL " in found.starts[0].line


def test_the_commands_start_what_was_planned(eight):
    settings = RUN | {"gradient_checkpointing": True, "variant": "dora", "lr": 1e-3}
    found = loralab.advise(model=eight, plan=True, **settings)
    assert [start.devices for start in found.starts] == [1, 8]
    for start in found.starts:
        words = shlex.split(start.line)
        begin = ["loralab", "finetune"]
        if start.devices == 8:
            begin = ["torchrun", "--nproc-per-node", "8", "-m", "scaling.finetune"]
        assert words[: len(begin)] == begin
        flags = read(groups_of("finetune"), "", None, words[len(begin) :], defaults=False)
        given = {name: value for group in flags.values() for name, value in group.items()}
        run = Config.of(**given)
        asked = Config.of(task="causal_lm", model=str(eight), **settings)
        assert run == asked.replace(precision="bfloat16", micro_batch=start.micro)
        assert start.micro * start.accumulation * start.devices == run.training.batch
        assert start.memory.total <= (1 - SPARE) * start.card * 1e9
    one, eight_ = found.starts
    assert eight_.memory.gradients == 2 * one.memory.gradients, "buckets of the processes"


def test_a_quantised_base_is_planned_and_started_as_one(eight):
    """Full fine-tuning beside it is of dense weights, and nothing is sharded that is packed."""
    dense, packed = (
        loralab.advise(model=eight, plan=True, quantize=to, **RUN) for to in (None, "nf4")
    )
    assert packed.adapter.weights == dense.weights["nf4"] == packed.weights["nf4"]
    assert packed.full == dense.full
    assert [start.card for start in packed.starts] == [24, 24]
    assert all("--quantize nf4" in start.line for start in packed.starts)
    large = RUN | {"length": 131072}
    assert any(
        "--sharded" in start.line
        for start in loralab.advise(
            model=eight, plan=True, gradient_checkpointing=True, **large
        ).starts
    )
    found = loralab.advise(model=eight, plan=True, quantize="nf4", **large)
    assert not found.starts
    assert any(note.startswith("nor on 8: ") for note in found.notes)


def test_a_micro_batch_is_the_largest_that_fits(eight):
    found = loralab.advise(model=eight, plan=True, **RUN)
    sizes = [1, 2, 4, 8, 16]
    asked = {
        size: loralab.advise(model=eight, plan=True, micro_batch=size, **RUN) for size in sizes
    }
    for card in CARDS:
        fits = next(row for row in found.cards if row.card == card)
        room = (1 - SPARE) * card * 1e9
        assert (fits.adapter or 0) == max(
            (size for size in sizes if asked[size].adapter.total <= room), default=0
        )


def test_what_fits_on_no_card_is_sharded_or_said(tmp_path):
    sizes = {"hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64}
    large = written(tmp_path / "large", EIGHT | sizes | {"num_hidden_layers": 80})
    given = RUN | {"model": large, "plan": True, "gradient_checkpointing": True}
    found = loralab.advise(**given)
    [start] = found.starts
    assert "--sharded" in start.line
    # an eighth of it, and the embeddings, the head and two blocks whole
    whole = 2 * 2 * 128256 * 8192 + 2 * 2 * (found.parameters - 2 * 128256 * 8192) / 80
    assert start.memory.weights == pytest.approx(2 * found.parameters / 8 + whole, rel=1e-4)
    assert found.notes == [f"it fits on no single card of {CARDS[-1]} GB"]
    found = loralab.advise(**given | {"length": 131072})
    assert found.starts == []
    assert found.notes[-1].startswith("nor on 8, sharded")
    found = loralab.advise(**given | {"batch": 6})
    assert found.notes[-1] == "on 8 GPUs the batch must be a multiple of 8, and is 6"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scheme": "pissa"},
        {"variant": "dora"},
        {"variant": "dash"},
        {"variant": "overparam"},
        {"train_a": False, "scheme": "orthogonal"},
        {"modules_to_save": ("lm_head",)},
        {"target_modules": ("q_proj", "v_proj"), "rank_pattern": {"v_proj": 2}},
    ],
    ids=str,
)
def test_what_is_trained_and_written_is_what_was_planned(tmp_path, settings):
    """But for headers of safetensors, which name each tensor in at most 200 bytes."""
    config, model = lora.Config(rank=4, **settings), llama()
    sizes = sizes_of("it", model, config)
    run = memory.Run(sizes, adapted(config, sizes.linear), 16, "float32")
    planned = memory.memory(run, 1)
    report = lora.attach(model, config)
    assert run.trained == report.trainable
    own = state.trained_state(model)
    kept = sum(t.nbytes for t in own.values())
    optimizer = torch.optim.AdamW(lora.param_groups(model, 1e-3))
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.zeros_like(p)
    optimizer.step()
    moments = [t for each in optimizer.state.values() for t in each.values() if t.ndim]
    assert planned.optimizer == sum(t.nbytes for t in moments)
    indices = sum(t.nbytes // 2 for t in own.values() if not t.is_floating_point())
    assert planned.trained == kept - indices
    lora.save(model, tmp_path)
    size = (tmp_path / "adapter_model.safetensors").stat().st_size
    saved = sum(layer.saved for layer in run.layers.values()) + sizes.whole
    assert 0 < size - 4 * saved < 200 * len(own) * 4


def test_four_bits_take_what_bitsandbytes_takes():
    bitsandbytes = pytest.importorskip("bitsandbytes")
    weight, at = bitsandbytes.functional.quantize_4bit(
        torch.randn(256, 512), quant_type="nf4", compress_statistics=True
    )
    held = weight.nbytes + at.absmax.nbytes + at.state2.absmax.nbytes
    assert memory.nf4(256 * 512, 256) == held


@pytest.mark.parametrize(
    ("config", "flags", "sentence"),
    [
        (None, (), "the folder has no config.json"),
        ({"model_type": "llamma"}, (), "its model_type 'llamma' is unknown to transformers"),
        ({"model_type": "t5"}, (), "t5 is no causal language model"),
        (
            {"model_type": "bert", "architectures": ["BertModel"]},
            (),
            "BertModel is no causal language model",
        ),
        ({"model_type": "mamba"}, (), "a mamba is no transformer of one width"),
        (EIGHT | {"hidden_size": "wide"}, (), "cannot plan for"),
        (EIGHT, ("--length", "200000"), "length must be at least 2 tokens and at most 131072"),
        (EIGHT, ("--target-modules", "q_porj"), "did you mean 'q_proj'"),
        (EIGHT, ("--rank", "2000"), "rank must be an integer from 1 to min(out, in) = 1024"),
        (EIGHT, ("--task", "text_classification"), "plan is about causal_lm"),
        (EIGHT, ("--variant", "full"), "advise is about adapters of this library"),
        (EIGHT, ("--batches", "4"), "plan reads no data"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path, capsys, config, flags, sentence):
    folder = tmp_path / "model"
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    given = ["--model", str(folder), "--plan", "--out", str(tmp_path / "plan.json"), *flags]
    assert command.run(given) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert sentence in said
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_is_shown_and_written(eight, tmp_path, capsys):
    file = tmp_path / "plan.json"
    given = ["--model", str(eight), "--plan", "--length", "512", "--out", str(file)]
    assert command.run(given) == 0
    said = capsys.readouterr().out
    assert "llama, 8,030,261,248 parameters" in said
    assert "torchrun --nproc-per-node 8 -m scaling.finetune --task causal_lm" in said
    assert json.loads(file.read_text())["weights"]["bfloat16"] == 16_060_522_496

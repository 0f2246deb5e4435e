"""Runs whose frozen base model is quantised: on a tiny Llama, with the libraries themselves."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

import lora
import loralab
from lora.bases import base_of, find_base, weight_of
from scaling.core.config import Config
from scaling.models import quantised
from scaling.tasks import TASKS, find
from scaling.training.preparation import prepare
from tests.support.finetuning import arguments, call, tiny_bart, tiny_bert, word_tokenizer
from tests.support.killing import ending, kill_at
from tests.support.quantised import dense_llama
from tests.support.text_rows import WORDS, rows

# of the libraries, about this machine and each other
pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = ("nf4", "int8")
EPS = torch.finfo(torch.float32).eps


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return saved(dense_llama(), tmp_path_factory.mktemp("model"))


def saved(model: Any, folder: Path) -> Path:
    """A language model with a tokenizer, as a folder."""
    word_tokenizer(folder, WORDS)
    model.save_pretrained(folder)
    return folder


def settings(model: Path, folder: Path, **more: Any) -> dict[str, Any]:
    for name, count in (("train", 32), ("test", 4)):
        (folder / f"{name}.jsonl").write_text(rows(count))
    data = {name: folder / f"{name}.jsonl" for name in ("train", "test")}
    small = {"steps": 8, "batch": 8, "lr": 0.02, "length": 12, "precision": "float32"}
    return {
        **{"task": "causal_lm", "model": model, "task_options": {"new_tokens": 3}},
        **data,
        **small,
        **more,
    }


def words(given: dict[str, Any]) -> list[str]:
    """The settings as flags."""
    flags = []
    for name, value in given.items():
        values = next(iter(value.items())) if isinstance(value, dict) else (value,)
        flags += [f"--{name.replace('_', '-')}", *map(str, values)]
    return flags


def stock(model: Path, said: str) -> Any:
    """The base model as stock transformers reads it by what the page of a run says."""
    from torchao.quantization import Int8WeightOnlyConfig
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TorchAoConfig

    names = {kind.__name__: kind for kind in (BitsAndBytesConfig, TorchAoConfig)}
    config = eval(said, names | {"Int8WeightOnlyConfig": Int8WeightOnlyConfig})
    return AutoModelForCausalLM.from_pretrained(
        model, quantization_config=config, dtype=torch.float32
    )


@pytest.mark.parametrize("kind", KINDS)
def test_all_linear_layers_but_the_head_are_quantised_and_adapters_are_float32(
    model, tmp_path, kind
):
    job = prepare(Config.of(**settings(model, tmp_path, quantize=kind, precision="bfloat16")))
    bases = {name: find_base(module) for name, module in job.loaded.model.named_modules()}
    packed = {name for name, base in bases.items() if base is not None and base.quantised}
    assert {name.rpartition(".")[2] for name in packed} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }
    rest = {
        name: parameter.dtype
        for name, parameter in job.loaded.model.named_parameters()
        if name.rpartition(".")[0] not in packed
    }
    assert {"lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"} <= rest.keys()
    assert {*rest.values()} == {torch.bfloat16}
    dense = dense_llama()
    # half of the widest gap of each format, as a part of the largest weight, and bfloat16
    gap = {"nf4": 0.152, "int8": 1 / 254}[kind] + 2**-6
    for name in packed:
        W = dense.get_parameter(f"{name}.weight")
        held = weight_of(job.loaded.model.get_submodule(name))
        assert (held - W).abs().max() <= gap * W.abs().max()
    lora.attach(job.loaded.model, lora.Config(rank=2))
    trained = [p.dtype for p in job.loaded.model.parameters() if p.requires_grad]
    assert trained
    assert {*trained} == {torch.float32}


def test_a_layer_whose_rows_are_no_whole_number_of_blocks_stays_dense_in_nf4(tmp_path):
    """On a CPU bitsandbytes would read its weights with scales of others."""
    model = saved(dense_llama(inner=96), tmp_path)
    for kind, left in (("nf4", 2), ("int8", 0)):
        config = Config.of(**settings(model, tmp_path, quantize=kind))
        network = prepare(config).loaded.model
        down = [network.get_submodule(f"model.layers.{i}.mlp.down_proj") for i in range(2)]
        assert sum(type(layer.weight) is torch.nn.Parameter for layer in down) == left
        about = quantised.described(config, network)
        assert about is not None
        assert about.layers + left == 14  # that an adapter has
        assert (
            "; 2 more stay dense, as their inputs are no multiple of 64: model.layers.0.mlp."
            "down_proj, model.layers.1.mlp.down_proj" in str(about)
        ) == bool(left)


@pytest.mark.parametrize("kind", KINDS)
def test_the_adapter_loads_in_stock_peft_on_the_equally_quantised_base(model, tmp_path, kind):
    import peft

    given = settings(model, tmp_path, quantize=kind, scheme="pissa", out=tmp_path / "run")
    found = loralab.finetune(**given)
    about = json.loads((found.folder / "metrics.json").read_text())["quantised"]
    page = (found.folder / "report.md").read_text()
    assert f"The base model quantised to {kind} by {quantised.LIBRARIES[kind]} " in page
    assert about["code"] in page
    assert "base weights" in (found.adapter / "README.md").read_text()
    run = prepare(Config.of(**{n: v for n, v in given.items() if n != "out"})).loaded.model
    tokens = torch.randint(3, len(WORDS), (4, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        base = run(tokens).logits
        # in train mode: in eval mode bitsandbytes rounds its scales on some CPUs
        assert torch.equal(stock(model, about["code"]).train()(tokens).logits, base)
        lora.load(run, found.adapter)
        ours = run(tokens).logits
        theirs = peft.PeftModel.from_pretrained(stock(model, about["code"]), str(found.adapter))
        logits = theirs.train()(tokens).logits
    # 14 layers of sums of at most 64 terms in another order, logits below 10
    assert (ours - logits).abs().max() <= 10 * 14 * 64 * EPS
    assert (ours - base).abs().max() > 0.1, "the adapter does something"


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_on_a_quantised_base_resumes_to_the_same_bits(model, tmp_path, kind):
    """The base model is evaluated before training in the one run, and not in the other."""
    more = {"quantize": kind, "dropout": 0.1, "save_every": 4, "validate_every": 2}
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole, cut = (
        words(
            settings(model, tmp_path, **more)
            | {"out": tmp_path / name / "run", "store": tmp_path / name / "s.sqlite"}
        )
        for name in ("whole", "cut")
    )
    assert call(whole) == 0
    kill_at(6, cut)
    assert call([*cut, "--resume"]) == 0
    assert ending(tmp_path / "cut" / "run") == ending(tmp_path / "whole" / "run")
    kept = json.loads((tmp_path / "cut" / "run" / "metrics.json").read_text())["base_text"]
    assert len(kept["curve"]) == 5, "what is forgotten is measured along training"


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_is_trained_after_the_base_model_was_evaluated(model, tmp_path, kind):
    """On some CPUs bitsandbytes' layers pass no gradient any more after a forward in eval mode."""
    job = prepare(Config.of(**settings(model, tmp_path, quantize=kind)))
    network = job.loaded.model
    batch = job.task.collate(job.loaded)(job.inputs[:8])
    for module in network.modules():
        if find_base(module) is not None and hasattr(module, "support_avx512bf16_for_cpu"):
            assert not module.support_avx512bf16_for_cpu
    with torch.no_grad():
        before = network.eval()(**batch).logits
        assert torch.equal(network.train()(**batch).logits, before)
    lora.attach(network, lora.Config(rank=2))
    network(**batch).loss.backward()
    gradients = [layer.B.grad for layer in lora.adapters(network).values()]
    assert all(g is not None and g.norm() > 0 for g in gradients)


@pytest.mark.parametrize("kind", KINDS)
def test_quantised_is_part_of_what_a_run_is(model, tmp_path, kind, monkeypatch):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    given = settings(model, tmp_path, steps=2)
    dense, packed = loralab.finetune(**given), loralab.finetune(**given, quantize=kind)
    assert dense.folder != packed.folder
    assert dense.before["loss"] != packed.before["loss"]
    with pytest.raises(ValueError, match=r"holds a run with another quantize \(None\)"):
        loralab.finetune(**given, quantize=kind, out=dense.folder)
    file = tmp_path / "run.yaml"
    file.write_text(f"quantize: {kind}\n")
    assert call([str(file), *words(given), "--print-config"]) == 0


def test_a_sweep_compares_quantised_bases_and_the_dense_model_of_full_fine_tuning(
    model, tmp_path, monkeypatch
):
    monkeypatch.setenv("LORALAB_HOME", str(tmp_path))
    given = settings(model, tmp_path, steps=4, quantize="nf4")
    grid = {"rates": [1e-2], "seeds": [0], "widen": 0, "jobs": 1, "variants": ["plain", "full"]}
    found = loralab.sweep(
        **given, **grid, schemes=["init_a"], methods={"int8": {"quantize": "int8"}}
    )
    runs = (tmp_path / "runs" / "sweep").glob("*/run.json")
    held = {(run["variant"], run["quantize"]) for run in map(json.loads, map(Path.read_text, runs))}
    assert held == {("plain", "nf4"), ("plain", "int8"), ("full", None)}
    exported = (found.folder / "method_comparison").glob("*.json")
    trained = [json.loads(file.read_text())["run_info"]["train_config"] for file in exported]
    assert sorted(one["dtype"] for one in trained) == ["float32", "int4", "int8"]


@pytest.mark.parametrize("kind", KINDS)
def test_advice_and_an_initialization_are_of_the_quantised_base(model, tmp_path, kind):
    given = settings(model, tmp_path, quantize=kind)
    advised = loralab.advise(**given, batches=2)
    assert f"--quantize {kind}" in repr(advised)
    packed = advised.advice.memory.base
    dense = loralab.advise(**settings(model, tmp_path), batches=2).advice.memory.base
    job = prepare(Config.of(**given))
    about = quantised.described(job.config, job.loaded.model)
    assert about is not None
    assert dense - packed == about.dense_bytes - about.bytes, "scales included"
    found = loralab.init(**given, scheme="eva", out=tmp_path / "start")
    assert all(0 < share <= 1 + 8 * EPS for share in found.explained.values() if share is not None)


def test_a_classifier_s_head_and_what_the_weights_lack_are_not_quantised(tmp_path):
    model = tiny_bert(tmp_path)
    arguments(model, tmp_path)
    data = {name: tmp_path / f"{name}.jsonl" for name in ("train", "test")}
    whole = {"modules_to_save": ("attention.output.dense",)}
    job = prepare(Config.of(model=model, **data, **whole, quantize="int8", batch=8))
    dense = {
        name
        for name, module in job.loaded.model.named_modules()
        if isinstance(module, torch.nn.Linear) and not base_of(module).quantised
    }
    names = [f"bert.encoder.layer.{i}.attention.output.dense" for i in range(2)]
    assert dense == {"classifier", *names}
    # a model that lacks its pooler
    weights = model / "model.safetensors"
    from safetensors.torch import load_file, save_file

    kept = {name: t for name, t in load_file(weights).items() if "pooler" not in name}
    save_file(kept, weights, {"format": "pt"})
    job = prepare(Config.of(model=model, **data, quantize="int8", batch=8))
    assert job.loaded.fresh == ("bert.pooler.dense", "classifier")
    pooler: Any = job.loaded.model.get_submodule("bert.pooler.dense")
    assert type(pooler.weight) is torch.nn.Parameter


def test_a_model_of_two_sides_is_trained_on_its_quantised_base(tmp_path):
    model = tiny_bart(tmp_path)
    lines = [json.dumps({"source": "red one", "target": "two blue"})] * 8
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    data = {name: tmp_path / f"{name}.jsonl" for name in ("train", "test")}
    given = {"task": "seq2seq_lm", "columns": ("source", "target"), "length": 8, "lr": 0.02}
    found = loralab.finetune(
        **data, **given, model=model, steps=8, batch=4, quantize="int8", out=tmp_path / "run"
    )
    assert found.losses[-1][1] < found.losses[0][1]


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_peft_is_trained_on_a_quantised_base(model, tmp_path, kind):
    file = tmp_path / "lora.json"
    file.write_text('{"peft_type": "LORA", "r": 2}')
    given = settings(model, tmp_path, quantize=kind, peft=str(file), out=tmp_path / "run")
    found = loralab.finetune(**given)
    assert found.losses[-1][1] < found.losses[0][1]
    for begun in ("pissa_niter_4", "olora", "loftq", "corda"):
        file.write_text(json.dumps({"peft_type": "LORA", "init_lora_weights": begun}))
        with pytest.raises(ValueError, match="would change the base weight, and a quantised one"):
            loralab.finetune(**given | {"out": tmp_path / "other"})


def refused(more: dict[str, Any], model: Path, folder: Path, capsys: Any) -> str:
    """The one line that the command ends with; nothing is left of a run."""
    out = folder / "run"
    assert call([*words(settings(model, folder, **more)), "--out", str(out)]) == 2
    assert not out.exists()
    return capsys.readouterr().err.splitlines()[-1]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": ({"quantize": "int4"}, "--quantize must be one of nf4, int8, got 'int4'"),
    "full": (
        {"quantize": "nf4", "variant": "full"},
        "quantize does not apply to full fine-tuning (variant full), which trains the model's own "
        "weights, by adamw",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(model, tmp_path, capsys, case):
    more, expected = WRONG[case]
    assert refused(more, model, tmp_path, capsys) == f"error: {expected}"


def test_python_s_unknown_value_and_sharded_are_one_sentence():
    with pytest.raises(ValueError, match="quantize must be one of"):
        Config.of(quantize="int4")
    with pytest.raises(ValueError, match="sharded splits dense weights, and quantize packs them"):
        Config.of(quantize="nf4", sharded=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_package_is_said_before_anything_is_read(tmp_path, capsys, monkeypatch, kind):
    library, find_spec = quantised.LIBRARIES[kind], importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name == library else find_spec(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    said = refused({"quantize": kind}, tmp_path, tmp_path, capsys)
    assert said == (
        f"error: quantize {kind} needs the package {library}, which is not installed: "
        "pip install 'loralab[quant]'"
    )
    with pytest.raises(ValueError, match=f"method 'init_a': quantize {kind} needs the package"):
        loralab.sweep(
            **settings(tmp_path, tmp_path, quantize=kind), schemes=["init_a"], rates=[1], seeds=[0]
        )


@pytest.mark.parametrize("task", [name for name in TASKS if not find(name).quantises])
def test_a_task_whose_models_cannot_be_quantised_says_so_before_any_is_loaded(task, tmp_path):
    with pytest.raises(ValueError, match=f"quantize does not apply to {task}, whose models"):
        loralab.finetune(task=task, model=tmp_path, quantize="nf4", out=tmp_path / "run")


def test_a_model_that_cannot_be_quantised_so_is_one_sentence(model, tmp_path, capsys):
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        BitsAndBytesConfig,
        GPT2Config,
        GPT2LMHeadModel,
    )

    packed = tmp_path / "packed"
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    AutoModelForCausalLM.from_pretrained(model, quantization_config=config).save_pretrained(packed)
    AutoTokenizer.from_pretrained(model).save_pretrained(packed)
    said = refused({"quantize": "nf4"}, packed, tmp_path, capsys)
    assert said == f"error: the model {packed} is quantised already: leave quantize out"
    # of transformers' Conv1D, which torchao does not know
    shape = GPT2Config(vocab_size=64, n_embd=64, n_layer=1, n_head=2, n_positions=32)
    other = saved(GPT2LMHeadModel(shape), tmp_path / "gpt2")
    said = refused({"quantize": "int8"}, other, tmp_path, capsys)
    assert said == f"error: the model {other} has no linear layer that can be quantised so"
    given = settings(other, tmp_path, quantize="nf4", out=tmp_path / "run")
    found = loralab.finetune(**given)
    assert found.losses[-1][1] < found.losses[0][1]

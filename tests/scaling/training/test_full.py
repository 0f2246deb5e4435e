"""Full fine-tuning by the protocol of `loralab finetune`: the model's own weights are trained,
saved and taken up again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from scaling.comparison.axes import Grid
from scaling.comparison.grid import methods
from scaling.core.batches import stream
from scaling.core.config import Config
from scaling.core.task import Data, Loaded
from scaling.evaluation.label_loss import mean_loss, text_losses
from scaling.models import difference
from scaling.tasks import causal_lm
from scaling.training import full
from tests.support.finetuning import arguments, call, tiny_bert, tiny_llama, word_tokenizer
from tests.support.killing import ending, kill_at
from tests.support.models import gpt2, llama
from tests.support.text_rows import WORDS, rows

LR, STEPS, BATCH = 2e-3, 4, 8
UNIT = torch.finfo(torch.float32).eps / 2
DATA = Data(
    [], [], {"columns": ("prompt", "answer"), "numbered": False, "talks": False, "named": False}
)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("model"), WORDS)


def given(model: Path, folder: Path, *more: str, steps: int = STEPS) -> list[str]:
    """Arguments of a run of one epoch, whose files all lie in `folder`."""
    folder.mkdir(exist_ok=True)
    for name, count in (("train", 32), ("test", 4)):
        (folder / f"{name}.jsonl").write_text(rows(count).replace("####", "one"))
    named = {
        "task": "causal_lm",
        "model": model,
        "train": folder / "train.jsonl",
        "test": folder / "test.jsonl",
        "out": folder / "run",
        "store": folder / "s.sqlite",
        "steps": steps,
        "batch": BATCH,
        "lr": LR,
        "length": 12,
        "variant": "full",
    }
    return [*(part for name, value in named.items() for part in (f"--{name}", str(value))), *more]


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "metrics.json").read_text())


@pytest.fixture(scope="module")
def trained(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert call(given(model, folder)) == 0
    return folder


def loaded_from(folder: Path) -> Loaded:
    stock: Any = AutoModelForCausalLM.from_pretrained(folder)
    return Loaded(stock.eval(), AutoTokenizer.from_pretrained(folder), ())


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_it_is_a_plain_loop_of_adamw_over_the_linear_weights_but_the_head(model, trained):
    base = loaded_from(model)
    config = Config.of(length=12)
    inputs = causal_lm.examples(config, base, DATA, records(trained / "train.jsonl"))
    learnt = {
        name: p
        for name, p in base.model.named_parameters()
        if name.endswith("proj.weight")  # seven a layer
    }
    assert len(learnt) == 14
    base.model.requires_grad_(False).train()
    for parameter in learnt.values():
        parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW(learnt.values(), LR, weight_decay=0.0)
    losses = []
    for step, batch in enumerate(stream(base, inputs, BATCH, causal_lm.collate(base), 0)):
        optimizer.param_groups[0]["lr"] = LR * (1 - step / STEPS)
        count = (batch["labels"][:, 1:] != -100).sum()
        loss = mean_loss(base.model, **batch, num_items_in_batch=count)["loss"]
        losses.append(loss.item())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert [loss for _, loss in result(trained)["losses"]] == losses
    found, start = weights(trained / "run" / "model"), weights(model)
    for name, value in base.model.state_dict().items():
        assert torch.equal(found[name], value), name
        assert torch.equal(found[name], start[name]) == (name not in learnt)


def test_the_saved_model_is_one_of_stock_transformers_with_the_runs_losses(trained):
    stock = loaded_from(trained / "run" / "model")
    test = records(trained / "test.jsonl")
    examples = causal_lm.examples(Config.of(length=12), stock, DATA, test)
    with torch.no_grad():
        rows = text_losses(stock.model, **causal_lm.collate(stock)(examples))
    kept = records(trained / "run" / "predictions.jsonl")
    assert rows == [{name: row[name] for name in ("loss", "tokens")} for row in kept]


def test_the_difference_added_to_the_base_is_the_model(model, trained, tmp_path):
    assert call(given(model, tmp_path, "--save", "difference")) == 0
    assert [path.name for path in (tmp_path / "run").iterdir() if path.is_dir()] == ["difference"]
    base = loaded_from(model).model
    start = {name: value.clone() for name, value in base.state_dict().items()}
    difference.add(base, tmp_path / "run" / "difference")
    wanted = weights(trained / "run" / "model")
    for name, value in base.state_dict().items():
        if torch.equal(start[name], wanted[name]):
            assert torch.equal(value, wanted[name])
            continue
        # as `difference` says, with two operations rounded to the nearest
        bound = UNIT * ((wanted[name] - start[name]).abs() + wanted[name].abs())
        assert ((value - wanted[name]).abs() <= 2 * bound).all()
        near = (wanted[name] / 2 <= start[name]) & (start[name] <= 2 * wanted[name])
        assert near.any()
        assert torch.equal(value[near], wanted[name][near])


def test_a_difference_of_another_model_is_refused_before_any_change(model, tmp_path):
    base = loaded_from(model).model
    name, value = next(iter(base.named_parameters()))
    before, ones = value.clone(), torch.ones_like(value)
    for tensors, said in (
        ({name: ones, "other": torch.ones(1)}, "this one has no other"),
        ({name: ones[:1]}, "has shape"),
    ):
        difference.write(tmp_path, tensors, "base", "AutoModel")
        with pytest.raises(ValueError, match=said):
            difference.add(base, tmp_path)
        assert torch.equal(value, before)


def test_a_base_in_bfloat16_is_widened_before_a_difference_is_added(tmp_path):
    base, tuned = llama().bfloat16(), llama().bfloat16().float()
    name = "model.layers.0.mlp.up_proj.weight"
    with torch.no_grad():
        tuned.get_parameter(name).mul_(1 + 2**-12)  # less than bfloat16 can hold
    difference.write(tmp_path, difference.difference(tuned, base, [name]), "base", "AutoModel")
    difference.add(base, tmp_path)
    assert torch.equal(base.get_parameter(name), tuned.get_parameter(name))


def test_biases_stay_unless_every_parameter_is_trained():
    loaded = Loaded(gpt2(), None, ())
    found = full.weights(Config.of(variant="full"), loaded)
    assert found
    assert all(name.endswith("weight") and p.ndim == 2 for name, p in found.items())
    every = full.weights(Config.of(variant="full", full_targets="all"), loaded)
    assert "transformer.h.0.attn.c_attn.bias" in every


@pytest.mark.parametrize("case", [(), ("--full-targets", "all", "--validate-every", "3")])
def test_a_killed_run_resumes_to_the_same_bits(model, tmp_path, case):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    more = ("--save-every", "4", *case)
    assert call(given(model, whole, *more, steps=12)) == 0
    again = given(model, cut, *more, steps=12)
    kill_at(2, again)
    kill_at(9, [*again, "--resume"])
    assert [path.name for path in (cut / "run").glob("checkpoint-*")] == ["checkpoint-8"]
    assert call([*again, "--resume"]) == 0
    assert ending(cut / "run") == ending(whole / "run")


def test_all_targets_are_all_parameters(model, tmp_path):
    assert call(given(model, tmp_path, "--full-targets", "all")) == 0
    start, found = weights(model), weights(tmp_path / "run" / "model")
    assert start.keys() == found.keys()
    assert not any(torch.equal(start[name], found[name]) for name in start)
    assert result(tmp_path)["trained_parameters"] == sum(value.numel() for value in start.values())


def test_updates_that_bfloat16_would_round_away_are_kept(tmp_path):
    """A bfloat16 base: of weights above 0.01 half of the last place is 2^-16 or more, and two steps
    of AdamW at 1e-6 move them by less than 2^-18."""
    word_tokenizer(tmp_path, WORDS)
    llama().bfloat16().save_pretrained(tmp_path)
    more = ("--precision", "bfloat16", "--lr", "1e-6")
    assert call(given(tmp_path, tmp_path, *more, steps=2)) == 0
    start, found = weights(tmp_path), weights(tmp_path / "run" / "model")
    name = "model.layers.1.mlp.up_proj.weight"
    assert start[name].dtype == torch.bfloat16
    assert found[name].dtype == torch.float32
    large = start[name].abs() > 0.01
    moved = found[name] != start[name].float()
    assert moved[large].float().mean() > 0.9  # but where bfloat16 activations leave no gradient
    assert torch.equal(found[name].bfloat16()[large], start[name][large])


REFUSED = {
    "rank": 4,
    "alpha": 8.0,
    "scheme": "eva",
    "optimizer": "scaled_adamw",
    "ratio": 4.0,
    "dropout": 0.1,
    "train_a": False,
    "sharded": True,
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_of_adapters_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name} does not apply to full fine-tuning "):
        Config.of(variant="full", **{name: REFUSED[name]})


def test_layers_are_refused_where_every_parameter_is_trained():
    with pytest.raises(ValueError, match="target_modules does not apply to full_targets all"):
        Config.of(variant="full", full_targets="all", target_modules=["q_proj"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--save", "difference"), "save does not apply to an adapter"),
        (("--variant", "full", "--save", "difference"), "classifier is newly initialized"),
        (("--variant", "full", "--target-modules", "nothing"), "the model has no module"),
    ],
)
def test_wrong_input_is_one_sentence_and_leaves_nothing(flags, said, tmp_path, capsys):
    own = arguments(tiny_bert(tmp_path), tmp_path)
    capsys.readouterr()
    at = own.index("--rank")
    assert call([*own[:at], *own[at + 2 :], *flags]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_peft_file_and_full_fine_tuning_are_two_methods():
    with pytest.raises(ValueError, match="variant does not apply to an adapter of PEFT"):
        Config.of(variant="full", peft="x.json")


def test_the_variant_goes_through_every_form_of_a_config():
    config = Config.of(variant="full", target_modules=["q_proj"], seed=3)
    assert config.method == "full"
    assert Config.of(**config.as_json()) == config
    assert config.replace(variant="dora").method == "adapter"
    assert config.replace(seed=4).full


@pytest.mark.parametrize(("steps", "over"), [(99, 15), (100, 10)])
def test_its_learning_rates_lie_below_those_of_lora(steps, over):
    config = Config.of(steps=steps, rank=16, save="difference")
    found = methods(config, Grid(("init_a", "eva"), ("plain", "full"), ranks=(8,)), {})
    assert list(found) == ["init_a", "eva", "full"]
    lora, whole = (found[name] for name in ("init_a", "full"))
    assert whole.rates[2] == pytest.approx(lora.rates[2] / over, rel=0.05)  # of two digits
    assert Config.of(steps=steps, variant="full").lr == Config.of(steps=steps).lr / over
    # the settings of the one kind are not those of the other
    assert (whole.config.adapter.rank, whole.config.training.save) == (8, "difference")
    assert (lora.config.adapter.rank, lora.config.training.save) == (8, "model")

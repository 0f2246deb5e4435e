"""Adapters in the hands of transformers' stock Trainer."""

import sys
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import Trainer, TrainingArguments

import lora
from lora import VARIANTS, Config
from lora.state import trained_state
from tests.support.models import TOKENS, data_for, llama, shake

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

STEPS, LAUNCH = 6, 3
ROWS = torch.randint(0, 64, (12, 8), generator=torch.Generator().manual_seed(3))
DATA = [{"input_ids": row, "labels": row} for row in ROWS]
LAUNCHED = ("dash", "tsd")
never_launched = pytest.mark.filterwarnings("ignore:.*never launched")  # what `lora.save` says
every_variant = pytest.mark.parametrize("variant", VARIANTS)


class Plain(nn.Module):
    """A model that is not transformers'."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.embed, self.up, self.head = (
                nn.Embedding(64, 24),
                nn.Linear(24, 40),
                nn.Linear(40, 64),
            )

    def forward(self, input_ids, labels=None):
        logits = self.head(self.up(self.embed(input_ids)).relu())
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), input_ids.flatten())
        return {"loss": loss, "logits": logits}


def adapted(variant: str = "plain", build: Any = llama, **options: Any) -> Any:
    scheme = {"plain": "pissa", "dora": "pissa", "tsd": "tsd_init"}.get(variant, "init_a")
    settings = {"rank": 2, "variant": variant, "scheme": scheme, "dropout": 0.1} | options
    if variant in LAUNCHED:
        settings["variant_options"] = {"directions": 3}
    model = build()
    lora.attach(model, Config(**settings), **data_for(model) if scheme == "tsd_init" else {})
    return model


def trainer(model: nn.Module, folder: Path, *callbacks: Any, **more: Any) -> Any:
    settings: dict[str, Any] = {"max_steps": STEPS, "save_steps": 2} | more
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **settings,
    )
    data: Any = DATA
    return Trainer(model, arguments, None, data, data[:2], callbacks=list(callbacks))


def own(variant: str) -> Any:
    return lora.callback(LAUNCH if variant in LAUNCHED else None)


def losses(trained: Any) -> list[float]:
    return [entry["loss"] for entry in trained.state.log_history if "loss" in entry]


def output(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found = model.eval()(input_ids=TOKENS)
    return found["logits"]


def assert_same(found: dict, wanted: dict) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize(
    ("variant", "step"), [*((variant, 2) for variant in VARIANTS), *((v, 4) for v in LAUNCHED)]
)
def test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(variant, step, tmp_path):
    saved = {"modules_to_save": ("model.norm",)}
    whole = trainer(adapted(variant, **saved), tmp_path / "whole", own(variant))
    whole.train()
    again = adapted(variant, seed=1, **saved)
    resumed = trainer(again, tmp_path / "again", own(variant))
    resumed.train(resume_from_checkpoint=str(tmp_path / f"whole/checkpoint-{step}"))
    assert losses(resumed) == losses(whole)
    assert_same(trained_state(again), trained_state(whole.model))
    if variant in LAUNCHED:
        state = trained_state(again)
        for name in lora.adapters(again):
            assert state[f"{name}.chosen"][0] >= 0
            assert state[f"{name}.d"].any()


@every_variant
def test_the_trainers_default_optimizer_trains_and_stock_peft_loads_what_it_wrote(
    variant, tmp_path
):
    model = adapted(variant)
    before = output(model)
    trainer(model, tmp_path, own(variant)).train()
    after = output(model)
    # the optimiser moves a parameter by 1e-2 in its first step: no rounding
    assert (after - before).abs().max() > 1e-3
    for folder in (tmp_path, tmp_path / f"checkpoint-{STEPS}"):
        other = output(peft.PeftModel.from_pretrained(llama(), folder))
        assert (other - after).abs().max() < 1e-5 * after.abs().max().clamp_min(1)
    assert not torch.equal(
        output(peft.PeftModel.from_pretrained(llama(), tmp_path / "checkpoint-2")), after
    )


@pytest.mark.parametrize("build", [llama, Plain])
def test_no_checkpoint_holds_the_base_model(build, tmp_path):
    model = adapted(
        "overparam", build, target_modules=("down_proj",) if build is llama else ("up",)
    )
    trainer(model, tmp_path, lora.callback()).train()
    wholes = [value for name, value in build().state_dict().items() if value.ndim > 1]
    for folder in (tmp_path / "checkpoint-2", tmp_path / "checkpoint-6"):
        files = sorted(file.name for file in folder.glob("*.safetensors"))
        assert files == ["adapter_model.safetensors", "model.safetensors"]
        for file in files:
            for name, value in load_file(folder / file).items():
                assert "base_layer" not in name
                assert not any(torch.equal(value, whole) for whole in wholes), name


def test_a_model_that_is_not_transformers_resumes_too(tmp_path):
    whole = trainer(adapted(build=Plain, target_modules=("up",)), tmp_path, lora.callback())
    whole.train()
    again = adapted(build=Plain, target_modules=("up",), seed=1)
    resumed = trainer(again, tmp_path / "again", lora.callback())
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert_same(trained_state(again), trained_state(whole.model))


def test_without_the_callback_a_run_resumes_too(tmp_path):
    whole = trainer(adapted(), tmp_path)
    whole.train()
    again = adapted(seed=1)
    trainer(again, tmp_path / "again").train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert_same(trained_state(again), trained_state(whole.model))


def test_the_best_checkpoint_is_what_the_end_holds(tmp_path):
    model = adapted()
    run = trainer(
        model,
        tmp_path,
        lora.callback(),
        load_best_model_at_end=True,
        eval_strategy="steps",
        eval_steps=2,
        metric_for_best_model="loss",
        greater_is_better=True,  # so the best is an early one
    )
    run.train()
    best = Path(run.state.best_model_checkpoint)
    assert best.name != f"checkpoint-{STEPS}"
    stored = load_file(best / "model.safetensors")
    assert_same(trained_state(model), {name: stored[name] for name in trained_state(model)})
    name = "adapter_model.safetensors"
    assert_same(load_file(tmp_path / name), load_file(best / name))


@pytest.mark.parametrize("more", [{"save_only_model": True}, {"gradient_checkpointing": True}])
def test_the_trainers_settings_leave_the_result_alone(more, tmp_path):
    usual, other = adapted(), adapted()
    trainer(usual, tmp_path / "usual", lora.callback()).train()
    run = trainer(other, tmp_path / "other", lora.callback(), **more)
    run.train()
    run.save_model()
    assert_same(trained_state(other), trained_state(usual))
    loaded = llama()
    lora.load(loaded, tmp_path / "other")
    assert torch.equal(output(loaded), output(other))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"alpha": 4.0}, "trained with scale 8, the model's is 2"),
        ({"rank": 3, "alpha": 24.0}, "has shape"),
        ({"scheme": "init_a"}, "they differ in"),
        ({"variant": "dora"}, "they differ in"),
        ({"target_modules": ("q_proj",)}, "size mismatch"),
        ({"target_modules": ("up_proj", "lm_head")}, "they differ in"),
    ],
)
def test_a_checkpoint_of_another_adapter_is_refused(other, words, tmp_path):
    trainer(adapted(target_modules=("up_proj",)), tmp_path, max_steps=2).train()
    model = adapted(**{"target_modules": ("up_proj",)} | other)
    before = {name: value.clone() for name, value in trained_state(model).items()}
    with pytest.raises((ValueError, RuntimeError), match=words):
        trainer(model, tmp_path).train(resume_from_checkpoint=True)
    if words != "size mismatch":
        assert_same(trained_state(model), before)


def test_a_model_without_adapters_does_not_resume_from_their_checkpoint(tmp_path):
    trainer(adapted(), tmp_path, max_steps=2).train()
    with pytest.raises(RuntimeError, match=r"size mismatch for model\.layers\.0"):
        trainer(llama(), tmp_path).train(resume_from_checkpoint=True)


@pytest.mark.parametrize(
    ("variant", "launch", "words"),
    [
        ("plain", 3, "no layer of variant 'dash' or 'tsd' to launch"),
        ("dash", STEPS, "needs more than 6 steps"),
    ],
)
def test_a_launch_that_cannot_come_is_refused_before_the_first_step(
    variant, launch, words, tmp_path
):
    model = adapted(variant)
    run = trainer(model, tmp_path, lora.callback(launch))
    with pytest.raises(ValueError, match=words):
        run.train()
    assert run.state.global_step == 0


def test_the_optimiser_begins_anew_with_what_is_launched(tmp_path):
    run = trainer(adapted("dash"), tmp_path, lora.callback(LAUNCH))
    run.train()
    layer: Any = run.model.model.layers[0].mlp.up_proj
    assert run.optimizer.state[layer.d]["step"] == STEPS - LAUNCH
    assert run.optimizer.state[layer.A]["step"] == STEPS


@never_launched
def test_a_launch_in_the_past_is_refused(tmp_path):
    launched = adapted("dash")
    lora.launch(shake(launched))
    with pytest.raises(ValueError, match=r"launch=3, but model\..* was launched already"):
        trainer(launched, tmp_path, lora.callback(LAUNCH)).train()
    trainer(adapted("dash"), tmp_path, max_steps=4).train()
    with pytest.raises(ValueError, match="launch=3 is past: the checkpoint is of step 4"):
        trainer(adapted("dash"), tmp_path, lora.callback(LAUNCH)).train(resume_from_checkpoint=True)


@never_launched
def test_a_run_that_never_launches_is_told_so(tmp_path):
    with pytest.warns(UserWarning, match="nothing launches the model's 'dash' or 'tsd' layers"):
        trainer(adapted("dash"), tmp_path, lora.callback(), max_steps=1).train()


@pytest.mark.parametrize("launch", [0, -1, 2.0, True, "3"])
def test_the_launch_must_be_a_step(launch):
    with pytest.raises(ValueError, match="launch must be a positive integer"):
        lora.callback(launch)


def test_the_model_must_have_adapters_of_its_own(tmp_path):
    inner = llama()
    lora.attach(inner.model, Config(rank=2))
    for model in (llama(), inner):
        with pytest.raises(ValueError, match="the model carries no adapter"):
            trainer(model, tmp_path, lora.callback()).train()


def test_without_transformers_the_callback_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'loralab\[llm\]'"):
        lora.callback()

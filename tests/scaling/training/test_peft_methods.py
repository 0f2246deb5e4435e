"""Methods of PEFT under the protocol of `loralab finetune`: the same training, and what is
theirs."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("peft")

import peft
from peft import AdaLoraModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback

import lora
from lora.targets import targets
from scaling.core.config import Config
from scaling.core.task import Loaded
from scaling.training import adapting, peft_methods, running
from scaling.training.peft_methods import NAME
from tests.support.finetuning import LEFT, arguments, call, tiny_bert

# PEFT's warnings of its own ways: about transformers, and of AdaLoRA's ranks when it loads them
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The following rank_pattern keys:RuntimeWarning"),
]
EPS = torch.finfo(torch.float32).eps
ADALORA = {
    "peft_type": "ADALORA",
    "init_r": 4,
    "target_r": 2,
    "tinit": 2,
    "tfinal": 3,
    "lora_alpha": 8,
}
LORA = {"peft_type": "LORA", "r": 4, "lora_alpha": 8}
METHODS = {
    "dora": LORA | {"use_dora": True},
    "vera": {"peft_type": "VERA", "r": 16},
    "adalora": ADALORA,
    "ia3": {"peft_type": "IA3"},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


def given(model: Path, folder: Path, settings: Any, *more: str, steps: int = 12) -> list[str]:
    """Arguments of a run of these settings of PEFT, a JSON value or text."""
    folder.mkdir(exist_ok=True)
    file = folder / "peft.json"
    file.write_text(settings if isinstance(settings, str) else json.dumps(settings))
    ours = arguments(model, folder, "--peft", str(file), *more, steps=steps)
    at = ours.index("--rank")
    return ours[:at] + ours[at + 2 :]


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "metrics.json").read_text())


def losses(folder: Path) -> list[float]:
    return [loss for _, loss in result(folder)["losses"]]


def of_stock_peft(model: Path, folder: Path) -> Any:
    """The adapter of a run as PEFT loads it, seen to give the run's predictions."""
    rows = [
        json.loads(line) for line in (folder / "run" / "predictions.jsonl").read_text().splitlines()
    ]
    texts = [json.loads(line)["text"] for line in (folder / "test.jsonl").read_text().splitlines()]
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    stock = peft.PeftModel.from_pretrained(base, str(folder / "run" / "adapter")).eval()
    with torch.no_grad():
        logits = stock(
            **AutoTokenizer.from_pretrained(model)(texts, padding=True, return_tensors="pt")
        ).logits
    expected = torch.tensor([row["logits"] for row in rows])
    # as in test_finetune
    assert (logits - expected).abs().max() <= 200 * EPS * expected.abs().max().clamp_min(1)
    return stock


def test_lora_of_peft_has_our_losses_step_by_step(model, tmp_path, monkeypatch):
    """With dropout: data, order, random numbers, schedule, clipping and decay are the same, or they
    would part."""
    begun: dict[str, torch.Tensor] = {}
    ours: Any = adapting.make_optimizer
    theirs: Any = peft_methods._put_on

    def look(config: Config, on: Any) -> Any:
        begun.update(
            {
                name: layer.get_parameter("A").detach().clone()
                for name, layer in lora.adapters(on).items()
            }
        )
        return ours(config, on)

    def copy_in(job: Any, made: Any) -> Any:
        adapted = theirs(job, made)
        layers: dict[str, Any] = {
            n: m for n, m in job.loaded.model.named_modules() if isinstance(m, LoraLayer)
        }
        assert layers.keys() == begun.keys()
        for name, layer in layers.items():
            layer.lora_A[NAME].weight.data.copy_(begun[name])
        return adapted

    monkeypatch.setattr(adapting, "make_optimizer", look)
    monkeypatch.setattr(peft_methods, "_put_on", copy_in)
    same = (
        "--lr",
        "0.005",
        "--warmup",
        "2",
        "--clip",
        "0.5",
        "--weight-decay",
        "0.1",
        "--micro-batch",
        "4",
    )
    (tmp_path / "ours").mkdir()
    assert call(arguments(model, tmp_path / "ours", "--alpha", "8", *same)) == 0
    assert call(given(model, tmp_path / "theirs", LORA, *same)) == 0
    expected, found = losses(tmp_path / "ours"), losses(tmp_path / "theirs")
    # As in the test of stock PEFT's predictions 200 roundings of a forward pass, and as many more
    # of each step before.
    for step, (mine, other) in enumerate(zip(expected, found, strict=True), 1):
        assert abs(mine - other) <= 200 * step * EPS * max(1, mine), step
    assert result(tmp_path / "ours")["before"] == result(tmp_path / "theirs")["before"]
    assert (
        result(tmp_path / "ours")["trained_parameters"]
        == result(tmp_path / "theirs")["trained_parameters"]
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_method_learns_and_stock_peft_computes_its_predictions(model, tmp_path, method):
    assert call(given(model, tmp_path, METHODS[method], "--lr", "0.05", steps=24)) == 0
    found = losses(tmp_path)
    # of losses that fall to about 0.7 of the first and below
    assert sum(found[-6:]) < 0.9 * sum(found[:6])
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == LEFT
    stock = of_stock_peft(model, tmp_path)
    if method != "adalora":  # whose saved adapter has lost the ranks that were trained and masked
        for name, parameter in stock.named_parameters():
            parameter.requires_grad_(f".{NAME}" in name)
        assert result(tmp_path)["trained_parameters"] == stock.get_nb_trainable_parameters()[0]


def started(
    model: Path, folder: Path, settings: Any, **more: Any
) -> tuple[torch.nn.Module, adapting.Adapted]:
    """A classifier with the adapter of a config on it."""
    (folder / "peft.json").write_text(json.dumps(settings))
    config = Config.of(peft=str(folder / "peft.json"), steps=12, **more)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    loaded: Any = Loaded(base, None, ("classifier",))
    job: Any = adapting.Job(config, None, loaded, None, [], [], 1, 1)  # type: ignore[arg-type]
    return base, peft_methods.attach(job)


def test_the_layers_are_those_that_ours_would_be(model, tmp_path):
    expected, _ = targets(
        AutoModelForSequenceClassification.from_pretrained(model, num_labels=2),
        lora.Config(modules_to_save=("classifier",)),
    )
    for settings in (
        LORA,
        LORA | {"target_modules": "all-linear", "task_type": "CAUSAL_LM", "inference_mode": True},
    ):
        base, _ = started(model, tmp_path, settings)
        found = {name for name, module in base.named_modules() if isinstance(module, LoraLayer)}
        assert found == expected.keys()
        trained = {name for name, parameter in base.named_parameters() if parameter.requires_grad}
        assert {name for name in trained if "lora_" not in name} == {
            f"classifier.modules_to_save.default.{kind}" for kind in ("weight", "bias")
        }


def test_the_start_is_of_the_seed_alone(model, tmp_path):
    def drawn(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)  # the global generator stands somewhere else each time
        before = torch.get_rng_state()
        base, _ = started(model, tmp_path, LORA, seed=seed)
        assert torch.equal(before, torch.get_rng_state())
        return next(p for name, p in base.named_parameters() if "lora_A" in name)

    with torch.random.fork_rng():
        assert torch.equal(drawn(1), drawn(1))
        assert not torch.equal(drawn(1), drawn(2))


def test_the_penalty_is_what_peft_adds_to_a_loss(model, tmp_path):
    base, adapted = started(model, tmp_path, ADALORA | {"orth_reg_weight": 0.3})
    tuner = adapted.save.args[0].base_model  # type: ignore[attr-defined]
    batch = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "labels": torch.tensor([1])}
    base.eval()
    added = tuner(**batch).loss - base(**batch).loss
    assert adapted.penalty is not None
    found = adapted.penalty()
    # A difference of numbers of order 1 and a mean of 24 norms of a few entries, each rounded.
    assert abs(added - found) <= 100 * EPS * max(1, found.item())
    assert found.item() > 0.3
    assert started(model, tmp_path, LORA)[1].penalty is None


def test_budgets_are_shared_out_after_every_step_and_met(model, tmp_path, monkeypatch):
    steps, of = [], AdaLoraModel.update_and_allocate

    def seen(tuner, step):
        assert any(p.grad is not None and p.grad.any() for p in tuner.parameters()), (
            "gradients are gone"
        )
        steps.append(step)
        of(tuner, step)

    monkeypatch.setattr(AdaLoraModel, "update_and_allocate", seen)
    assert call(given(model, tmp_path, ADALORA)) == 0
    assert steps == list(range(12))
    saved = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text())
    assert saved["total_step"] == 12
    ranks = [sum(kept) for kept in saved["rank_pattern"].values()]
    assert sum(ranks) == 2 * len(ranks)
    assert len(set(ranks)) > 1, "every layer has the same rank: nothing was allocated"


def test_a_penalty_counts_once_a_step_whatever_the_micro_batch(model, tmp_path, monkeypatch):
    added, penalty = [], peft_methods.penalty
    monkeypatch.setattr(peft_methods, "penalty", lambda tuner: added.append(1) or penalty(tuner))
    assert call(given(model, tmp_path, ADALORA, "--micro-batch", "2", steps=6)) == 0
    assert len(added) == 6, "of six steps in four parts each"


def test_the_best_is_kept_with_its_own_ranks(model, tmp_path, monkeypatch):
    kept, models, put = {}, [], running.state.put
    monkeypatch.setattr(
        running.state, "put", lambda on, best: (kept.update(best), models.append(on), put(on, best))
    )
    settings = ADALORA | {"tinit": 1, "tfinal": 1}
    assert call(given(model, tmp_path, settings, "--lr", "0.5", "--validate-every", "2")) == 0
    validation = result(tmp_path)["validation"]
    best = min(validation, key=lambda pair: pair[1])
    assert best[0] < 12, "the last is the best: nothing is shown"
    saved = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    E = {name: value for name, value in kept.items() if name.endswith("lora_E.default")}
    assert any(0 < (value != 0).sum() < len(value) for value in E.values()), (
        "no rank is masked: nothing is shown"
    )
    for name, value in E.items():
        assert torch.equal(
            saved[f"base_model.model.{name.removesuffix('.default')}"], value[value[:, 0] != 0]
        )
    ranks = {
        name
        for name, _ in [*models[0].named_parameters(), *models[0].named_buffers()]
        if ".ranknum" in name
    }
    assert ranks
    assert ranks <= kept.keys(), "not trained, but the forward pass divides by them"
    of_stock_peft(model, tmp_path)


def test_a_run_that_was_killed_begins_anew(model, tmp_path, monkeypatch):
    class Stop(TrainerCallback):
        def on_step_begin(self, args, state, control, **_):
            if state.global_step == 3:
                raise KeyboardInterrupt

    def stopping(*of_trainer):
        trainer = make(*of_trainer)
        trainer.add_callback(Stop())
        return trainer

    make = running._trainer
    assert call(given(model, tmp_path / "whole", ADALORA, "--save-every", "2", steps=6)) == 0
    monkeypatch.setattr(running, "_trainer", stopping)
    with pytest.raises(KeyboardInterrupt):
        call(given(model, tmp_path / "killed", ADALORA, "--save-every", "2", steps=6))
    monkeypatch.setattr(running, "_trainer", make)
    assert not list((tmp_path / "killed" / "run").glob("checkpoint-*"))
    assert (
        call(given(model, tmp_path / "killed", ADALORA, "--save-every", "2", "--resume", steps=6))
        == 0
    )
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def test_a_run_is_of_what_the_file_holds(model, tmp_path, capsys):
    assert call(given(model, tmp_path, LORA, steps=2)) == 0
    assert call(given(model, tmp_path, LORA | {"r": 2}, steps=2)) == 2
    assert "holds a run with another peft" in capsys.readouterr().err


def test_a_run_that_diverges_says_where(model, tmp_path, capsys):
    assert call(given(model, tmp_path, METHODS["dora"], "--lr", "1e30")) == 1
    assert "training stopped" in capsys.readouterr().err


WRONG = {
    "not json": ("{", "must be JSON"),
    "nested too deep": ('{"r":' + "[" * 100_000, "must be JSON that is not nested too deep"),
    "a list": ([1], "must be a JSON object, got list"),
    "no type": ({"r": 4}, "unknown peft_type None"),
    "unknown type": (
        {"peft_type": "ADALORRA"},
        "unknown peft_type 'ADALORRA'; did you mean 'ADALORA'?",
    ),
    "unknown key": (
        LORA | {"lora_alhpa": 1},
        "LORA has no setting 'lora_alhpa'; did you mean 'lora_alpha'?",
    ),
    "prompts": (
        {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 2},
        "PROMPT_TUNING does not change layers alone",
    ),
    "a forward pass of its own": ({"peft_type": "POLY"}, "POLY does not change layers alone"),
    "eva": (LORA | {"init_lora_weights": "eva"}, "passes of PEFT's own"),
    "a bad value": (
        LORA | {"r": -1},
        "PEFT refuses it: `r` should be a positive integer value",
    ),
    "no layer": (
        LORA | {"target_modules": ["nothing"]},
        "the model has no module of target_modules ('nothing',)",
    ),
    "no head": (
        {"peft_type": "TRAINABLE_TOKENS"},
        "TRAINABLE_TOKENS cannot train the newly initialized classifier",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_in_one_sentence(model, tmp_path, capsys, name):
    settings, said = WRONG[name]
    assert call(given(model, tmp_path, settings)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert str(tmp_path / "peft.json") in error
    assert error.strip().count("\n") == 0
    assert not (tmp_path / "run").exists()


def test_a_missing_file_is_told_of(model, tmp_path, capsys):
    ours = given(model, tmp_path, LORA)
    (tmp_path / "peft.json").unlink()
    assert call(ours) == 2
    assert f"peft: {tmp_path / 'peft.json'} cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "setting",
    [
        *(
            {"rank": 4},
            {"scheme": "pissa"},
            {"train_a": False},
            {"dropout": 0.1},
            {"modules_to_save": ("pooler",)},
        ),
        *({"optimizer": "scaled_adamw"}, {"ratio": 2.0}, {"sharded": True}),
    ],
    ids=str,
)
def test_settings_of_our_adapters_are_refused(setting):
    name = next(iter(setting))
    with pytest.raises(
        ValueError,
        match=f"{name} does not apply to an adapter of PEFT; its settings are those of x",
    ):
        Config.of(peft="x.json", **setting)


def test_several_processes_are_refused(tmp_path, monkeypatch):
    (tmp_path / "peft.json").write_text(json.dumps(LORA))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="peft is trained in a single process"):
        peft_methods.check(Config.of(peft=str(tmp_path / "peft.json")))

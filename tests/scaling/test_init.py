"""`loralab init`: a start that stock PEFT takes over and trains on as this library would; and what
it refuses."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

import lora
from lora.testing import sample
from scaling import init
from scaling.init import explained
from scaling.training import adapting
from tests.support.finetuning import arguments, tiny_bert, without_store

WARNS = "ignore:.*is_gradient_checkpointing:FutureWarning"  # of PEFT's, about transformers
STARTS = {
    "init_a": (),
    "init_b": (),
    "eva": ("--scheme-options", "rho", "2.0"),
    "gradient_signal": (),
    "nystrom_grad": ("--rank-stabilized",),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


given = partial(without_store, "start")


def base(model: Path, seed: int) -> torch.nn.Module:
    """As the task loads it: its head is drawn from the seed."""
    from transformers import AutoModelForSequenceClassification

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForSequenceClassification.from_pretrained(model, num_labels=2).eval()


def stock(model: Path, folder: Path, seed: int = 0) -> Any:
    import peft

    return peft.PeftModel.from_pretrained(base(model, seed), str(folder), is_trainable=True)


def batches(model: Path, folder: Path) -> list[dict[str, Any]]:
    from transformers import AutoTokenizer

    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    tokens = AutoTokenizer.from_pretrained(model)(
        [row["text"] for row in rows], padding=True, return_tensors="pt"
    )
    labels = torch.tensor([["colour", "number"].index(row["label"]) for row in rows])
    every = {**tokens, "labels": labels}
    return [{name: value[k : k + 8] for name, value in every.items()} for k in range(0, 64, 8)]


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("scheme", STARTS)
def test_peft_reads_the_very_start_of_a_run_and_computes_the_base(
    model, tmp_path, monkeypatch, scheme
):
    from scaling.finetune import run

    begun: dict[str, tuple[torch.Tensor, torch.Tensor, float]] = {}

    def look(config, model):  # called once the adapters are on
        begun.update(
            {
                n: (l.A.detach().clone(), l.B.detach().clone(), l.scale)
                for n, l in lora.adapters(model).items()
            }
        )
        return make(config, model)

    make = adapting.make_optimizer
    monkeypatch.setattr(adapting, "make_optimizer", look)
    assert run(arguments(model, tmp_path, "--scheme", scheme, *STARTS[scheme])) == 0
    assert init.run(given(model, tmp_path, "--scheme", scheme, *STARTS[scheme])) == 0
    loaded = stock(model, tmp_path / "start")
    found = {
        name: layer
        for name, layer in loaded.get_base_model().named_modules()
        if hasattr(layer, "lora_A")
    }
    assert found.keys() == begun.keys()
    for name, (A, B, scale) in begun.items():
        theirs = found[name]
        assert torch.equal(theirs.lora_A["default"].weight, A)
        assert torch.equal(theirs.lora_B["default"].weight, B)
        # alpha / r, rounded once or twice
        assert theirs.scaling["default"] == pytest.approx(scale, rel=1e-15)
        assert theirs.lora_A["default"].weight.requires_grad
    if scheme == "eva":
        assert len({len(A) for A, _, _ in begun.values()}) > 1, (
            "rho has moved no rank, or the test shows nothing"
        )
    batch = batches(model, tmp_path)[0]
    with torch.no_grad():
        assert torch.equal(loaded.eval()(**batch).logits, base(model, 0)(**batch).logits)


@pytest.mark.filterwarnings(WARNS)
@pytest.mark.parametrize("variant", ["plain", "dora"])
def test_training_goes_on_in_peft_as_it_would_here(model, tmp_path, variant):
    assert init.run(given(model, tmp_path, "--scheme", "eva", "--variant", variant)) == 0
    loaded, ours = stock(model, tmp_path / "start", seed=1), base(model, 2)
    lora.load(ours, tmp_path / "start")
    losses: list[list[float]] = []
    for each in (loaded, ours):
        each.eval()  # without dropout
        optimizer = torch.optim.AdamW(
            [p for p in each.parameters() if p.requires_grad], 0.01, weight_decay=0.0
        )
        losses.append([])
        for batch in batches(model, tmp_path):
            loss = each(**batch).loss
            losses[-1].append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert abs(losses[0][-1] - losses[0][0]) > 0.1, "nothing has moved, or the test shows nothing"
    # Adam divides rounding by the gradient's size, and eight steps pass it on: 3e-5 measured; from
    # another start the losses differ by 0.5.
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


@pytest.mark.parametrize(
    "scheme", [name for name, row in lora.SCHEMES.items() if not row.zero_product]
)
def test_a_start_whose_product_is_not_zero_is_refused_before_anything_is_read(
    tmp_path, capsys, scheme
):
    given = ["--model", str(tmp_path), "--scheme", scheme, "--out", str(tmp_path / "start")]
    assert init.run(given) == 2
    said = capsys.readouterr().err
    assert f"error: scheme {scheme!r} starts at B A != 0" in said
    assert "loralab finetune or lora.attach" in said
    assert not (tmp_path / "start").exists()


def test_the_factors_themselves_are_looked_at_too(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(init, "check_portable", lambda config: None)
    assert init.run(given(model, tmp_path, "--scheme", "pissa")) == 2
    assert "starts at B A != 0" in capsys.readouterr().err
    assert not (tmp_path / "start").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--variant", "overparam"), "a way of training that a PEFT adapter does not hold"),
        (("--no-train-a",), "does not say which factor is frozen"),
        (
            ("--scheme", "eva", "--scheme-options", "whitn", "True"),
            "has no option 'whitn'; did you mean 'whiten'?",
        ),
        (("--out", "README.md"), "README.md is no folder"),
        (("--out", "README.md/start"), "README.md is no folder"),
    ],
)
def test_what_cannot_be_handed_over_is_one_sentence(tmp_path, capsys, flags, sentence):
    assert init.run(["--model", str(tmp_path), "--out", str(tmp_path / "start"), *flags]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert sentence in said
    assert not (tmp_path / "start").exists()


def test_a_folder_is_asked_for(capsys):
    assert init.run(["--scheme", "eva"]) == 2
    assert capsys.readouterr().err.startswith("error: --out is missing: loralab init --help")


def test_the_variance_explained_is_that_of_the_rows(model, tmp_path, capsys):
    _, stats = sample((6, 4))
    spectrum, axes = torch.linalg.eigh(stats.covariance)
    # rows neither orthogonal nor of length 1
    A = torch.stack([axes[:, 3] + axes[:, 0], axes[:, 0]])
    assert explained(A, stats) == pytest.approx(
        (spectrum[3] + spectrum[0]).item() / spectrum.sum().item(), rel=1e-12
    )
    assert explained(torch.zeros(2, 4), stats) is None
    assert init.run(given(model, tmp_path, "--scheme", "eva")) == 0
    assert "variance explained" in capsys.readouterr().out


def test_the_command_line_hands_the_arguments_on(tmp_path, capsys):
    from loralab.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["init", "--scheme", "pissa", "--out", str(tmp_path / "start")])
    assert ended.value.code == 2
    assert "starts at B A != 0" in capsys.readouterr().err

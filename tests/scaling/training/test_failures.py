"""`loralab finetune` when something is wrong: the input, the memory, the numbers."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from safetensors.torch import load_file

import scaling.training.running as running
from loralab.process import Stopped
from scaling.core.memory import shrinking
from scaling.models.packaged import nowhere
from tests.support.finetuning import arguments, call, tiny_bert


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model"), dropout=0.0)


WRONG = {
    "no such file": (("--train", "nowhere.jsonl"), "there is no data file nowhere.jsonl"),
    "wrong column": (
        ("--columns", "question", "label"),
        "has no column 'question'; it has 'text', 'label'",
    ),
    "a scheme of a script": (("--scheme", "busiest"), "; one of your script is known in it alone"),
    "unknown scheme": (("--scheme", "pizza"), "unknown scheme 'pizza'; did you mean 'pissa'?"),
    "unknown task": (("--task", "cooking"), "unknown task 'cooking'"),
    "unknown flag": (("--lerning-rate", "1"), "unknown flag --lerning-rate"),
    "unknown optimizer": (("--optimizer", "adam"), "unknown optimizer 'adam'"),
    "unknown layer": (("--target-modules", "q_proj"), "the model has no module 'q_proj'"),
    "rank too large": (("--scheme", "pissa", "--rank", "64"), "64"),
    "no folder": (("--model", "no/such/folder"), "cannot load the model no/such/folder"),
    "unreachable hub": (("--model", "someone-s-model"), "not on the hub or it is unreachable"),
    "misspelt model": (("--model", "smolm2"), "unreachable; did you mean smollm2?"),
    "micro-batch": (("--micro-batch", "3"), "micro_batch must divide the batch of 8, got 3"),
    "optimizer of a generator": (
        ("--variant", "overparam", "--optimizer", "scaled_sgd"),
        "generated",
    ),
    "late launch": (("--variant", "dash", "--launch-step", "50"), "must be less than steps = 12"),
    "nothing to resume": (("--resume",), "there is no run to resume"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence_before_anything_is_written(model, tmp_path, capsys, case):
    more, expected = WRONG[case]
    assert call(arguments(model, tmp_path, *more)) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert expected in error
    assert not (tmp_path / "run").exists()


def test_a_path_is_looked_for_on_no_hub():
    assert nowhere("/nowhere/llama") == "there is no such folder"
    assert nowhere("someone/llama-3") == (
        "there is no such folder, and it is not on the hub or it is unreachable"
    )


@pytest.mark.parametrize("text", ["", "\n\n", "[1]\n", "{half\n"])
def test_data_without_records_are_refused(model, tmp_path, capsys, text):
    given = arguments(model, tmp_path)
    (tmp_path / "train.jsonl").write_text(text)
    assert call(given) == 2
    assert str(tmp_path / "train.jsonl") in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_is_never_taken_from_another_run(model, tmp_path, capsys):
    given = arguments(model, tmp_path, steps=2)
    assert call(given) == 0
    assert call([*given, "--rank", "2"]) == 2
    assert "holds a run with another rank (4)" in capsys.readouterr().err


def test_pickled_weights_are_read_only_when_asked_for(model, tmp_path, capsys):
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for file in model.iterdir():
        if file.suffix != ".safetensors":
            (pickled / file.name).write_bytes(file.read_bytes())
    torch.save(load_file(model / "model.safetensors"), pickled / "pytorch_model.bin")
    assert call(arguments(pickled, tmp_path, steps=2)) == 2
    assert "cannot load the model" in capsys.readouterr().err.splitlines()[-1]
    assert call(arguments(pickled, tmp_path, "--allow-pickle", steps=2)) == 0


def test_code_in_a_model_s_folder_is_not_run(model, tmp_path):
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for file in model.iterdir():
        (hostile / file.name).write_bytes(file.read_bytes())
    config = json.loads((hostile / "config.json").read_text())
    config["auto_map"] = {
        "AutoModelForSequenceClassification": "evil.Model",
        "AutoConfig": "evil.Config",
    }
    (hostile / "config.json").write_text(json.dumps(config))
    (hostile / "evil.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\nclass Config: pass\n"
    )
    call(arguments(hostile, tmp_path, steps=2))
    assert not (tmp_path / "ran").exists()


def test_out_of_memory_halves_the_micro_batch_at_an_equal_batch(
    model, tmp_path, capsys, monkeypatch
):
    step = running.AdapterTrainer.training_step

    def short_of_memory(self, model, inputs, items=None):
        if len(inputs["labels"]) > 2 and self.state.global_step >= 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return step(self, model, inputs, items)

    whole, short = tmp_path / "whole", tmp_path / "short"
    whole.mkdir()
    short.mkdir()
    assert call(arguments(model, whole)) == 0
    monkeypatch.setattr(running.AdapterTrainer, "training_step", short_of_memory)
    assert call(arguments(model, short)) == 0
    out = capsys.readouterr().out
    assert "out of memory: micro-batch 8 -> 4, the batch stays at 8" in out
    assert "out of memory: micro-batch 4 -> 2, the batch stays at 8" in out
    expected, found = (
        json.loads((f / "run" / "metrics.json").read_text())["losses"] for f in (whole, short)
    )
    assert [step for step, _ in found] == [step for step, _ in expected]
    # The same examples in each step: sums of equal terms in another order. 12 steps of Adam carry a
    # rounding of eps = 1.2e-7 on; 1e-3 is far below what another example in a batch of eight
    # changes (above 1e-2).
    assert [loss for _, loss in found] == pytest.approx([loss for _, loss in expected], abs=1e-3)


def test_a_loss_that_is_not_finite_stops_with_the_layer_and_keeps_the_checkpoint(
    model, tmp_path, capsys, monkeypatch
):
    step = running.AdapterTrainer.training_step

    def broken(self, model, inputs, items=None):
        if self.state.global_step == 6:
            with torch.no_grad():
                model.bert.encoder.layer[1].output.dense.B.fill_(torch.inf)
        return step(self, model, inputs, items)

    monkeypatch.setattr(running.AdapterTrainer, "training_step", broken)
    assert call(arguments(model, tmp_path)) == 1
    error = capsys.readouterr().err
    assert "in step 7: the output of bert.encoder.layer.1.output.dense is not finite" in error
    assert "checkpoint-4" in error
    kept = load_file(tmp_path / "run" / "checkpoint-4" / "training_state.safetensors")
    assert all(value.isfinite().all() for value in kept.values())


def test_a_run_that_made_the_model_worse_says_so(model, tmp_path, capsys):
    given = arguments(model, tmp_path, "--clip", "1e9", steps=3)
    value = {"colour": 1.0, "number": 0.0}  # a regression, whose error has no bound
    for name in ("train", "test"):
        file = tmp_path / f"{name}.jsonl"
        rows = map(json.loads, file.read_text().splitlines())
        some = [{"text": row["text"], "label": value[row["label"]]} for row in rows]
        file.write_text("".join(json.dumps(row) + "\n" for row in some))
    assert call([*given, "--lr", "30"]) == 0
    assert "\nworse than the base model: mean_squared_error " in capsys.readouterr().out
    page = (tmp_path / "run" / "report.md").read_text()
    assert "\n**Worse than the base model: mean_squared_error " in page


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (6, "the last checkpoint is of step 4: the same command with --resume goes on"),
        (2, "there is no checkpoint yet: the same command with --resume begins anew"),
    ],
)
def test_who_stops_a_run_is_told_what_is_kept(model, tmp_path, monkeypatch, step, kept):
    train = running.AdapterTrainer.training_step

    def stop(self, *given):
        if self.state.global_step == step:
            raise KeyboardInterrupt
        return train(self, *given)

    given = arguments(model, tmp_path)
    monkeypatch.setattr(running.AdapterTrainer, "training_step", stop)
    with pytest.raises(Stopped, match=f"^stopped at step {step + 1}; {kept}.$"):
        call(given)
    monkeypatch.undo()
    assert call([*given, "--resume"]) == 0


def test_who_stops_a_run_before_it_trains_is_told_that_nothing_is_changed(
    model, tmp_path, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "prepare", stop)
    with pytest.raises(Stopped, match="training had not begun, and every file is as it was"):
        call(arguments(model, tmp_path))
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_one_sentence(model, tmp_path, capsys, monkeypatch):
    step = running.AdapterTrainer.training_step

    def stop(self, *given):
        if self.state.global_step == 6:
            raise RuntimeError("planted")
        return step(self, *given)

    given = arguments(model, tmp_path)
    monkeypatch.setattr(running.AdapterTrainer, "training_step", stop)
    assert call(given) == 1
    state = tmp_path / "run" / "checkpoint-4" / "training_state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    assert call([*given, "--resume"]) == 2
    assert f"{state} is damaged" in capsys.readouterr().err.splitlines()[-1]


def test_prediction_goes_on_with_fewer_examples_when_memory_runs_out(model, tmp_path, monkeypatch):
    from scaling.tasks.text_classification import collate

    def short_of_memory(loaded):
        batch = collate(loaded)

        def small(examples):
            if len(examples) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return batch(examples)

        return small

    # of predictions alone
    monkeypatch.setattr("scaling.tasks.text_classification.collate", short_of_memory)
    assert call(arguments(model, tmp_path, steps=2)) == 0
    assert len((tmp_path / "run" / "predictions.jsonl").read_text().splitlines()) == 12


def test_shrinking_halves_down_to_one_and_hands_on_other_errors():
    sizes = []

    def act(size):
        sizes.append(size)
        if size > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return "done"

    assert shrinking(act, 12) == "done"
    assert sizes == [12, 6, 3, 1]
    with pytest.raises(RuntimeError, match="out of memory"):
        shrinking(lambda size: act(2), 1)
    with pytest.raises(RuntimeError, match="something else"):
        shrinking(lambda size: (_ for _ in ()).throw(RuntimeError("something else")), 4)


def test_other_line_ends_within_a_text_do_not_end_its_record(tmp_path):
    from scaling.data.data_files import read

    texts = ["one\u2028two", "three\u0085four\x0bfive"]
    (tmp_path / "some.jsonl").write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    )
    assert [record["text"] for record in read(str(tmp_path / "some.jsonl"))["train"]] == texts

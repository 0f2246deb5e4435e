"""The task causal_lm: what is learnt of a record, and a run from end to end."""

import json
import math
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

from scaling.core.config import Config
from scaling.core.task import Data, Loaded
from scaling.data import prompts
from scaling.evaluation.text_generation import written
from scaling.pretrained import gpt
from scaling.tasks import causal_lm
from tests.support.finetuning import call, shared, tiny_llama, word_tokenizer
from tests.support.killing import ending, kill_at
from tests.support.models import gpt2, llama
from tests.support.text_rows import WORDS, rows


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("model"), WORDS)


@pytest.fixture(scope="module")
def tokenizer(model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


PAIRS = {"columns": ("prompt", "answer"), "talks": False, "numbered": True}


def given(model: Path, folder: Path, *more: str, steps: int = 30) -> list[str]:
    for name, count in (("train", 32), ("test", 4)):
        (folder / f"{name}.jsonl").write_text(rows(count))
    named = {
        "task": "causal_lm",
        "model": model,
        "train": folder / "train.jsonl",
        "test": folder / "test.jsonl",
    }
    named |= {
        "out": folder / "run",
        "store": folder / "s.sqlite",
        "steps": steps,
        "batch": 8,
        "lr": 0.02,
        "length": 12,
    }
    return [*(part for name, value in named.items() for part in (f"--{name}", str(value))), *more]


def test_the_final_number_is_the_last_and_without_separators():
    assert causal_lm.final("so 3 #### 1 no #### 1,234") == "1234"
    assert causal_lm.final("-2") is None
    assert causal_lm.final("#### -2.5") == "-2.5"


def test_only_the_answer_is_learnt(tokenizer):
    data = Data([], [], PAIRS)
    loaded = Loaded(llama(), tokenizer, ())
    record = {"prompt": "what is one", "answer": "#### 1"}
    [example] = causal_lm.examples(Config.of(), loaded, data, [record])
    assert tokenizer.decode(example["input_ids"]).split() == [
        "what",
        "is",
        "one",
        "####",
        "1",
        "<end>",
    ]
    assert example["labels"] == [-100] * 3 + example["input_ids"][3:]


def test_a_long_example_loses_the_prompt_s_beginning_before_the_answer_s_end(tokenizer, capsys):
    data = Data([], [], PAIRS)
    loaded = Loaded(llama(), tokenizer, ())
    records = [
        {"prompt": "what is one plus two", "answer": "#### 3"},
        {"prompt": "what is one plus two", "answer": "one two one two #### 3"},
        {"prompt": "one", "answer": "#### 1"},
        {"prompt": "what is one", "answer": "#### 1"},  # six tokens
    ]
    found = causal_lm.examples(Config.of(length=6), loaded, data, records)
    read = [tokenizer.decode(example["input_ids"]).split() for example in found]
    assert read[0] == ["one", "plus", "two", "####", "3", "<end>"]
    assert read[1] == ["one", "plus", "two", "one", "two", "one"]
    assert read[2] == ["one", "####", "1", "<end>"]
    assert [sum(label >= 0 for label in example["labels"]) for example in found] == [3] * 4
    said = "2 of 4 examples are longer than 6 tokens (length) and are cut; --length 12 cuts none"
    assert said in capsys.readouterr().out


def test_text_is_cut_into_blocks_and_nothing_is_lost(tokenizer, capsys):
    data = Data([], [], PAIRS | {"columns": ("text",), "numbered": False})
    records = [{"text": "one plus two what is one"}, {"text": "two"}, {"text": "is one two"}]
    found = causal_lm.examples(Config.of(length=4), Loaded(llama(), tokenizer, ()), data, records)
    whole = [
        "one",
        "plus",
        "two",
        "what",
        "is",
        "one",
        "<end>",
        "two",
        "<end>",
        "is",
        "one",
        "two",
        "<end>",
    ]
    read = [tokenizer.decode(example["input_ids"]).split() for example in found]
    assert [len(block) for block in read] == [4, 4, 4]
    # the last is alone: it would be told from nothing
    assert [word for block in read for word in block] == whole[:12]
    assert all(example["labels"] == example["input_ids"] for example in found)
    assert capsys.readouterr().out == "3 records make 3 blocks of 4 tokens (length)\n"


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }} "
    "{% if m.role == 'assistant' %}"
    "{{ eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)


def test_a_chat_template_sets_every_special_token_once(tmp_path):
    from transformers import AutoTokenizer

    word_tokenizer(tmp_path, (*WORDS, "[user]", "[assistant]", "<begin>"), "<begin> $A")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, bos_token="<begin>")
    assert tokenizer.decode(tokenizer("one")["input_ids"]) == "<begin> one", "it sets one by itself"
    without = prompts.tokens(tokenizer, "what is one", "#### 1")
    assert [tokenizer.decode(ids) for ids in without] == ["<begin> what is one", "#### 1 <end>"]
    tokenizer.chat_template = TEMPLATE
    chat = prompts.tokens(tokenizer, "what is one", "#### 1")
    assert [tokenizer.decode(ids) for ids in chat] == [
        "<begin> [user] what is one [assistant]",
        "#### 1 <end>",
    ]
    # One that opens a turn in another way than it writes it down.
    tokenizer.chat_template = TEMPLATE.replace(
        "[assistant] {% endif %}", "[assistant] what {% endif %}"
    )
    assert tokenizer.decode(prompts.tokens(tokenizer, "one", "#### 1")[1]) == "#### 1 <end>"


def test_a_batch_writes_what_each_prompt_alone_would(tokenizer):
    loaded = Loaded(llama(), tokenizer, ())
    loaded.model.generation_config.eos_token_id = None  # type: ignore[union-attr]
    texts = ["what is one plus two", "one", "what is two", "two plus"]
    ids = [tokenizer(text)["input_ids"] for text in texts]
    alone = [text for prompt in ids for text in written(loaded, [prompt], 6, 1)]
    assert len(set(alone)) > 1
    assert [*written(loaded, ids, 6, 3)] == alone


def test_a_prompt_leaves_room_to_write_in_the_context(tokenizer):
    loaded = Loaded(gpt2(), tokenizer, ())
    long = tokenizer(" ".join(["one"] * 25 + ["two"] * 16))["input_ids"]
    assert [*written(loaded, [long], 100, 1)] == [*written(loaded, [long[-16:]], 16, 1)]


def test_a_run_learns_to_answer(model, tmp_path):
    assert call(given(model, tmp_path)) == 0
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["metrics"]["exact_match"] == 1.0
    assert result["before"]["exact_match"] == 0.0
    # The two records are the training data's. The frozen random head keeps the loss above 3; the
    # last steps, whose learning rate is nearly zero, move it by 0.03 each.
    assert math.log(result["metrics"]["perplexity"]) == pytest.approx(
        result["final_loss"], abs=0.06
    )


@pytest.mark.parametrize("scheme", ["eva", "lora_ga"])
def test_starts_that_read_the_data_learn(model, tmp_path, scheme):
    assert call(given(model, tmp_path, "--scheme", scheme, "--rank", "2", steps=8)) == 0
    result = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert result["metrics"]["perplexity"] < 0.9 * result["before"]["perplexity"]


# of PEFT's, about transformers
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_stock_peft_gives_the_losses_of_the_run(model, tokenizer, tmp_path):
    import peft
    from transformers import AutoModelForCausalLM

    assert call(given(model, tmp_path, "--variant", "dora", steps=6)) == 0
    found = [
        json.loads(line)
        for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    ]
    base = AutoModelForCausalLM.from_pretrained(model)
    stock = peft.PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).eval()
    for row, record in zip(
        found, map(json.loads, (tmp_path / "test.jsonl").read_text().splitlines()), strict=True
    ):
        ids, learnt = (
            torch.tensor([ids])
            for ids in prompts.tokens(tokenizer, record["prompt"], record["answer"])
        )
        with torch.no_grad():
            logits = stock(input_ids=torch.cat([ids, learnt], 1)).logits[:, ids.shape[1] - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits.mT, learnt, reduction="sum")
        # 200 roundings of float32 on the way to a sum of three losses
        assert row["loss"] == pytest.approx(loss.item(), rel=200 * torch.finfo(torch.float32).eps)


# of PEFT's, about transformers
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_stock_peft_on_a_base_in_bfloat16_gives_the_losses_of_the_run(model, tokenizer, tmp_path):
    import peft
    from transformers import AutoModelForCausalLM

    assert call(given(model, tmp_path, "--precision", "bfloat16", steps=6)) == 0
    lines = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    stock = peft.PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).eval()
    records = (tmp_path / "test.jsonl").read_text().splitlines()
    for row, record in zip(map(json.loads, lines), map(json.loads, records), strict=True):
        ids, learnt = (
            torch.tensor([ids])
            for ids in prompts.tokens(tokenizer, record["prompt"], record["answer"])
        )
        with torch.no_grad():
            logits = stock(input_ids=torch.cat([ids, learnt], 1)).logits[:, ids.shape[1] - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits.float().mT, learnt, reduction="sum")
        # three losses of logits of order 1, each of a few roundings that PEFT does elsewhere
        assert row["loss"] == pytest.approx(
            loss.item(), abs=3 * 4 * torch.finfo(torch.bfloat16).eps
        )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_killed_run_resumes_to_the_same_bits(model, tmp_path, precision):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    more = ("--dropout", "0.1", "--save-every", "4", "--precision", precision)
    more += ("--task-options", "new_tokens", "3")
    assert call(given(model, whole, *more, steps=8)) == 0
    killed = given(model, cut, *more, steps=8)
    kill_at(6, killed)
    assert call([*killed, "--resume"]) == 0
    assert ending(cut / "run") == ending(whole / "run")


WRONG = {
    "columns": (
        ("--columns", "prompt", "answer", "prompt"),
        "columns must be messages, or prompt answer, or text, got 3",
    ),
    "no such column": (
        ("--columns", "question", "answer"),
        "has no column 'question'; it has 'prompt', 'answer'",
    ),
    "too long": (("--length", "4096"), "the model reads 2048 at most; got 4096"),
    "too short": (("--length", "1"), "length must be at least 2"),
    "no token": (
        ("--columns", "empty", "answer", "--test", "train"),
        "train.jsonl has no token in 'empty'",
    ),
    "nothing written": (
        ("--task-options", "new_tokens", "0"),
        "new_tokens must be a whole number, at least 1, got 0",
    ),
    "no number": (
        ("--task-options", "new_tokens", "many"),
        "new_tokens must be a whole number, at least 1, got 'many'",
    ),
    "other option": (
        ("--task-options", "beams", "2"),
        "has no option 'beams'; its options are new_tokens, samples, packing",
    ),
    "other text": (
        ("--task-options", "built_in", "novels"),
        "built_in must be functions or docstrings, got 'novels'",
    ),
}


def test_without_files_docstrings_can_be_read_as_plain_text():
    config = Config.of(task="causal_lm", task_options={"built_in": "docstrings"}, limit=5, seed=3)
    data = causal_lm.data(config)
    assert (len(data.train), len(data.test)) == (600, 5)
    assert data.facts["columns"] == ("text",)
    assert all("\n" in record["text"] for record in (*data.train, *data.test))
    functions = causal_lm.data(config.replace(task_options={}))
    assert functions.facts["columns"] == ("prompt", "answer")


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(model, tmp_path, capsys, case):
    more, expected = WRONG[case]
    arguments = given(model, tmp_path, *more)
    if case == "no token":
        (tmp_path / "train.jsonl").write_text(json.dumps({"empty": "", "answer": "one"}) + "\n")
    assert call(arguments) == 2
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_the_model_that_is_made_here_reads_and_writes(tmp_path, monkeypatch, capsys):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    text = "\n".join(
        f"Return the {i}th element of the list, or {i + 1} where there is none." for i in range(400)
    )
    monkeypatch.setattr(gpt, "standard_library", lambda: [text])
    with torch.random.fork_rng(devices=[]):
        gpt.make(tmp_path, steps=4)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    odd = "Naïve  text\n\tof 2 lines."  # not in what it was made of
    assert tokenizer.decode(tokenizer(odd)["input_ids"]) == odd
    loaded = Loaded(AutoModelForCausalLM.from_pretrained(tmp_path).eval(), tokenizer, ())
    [text_written] = written(loaded, [tokenizer("Return the")["input_ids"]], 5, 1)
    assert text_written
    ids = torch.tensor([tokenizer(text)["input_ids"][:256]])
    # of a guess among all
    assert loaded.model(input_ids=ids, labels=ids).loss < 0.95 * math.log(len(tokenizer))


def test_school_arithmetic_is_read_from_a_folder(model, tmp_path, capsys):
    folder = shared("gsm8k")
    more = (
        "--columns",
        "question",
        "answer",
        "--limit",
        "4",
        "--steps",
        "2",
        "--task-options",
        "new_tokens",
        "4",
    )
    named = {
        "task": "causal_lm",
        "model": model,
        "train": folder,
        "out": tmp_path / "run",
        "store": tmp_path / "s",
    }
    assert (
        call(
            [*(part for name, value in named.items() for part in (f"--{name}", str(value))), *more]
        )
        == 0
    )
    found = [
        json.loads(line)
        for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    ]
    assert [row["answer"] for row in found] == ["18", "3", "70000", "540"]
    assert "exact_match" in capsys.readouterr().out

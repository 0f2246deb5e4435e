"""The task vision_language: what is learnt of a question about an image, and runs from end to
end."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("transformers")

from scaling.core.config import Config
from scaling.core.task import IGNORED
from scaling.data import digit_images, digit_questions
from scaling.data.data_files import parts
from scaling.data.image_prompts import batch_of, prompt_of
from scaling.evaluation.token_loss import token_losses
from scaling.tasks import vision_language as task
from tests.support.finetuning import call
from tests.support.killing import ending, kill_at
from tests.support.picture_data import arguments, result_of, write

# of PEFT's
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

QUESTIONS = ("is it even ?", "which digit comes after it ?")  # of different lengths


def tokens(pad: str | None, eos: str | None) -> SimpleNamespace:
    return SimpleNamespace(tokenizer=SimpleNamespace(pad_token=pad, eos_token=eos))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A random LLaVA of the embedded one's kind, but smaller."""
    from transformers import LlavaForConditionalGeneration

    from scaling.pretrained.llava import architecture, processor_of_words

    folder = tmp_path_factory.mktemp("model")
    processor = processor_of_words()
    config = architecture(processor.tokenizer, width=32)
    for part in (config.vision_config, config.text_config):
        # at the default of 0.02 every picture looks the same to random layers
        part.initializer_range = 0.3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = LlavaForConditionalGeneration(config)
    assert made.generation_config is not None
    made.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    made.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path) -> Path:
    def fields(i: int) -> dict[str, str]:
        return {
            "question": QUESTIONS[i // 2 % 2],
            "answer": ("yes" if i % 2 else "no") if i // 2 % 2 == 0 else "7 3",
        }

    write(tmp_path, "train", 32, 0, fields)
    write(tmp_path, "test", 8, 1, fields)
    return tmp_path


def ready(model: Path, data: Path, **more) -> tuple:
    given = {"train": str(data / "train.jsonl"), "test": str(data / "test.jsonl")}
    config = Config.of(task="vision_language", model=str(model), **given, **more)
    read = task.data(config)
    loaded = task.load(config, read)
    return config, loaded, read, task.examples(config, loaded, read, read.test)


def test_only_the_answer_and_the_end_are_learnt(model, data):
    _, loaded, _, examples = ready(model, data)
    batch = batch_of(loaded.processor, examples, answered=True)
    words = loaded.processor.tokenizer
    learnt = [row[row != IGNORED].tolist() for row in batch["labels"]]
    assert [words.decode(row) for row in learnt[:4]] == [
        "no <end>",
        "yes <end>",
        "7 3 <end>",
        "7 3 <end>",
    ]
    for ids, labels, mask in zip(
        batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
    ):
        last = int(mask.sum())
        assert mask[:last].all(), "padded on the right"
        assert torch.equal(ids[labels != IGNORED], labels[labels != IGNORED]), (
            "labels stand where their tokens do"
        )
        assert labels[last - 1] == words.eos_token_id
        assert (ids == words.convert_tokens_to_ids("<image>")).sum() == 16
    prompts = batch_of(loaded.processor, examples, answered=False)
    assert "labels" not in prompts
    assert prompts["attention_mask"][:, -1].all(), "padded on the left"
    assert all(words.decode(row).endswith("assistant :") for row in prompts["input_ids"])


def test_what_else_is_in_the_batch_changes_nothing(model, data):
    _, loaded, _, examples = ready(model, data)

    def losses(some: list) -> torch.Tensor:
        batch = batch_of(loaded.processor, some, answered=True)
        labels = batch.pop("labels")
        with torch.no_grad():
            return torch.tensor(
                [row["loss"] for row in token_losses(loaded.model(**batch).logits, labels)]
            )

    alone = torch.cat([losses([example]) for example in examples])
    # Sums over some 40 positions and 4 layers, in another order: 1000 roundings of values of the
    # loss's size.
    assert (losses(examples) - alone).abs().max() <= 1000 * torch.finfo(
        torch.float32
    ).eps * alone.max()


def test_a_processor_without_a_template_gets_its_image_token_and_the_question(model, data):
    _, loaded, _, _ = ready(model, data)
    loaded.processor.chat_template = None
    assert prompt_of(loaded.processor, "is it even ?") == "<image>\nis it even ?\n"


def test_a_run_learns_to_answer(model, data):
    assert call(arguments("vision_language", model, data, steps=30)) == 0
    result, rows = result_of(data)
    assert result["before"]["exact_match"] == 0.0
    assert result["metrics"]["exact_match"] >= 0.75
    assert (
        result["metrics"]["exact_match"]
        == sum(row["answer"] == row["prediction"] for row in rows) / 8
    )
    assert {row["answer"] for row in rows} == {"yes", "no", "7 3"}


def test_a_run_in_bfloat16_learns_to_answer(model, data):
    given = arguments("vision_language", model, data, "--precision", "bfloat16", steps=30)
    assert call(given) == 0
    result, _ = result_of(data)
    assert result["metrics"]["exact_match"] >= 0.75 > result["before"]["exact_match"]


def test_the_loss_does_not_depend_on_the_micro_batch(model, data, tmp_path_factory):
    cut = tmp_path_factory.mktemp("cut")
    shutil.copytree(data, cut, dirs_exist_ok=True)
    assert call(arguments("vision_language", model, data, steps=2)) == 0
    assert call(arguments("vision_language", model, cut, "--micro-batch", "2", steps=2)) == 0
    whole, small = (torch.tensor(result_of(folder)[0]["losses"])[:, 1] for folder in (data, cut))
    # A mean over micro-batches would weigh the answers' tokens otherwise, by up to a half; 1000
    # roundings of the loss.
    assert (whole - small).abs().max() <= 1000 * torch.finfo(torch.float32).eps * whole.max()


@pytest.mark.parametrize(
    "more", [(), ("--scheme", "eva"), ("--variant", "dora", "--scheme", "lora_ga")]
)
def test_stock_peft_computes_the_losses_and_answers_of_the_run(model, data, more):
    import peft
    from transformers import AutoModelForImageTextToText

    assert call(arguments("vision_language", model, data, *more, steps=5)) == 0
    rows = result_of(data)[1]
    config, loaded, read, examples = ready(model, data)
    base = AutoModelForImageTextToText.from_pretrained(model)
    stock = peft.PeftModel.from_pretrained(base, str(data / "run" / "adapter")).eval()
    with torch.no_grad():
        expected = task.predict(config, loaded._replace(model=stock), read, read.test, examples, 8)
    assert [row["prediction"] for row in rows] == [row["prediction"] for row in expected]
    losses, others = (torch.tensor([row["loss"] for row in some]) for some in (rows, expected))
    # 200 roundings of float32 on the way, each of at most eps times values of the loss's size.
    assert (losses - others).abs().max() <= 200 * torch.finfo(
        torch.float32
    ).eps * losses.max().clamp_min(1)


def test_a_killed_run_resumes_to_the_same_bits(model, data, tmp_path_factory):
    cut = tmp_path_factory.mktemp("cut")
    shutil.copytree(data, cut, dirs_exist_ok=True)
    assert call(arguments("vision_language", model, data, "--dropout", "0.1")) == 0
    given = arguments("vision_language", model, cut, "--dropout", "0.1")
    kill_at(7, given)
    assert call([*given, "--resume"]) == 0
    assert ending(cut / "run") == ending(data / "run")


def test_wrong_input_is_one_sentence(model, data, tmp_path_factory):
    with pytest.raises(ValueError, match=r"line 1 of .*its question takes 9 of 8; raise --length"):
        ready(model, data, length=8)
    with pytest.raises(ValueError, match="columns must be image question answer, got 2 of them"):
        ready(model, data, columns=("image", "question"))
    (data / "train" / "3.png").unlink()
    with pytest.raises(ValueError, match=r"line 4 of .*: 'image' is not an image that can be read"):
        ready(model, data)
    bare = tmp_path_factory.mktemp("bare")
    shutil.copytree(model, bare, dirs_exist_ok=True)
    for file in ("processor_config.json", "preprocessor_config.json"):
        (bare / file).unlink(missing_ok=True)
    (data / "train.jsonl").write_text((data / "test.jsonl").read_text())
    with pytest.raises(ValueError, match=r"cannot load the model .* image processor"):
        ready(bare, data)


@pytest.mark.parametrize(
    ("encoder_decoder", "kind", "processor", "message"),
    [
        (
            True,
            "florence2",
            SimpleNamespace(),
            "a florence2, which does not read a question and its answer",
        ),
        (False, "paligemma", SimpleNamespace(), "a paligemma, which does not read"),
        (False, "llava", SimpleNamespace(), "no processor of images and text together"),
        (False, "llava", tokens(None, None), "neither a padding nor an end token"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(encoder_decoder, kind, processor, message):
    settings = SimpleNamespace(is_encoder_decoder=encoder_decoder, model_type=kind)
    with pytest.raises(ValueError, match=message):
        task.check("folder", settings, processor)


def test_the_end_pads_where_nothing_else_does():
    processor = tokens(None, "<end>")
    task.check("folder", SimpleNamespace(is_encoder_decoder=False, model_type="llava"), processor)
    assert processor.tokenizer.pad_token == "<end>"


def test_no_digit_is_in_both_parts_and_no_new_question_is_a_known_one(monkeypatch):
    monkeypatch.setattr(digit_questions, "drawn", lambda number, domain: number)
    config = Config.of(task="vision_language")
    train, test = parts(config, lambda: digit_questions.new(config))
    assert not {record["image"] for record in train} & {record["image"] for record in test}
    known = {question.text for question in digit_questions.KNOWN.values()}
    assert not known & {record["question"] for record in (*train, *test)}
    for record in test:
        digit = digit_images.digits()[1][record["image"]]
        assert (
            record["answer"]
            == {"next": str((digit + 1) % 10), "less": "yes" if digit < 4 else "no"}[record["kind"]]
        )


def test_the_small_llava_is_made_and_answers(monkeypatch, tmp_path):
    from scaling.pretrained import llava

    monkeypatch.setattr(llava, "STEPS", 2)
    llava.make(tmp_path)
    config = Config.of(task="vision_language", model=str(tmp_path), limit=2)
    read = task.data(config)
    loaded = task.load(config, read)
    assert loaded.fresh == ()
    with torch.no_grad():
        rows = task.predict(
            config, loaded, read, read.test, task.examples(config, loaded, read, read.test), 2
        )
    assert len(rows) == 2
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "llava"

"""A small LLaVA, which answers a few kinds of questions about plain digits: the base of the task
vision_language.

A CLIP vision tower, LLaVA's projector and a Llama, trained together. It has seen none of the test's
digits, and answers 0.97 of the questions it knows about them right.
"""

from pathlib import Path
from typing import Any

from scaling.data.digit_images import SIZE, parted
from scaling.data.digit_questions import KNOWN, NEW, asked
from scaling.data.image_prompts import batch_of, prompt_of
from scaling.pretrained import fit

STEPS, LR = 600, 1e-3
PATCH = 4
IMAGE, END, PAD = "<image>", "<end>", "<pad>"
TEMPLATE = (
    "{% for message in messages %}{{ message.role }} :{% for part in message.content %}"
    "{{ ' <image>' if part.type == 'image' else ' ' + part.text }}{% endfor %}{{ '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}assistant :{% endif %}"
)


def make(folder: Path) -> None:
    from transformers import LlavaForConditionalGeneration, set_seed

    set_seed(0)
    processor = processor_of_words()
    tokenizer = processor.tokenizer
    model = LlavaForConditionalGeneration(architecture(tokenizer))
    assert model.generation_config is not None
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    examples = [
        {
            "prompt": prompt_of(processor, record["question"]),
            "image": record["image"],
            "answer": tokenizer(record["answer"])["input_ids"] + [tokenizer.eos_token_id],
        }
        for record in asked(KNOWN, parted()[0])
    ]
    fit(model, examples, lambda part: batch_of(processor, part, answered=True), steps=STEPS, lr=LR)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def words() -> list[str]:
    """All words of the questions and answers, known and new."""
    asked = [word for question in (KNOWN | NEW).values() for word in question.text.split()]
    return sorted({*asked, *map(str, range(10)), "yes", "no", "user", "assistant", ":"})


def processor_of_words() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPImageProcessor, LlavaProcessor, PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate(("<unk>", PAD, END, IMAGE, *words()))}
    pieces = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[attr-defined]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        unk_token="<unk>",
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[IMAGE],
        model_input_names=["input_ids", "attention_mask"],
    )
    return LlavaProcessor(
        CLIPImageProcessor(size={"height": SIZE, "width": SIZE}, do_center_crop=False),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )


def architecture(tokenizer: Any, width: int = 128) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    sizes: Any = {"hidden_size": width, "intermediate_size": 2 * width}
    sizes |= {"num_hidden_layers": 2, "num_attention_heads": 4}
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            **sizes, image_size=SIZE, patch_size=PATCH, projection_dim=width
        ),
        text_config=LlamaConfig(
            **sizes, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id
        ),
        vision_feature_layer=-1,
        tie_word_embeddings=False,
        **{"image_token_id": tokenizer.convert_tokens_to_ids(IMAGE)},
    )

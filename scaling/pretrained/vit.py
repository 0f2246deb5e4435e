"""A small vision transformer (ViT) that knows plain digits: the base of the task
image_classification.

It has seen none of the test's digits, and of no digit more than the plain picture. It reads 0.99 of
the test's plain pictures right.
"""

from pathlib import Path

from scaling.data.digit_images import SIZE, digits, drawn, parted
from scaling.data.images import decoded
from scaling.pretrained import fit

STEPS, LR = 500, 7e-4
CLASSES = [str(digit) for digit in range(10)]


def make(folder: Path) -> None:
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor, set_seed

    set_seed(0)
    processor = ViTImageProcessor(size={"height": SIZE, "width": SIZE})
    model = ViTForImageClassification(
        ViTConfig(
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            hidden_dropout_prob=0.1,
            image_size=SIZE,
            patch_size=4,
            id2label=dict(enumerate(CLASSES)),
            label2id={name: number for number, name in enumerate(CLASSES)},
        )
    )
    pictures = processor(
        [decoded(drawn(number, "plain")) for number in parted()[0]], return_tensors="pt"
    )
    labels = [digits()[1][number] for number in parted()[0]]
    examples = [
        {"pixel_values": values, "labels": label}
        for values, label in zip(pictures["pixel_values"], labels, strict=True)
    ]
    fit(model, examples, torch.utils.data.default_collate, steps=STEPS, lr=LR)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)

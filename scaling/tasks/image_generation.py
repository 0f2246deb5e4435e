"""Images from classes or texts: the network of a diffusers pipeline learns to draw images like the
training data's.

Columns: image, image label, or image text, as the pipeline asks; by default "image" with "text" or
"label", whichever the first record has. An image is one of the library datasets, or a path, which
counts from the folder of the training data. It is cut to a square, the largest in its middle, and
resized. Labels that the pipeline names have its numbers, whole numbers are classes as they are,
other labels are numbered in their order. Without files: a small diffusion transformer that draws
the digits 0 to 4 learns 5 to 9.

After training an image is drawn for each test record, from its label or text and a seed of its own,
and all of them are compared with the test images, brought to the same size
(scaling/evaluation/judges.py).
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageOps
from torch import Generator, Tensor, nn

from scaling.core.batches import device_of, split
from scaling.core.config import Config
from scaling.core.records import Record, check_columns
from scaling.core.task import Data, Loaded, Task
from scaling.data.columns import columns_of
from scaling.data.data_files import limited, parts
from scaling.data.images import decoded, located
from scaling.evaluation import judges
from scaling.models import diffusion, diffusion_networks, pipelines
from scaling.pretrained import folder_of

TRAIN = 600  # of the 896 digits 5 to 9; the others are for the test
DIGITS = 5  # after the point, of an embedding's numbers in a row
FEATURES = ("embedding", "real")  # of the image that was drawn, and of the test image


@dataclass(frozen=True)
class Options:
    judge: str | None = None
    """A CLIP model that images are embedded by: a folder, or a name on the hub; by default that of
    CMMD's definition, and for the default data a classifier of digits."""
    inference_steps: int = 20
    """Steps in which an image is drawn."""
    guidance: float = 1.0
    """Classifier-free guidance while drawing; 1 is none."""

    def __post_init__(self) -> None:
        if self.inference_steps < 1:
            raise ValueError(f"inference_steps must be at least 1, got {self.inference_steps}")
        if not 1 <= self.guidance < float("inf"):
            raise ValueError(f"guidance must be at least 1 and finite, got {self.guidance}")


class Frozen(NamedTuple):
    """What is not trained: the pipeline besides its network, and the embedding that compares
    images."""

    pipe: Any
    embed: judges.Embed


def data(config: Config) -> Data:
    pipelines.need_diffusers()
    train, test = parts(config, lambda: _digits(config.seed))
    columns = columns_of(config.data.task, config.data.columns, train[0])
    check_columns([*train, *test], columns, columns[1:])
    image, *asked = list(columns)
    labels = {label_of(record, name) for name in asked for record in (*train, *test)}
    facts = {
        "columns": columns,
        "labels": sorted(labels, key=lambda label: (isinstance(label, str), label)),
    }
    found = limited(config, Data(*located(config, (train, test), image), facts))
    if len(found.test) < 2:
        raise ValueError(
            "the test data have one image, and sets of images are compared: at least 2 are needed"
        )
    return found


def label_of(record: Record, column: str) -> int | str:
    return value if isinstance(value := record[column], int) else str(value)


def _digits(seed: int) -> tuple[list[Record], list[Record]]:
    from proxies.instruments.digit_targets import SEEN, digits

    images, labels = digits()
    order = torch.randperm(len(images), generator=Generator().manual_seed(seed)).tolist()
    found = [
        {"image": pillow(images[i].view(1, 8, 8)), "label": int(labels[i])}
        for i in order
        if int(labels[i]) not in SEEN
    ]
    return found[:TRAIN], found[TRAIN:]


def load(config: Config, data: Data) -> Loaded:
    options: Options = TASK.options(config)
    loaded = pipelines.read(config, config.data.model or folder_of("diffusion"))
    model: Any
    model, pipe, fresh = loaded
    wanted = diffusion_networks.asked_by(pipe)
    if wanted and len(data.facts["columns"]) < 2:
        raise ValueError(
            f"the pipeline is asked by {wanted}: name the columns image and {wanted} by --columns"
        )
    if options.inference_steps > (most := pipe.scheduler.config["num_train_timesteps"]):
        raise ValueError(
            f"inference_steps must be at most the scheduler's {most}, got {options.inference_steps}"
        )
    if options.guidance != 1 and not diffusion_networks.can_be_guided(pipe):
        raise ValueError(
            f"guidance must be 1 for a {type(model).__name__}, which draws nothing unasked"
        )
    if config.run.gradient_checkpointing:  # the Trainer knows it by transformers' name
        model.gradient_checkpointing_enable = lambda **_: model.enable_gradient_checkpointing()
    if options.judge is None and config.data.train is None:
        return Loaded(model, Frozen(pipe, judges.digits()), fresh)
    return Loaded(model, Frozen(pipe, judges.clip(config, options.judge or judges.STANDARD)), fresh)


def examples(config: Config, loaded: Loaded, data: Data, records: Sequence[Record]) -> list[Record]:
    pipe, (column, *asked) = loaded.processor.pipe, data.facts["columns"]
    found: list[Record] = [{"image": record[column]} for record in records]
    if diffusion_networks.asked_by(pipe) == "text":
        texts = [str(record[asked[0]]) for record in records]
        return [
            one | {"input_ids": ids}
            for one, ids in zip(found, diffusion_networks.tokens(pipe, texts), strict=True)
        ]
    if diffusion_networks.asked_by(pipe) == "label":
        number = diffusion_networks.numbers(pipe, data.facts["labels"])
        return [
            one | {"class_labels": number[label_of(r, asked[0])]}
            for one, r in zip(found, records, strict=True)
        ]
    return found


def collate(loaded: Loaded) -> Callable[[list[Record]], dict[str, Tensor]]:
    channels, side = diffusion_networks.resolution(loaded.processor.pipe)

    def batch(examples: list[Record]) -> dict[str, Tensor]:
        images = [decoded(example["image"]) for example in examples]
        found = {"pixel_values": torch.stack([pixels(image, channels, side) for image in images])}
        names = [name for name in ("class_labels", "input_ids") if name in examples[0]]
        return found | {
            name: torch.tensor([example[name] for example in examples]) for name in names
        }

    return batch


def pixels(image: Image.Image, channels: int, side: int) -> Tensor:
    """(channels, side, side) in [-1, 1]."""
    square = ImageOps.fit(
        image.convert("L" if channels == 1 else "RGB"), (side, side), Image.Resampling.BICUBIC
    )
    values = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
    return values.view(side, side, channels).movedim(-1, 0) / 127.5 - 1


def pillow(x: Tensor) -> Image.Image:
    """Of (channels, side, side) in [-1, 1]."""
    array = ((x + 1) * 127.5).round().to(torch.uint8).movedim(0, -1).cpu().numpy()
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def loss(loaded: Loaded) -> Callable[[nn.Module, dict[str, Tensor]], Tensor]:
    return diffusion.loss(loaded.processor.pipe.to(device_of(loaded)))


def predict(
    config: Config,
    loaded: Loaded,
    data: Data,
    records: Sequence[Record],
    examples: Sequence[Record],
    batch_size: int,
) -> list[Record]:
    options: Options = TASK.options(config)
    pipe, embed = loaded.processor
    pipe.to(device := device_of(loaded))
    rows: list[Record] = []
    for batch in split(loaded, examples, batch_size, collate(loaded)):
        seeds = range(len(rows), len(rows) + len(batch["pixel_values"]))
        rngs = [Generator().manual_seed(seed) for seed in seeds]
        drawn = diffusion.draw(pipe, batch, rngs, options.inference_steps, options.guidance)
        if not drawn.isfinite().all():
            raise RuntimeError("an image that was drawn is not finite; a lower --lr may help")
        images, real = ([pillow(x) for x in part] for part in (drawn, batch["pixel_values"]))
        for seed, image, *found in zip(
            seeds, images, embed(images, device), embed(real, device), strict=True
        ):
            features = ([round(value, DIGITS) for value in one.tolist()] for one in found)
            rows.append(
                {
                    "seed": seed,
                    "image": _written(image),
                    **dict(zip(FEATURES, features, strict=True)),
                }
            )
    if asked := diffusion_networks.asked_by(pipe):
        for row, record in zip(rows, records, strict=True):
            row[asked] = str(record[data.facts["columns"][1]])
    return rows


def _written(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def metrics(rows: Sequence[Record], data: Data) -> dict[str, float]:
    drawn, real = (torch.tensor([row[name] for row in rows]) for name in FEATURES)
    scores = judges.distances(drawn, real)
    if "label" in rows[0]:
        labels = [row["label"] for row in rows]
        right = [a == b for a, b in zip(labels, judges.nearest(drawn, real, labels), strict=True)]
        scores["fidelity"] = sum(right) / len(right)
    return scores


TASK = Task(
    data,
    load,
    examples,
    collate,
    predict,
    metrics,
    loss,
    quantises=False,
    Options=Options,
)

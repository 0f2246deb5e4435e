"""Pictures that are on every machine with this project: scikit-learn's digits, in several domains.

The 1797 digits are parted once, whatever the seed: those of the test are trained on by no task, in
no domain, and no model of scaling.pretrained has seen them. A domain is a way to draw a digit, and
draws the same one alike each time.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from scaling.core.config import Config
from scaling.core.records import Record
from scaling.data.data_files import Parts

SIZE = 16  # of a picture, twice that of scikit-learn's
TEST = 360  # digits


@cache
def digits() -> tuple[np.ndarray, list[int]]:
    """Grey pictures of 8 bits, and which digit each is."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    return (found.images * (255 / 16)).astype(np.uint8), found.target.tolist()


def parted() -> tuple[list[int], list[int]]:
    """The numbers of the pictures for training and of those for the test."""
    order = np.random.default_rng(0).permutation(len(digits()[1])).tolist()
    return order[TEST:], order[:TEST]


def plain(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture


def inverted(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.invert(picture)


def rotated(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """By 20 to 40 degrees to either side: a six stays a six."""
    return picture.rotate(rng.uniform(20, 40) * rng.choice([-1, 1]), Image.Resampling.BICUBIC)


def noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    values = np.asarray(picture, dtype=np.float64)
    return Image.fromarray((values + rng.normal(0, 60, values.shape)).clip(0, 255).astype(np.uint8))


def thick(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.filter(ImageFilter.MaxFilter(3))


def striped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """On a ground of grey stripes from corner to corner."""
    stripes = (np.indices((SIZE, SIZE)).sum(0) + rng.integers(4)) % 4 < 2
    return Image.fromarray(
        np.maximum(np.asarray(picture), stripes.astype(np.uint8) * np.uint8(160))
    )


DOMAINS = {draw.__name__: draw for draw in (plain, inverted, rotated, noisy, thick, striped)}


def drawn(number: int, domain: str) -> Image.Image:
    picture = Image.fromarray(digits()[0][number]).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return DOMAINS[domain](picture, np.random.default_rng([number, *domain.encode()]))


def in_domains(config: Config) -> Parts:
    """{"image", "label", "domain"}: each digit in each domain but the plain one."""
    train, test = (
        [
            {"image": drawn(number, domain), "label": str(digits()[1][number]), "domain": domain}
            for number in part
            for domain in DOMAINS
            if domain != "plain"
        ]
        for part in parted()
    )
    return split_held_out(config, train, test)


def split_held_out(config: Config, train: list[Record], test: list[Record]) -> Parts:
    """What the parts keep where the config holds values of a column out: the training digits
    without these values, the test digits with them. To hold out all records of a domain would train
    on the tested digits in the other ones."""
    if not config.data.hold_out:
        return train, test
    column, *values = config.data.hold_out
    return (
        [record for record in train if str(record.get(column)) not in values],
        [record for record in test if str(record.get(column)) in values],
    )

"""Images of records: found and checked when the data are read, decoded only when a batch is made.

An image is a path, a {"bytes", "path"} as the library datasets gives it, or a PIL image.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from scaling.core.config import Config
from scaling.core.records import Record, check_columns, place
from scaling.data.data_files import Parts


def located(config: Config, parts: Parts, column: str) -> Parts:
    """The records, with a path relative to the data's file or folder made whole; raises ValueError
    naming the first image that is missing or is none."""
    train, test = config.data.train, config.data.test
    own = test if test is not None and Path(test).exists() else train
    return _located(parts[0], column, train), _located(parts[1], column, own)


def _located(records: Sequence[Record], column: str, source: str | None) -> list[Record]:
    check_columns(records, [column])
    folder = (
        Path()
        if source is None
        else Path(source).parent
        if Path(source).is_file()
        else Path(source)
    )
    found = []
    for number, record in enumerate(records, 1):
        image = str(folder / record[column]) if isinstance(record[column], str) else record[column]
        try:
            with _opened(image):  # reads what kind of image it is, and nothing of the picture
                found.append(record | {column: image})
        except (OSError, TypeError) as error:
            raise ValueError(
                f"{place(record, number)}: {column!r} is not an image that can be read: {error}"
            ) from error
    return found


def decoded(image: Any) -> Image.Image:
    """The picture in red, green and blue, the way up that a camera noted; raises ValueError for a
    damaged one."""
    try:
        with _opened(image) as picture:
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError) as error:  # the latter of a PNG's parts
        name = image["path"] if isinstance(image, dict) else image
        raise ValueError(f"the image {name} is damaged: {error}") from error


def _opened(image: Any) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, dict) and image.keys() == {"bytes", "path"}:
        return Image.open(image["path"] if image["bytes"] is None else io.BytesIO(image["bytes"]))
    if isinstance(image, str):
        return Image.open(image)
    raise TypeError(f"expected a path or bytes, got {type(image).__name__}")

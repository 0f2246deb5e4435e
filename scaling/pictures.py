"""Images as data sets have them, to PIL."""

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps


def picture(value: Any, folder: Path | None = None) -> Image.Image:
    """The image of a record, decoded: one of PIL's, {"bytes", "path"} as in the library datasets, or a path, which
    counts from `folder`. Raises ValueError for one that is not there, or no image."""
    if isinstance(value, Image.Image):
        return value
    data, name = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (None, value)
    file = Path(folder or "", str(name))
    try:
        with Image.open(file if data is None else io.BytesIO(data)) as image:
            return ImageOps.exif_transpose(image)
    except (OSError, TypeError) as error:
        raise ValueError(f"the image {file} cannot be read: {' '.join(str(error).split())[:200]}") from error

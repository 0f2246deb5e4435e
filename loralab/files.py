"""Files that are whole or not there: whoever reads one never meets half of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A path in the file's folder to write to, which becomes the file when the block ends.

    Its name is nobody else's, so two processes that write the same file do not mix. On an error it
    is removed, and what the file held before stays.

    Args:
        file: where the file will be; its folder must be there.
    """
    partial = file.with_name(f".{file.name}.{uuid4().hex}.partial")
    try:
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write the text as the file's whole content, in UTF-8."""
    with whole(file) as partial:
        partial.write_text(text, encoding="utf-8")

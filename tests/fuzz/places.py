"""What may lie where a file should."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

Place = Callable[[Path], None]


def _socket(path: Path) -> None:
    """In the folder itself, since the path of a socket is short."""
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(here)


PLACES: dict[str, Place] = {
    "a FIFO": lambda path: os.mkfifo(path),
    "a folder": lambda path: path.mkdir(),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to the folder": lambda path: path.symlink_to("."),
    "a socket": _socket,
    "nothing": lambda path: None,
    "an empty file": lambda path: path.touch(),
    "a hole of 64 MB": lambda path: (path.touch(), os.truncate(path, 2**26))[0],
}

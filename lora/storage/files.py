"""The files of a folder: replaced together, by one process at a time, and read while nobody writes.

No file system replaces two files in one step. So all are written and forced to disk under other
names first, and then renamed back to back. Where the settings and the weights both change, the
earlier settings are moved away before the weights are replaced: whoever looks in between, or after
a kill in between, finds weights without settings, which PEFT refuses, and never one adapter's
settings beside another's weights.

The lock is on the folder itself and leaves no file behind. It is between processes, and between
threads, since each call opens the folder anew; it ends with the process that holds it. Where the
system has no such lock (Windows, some network file systems) each file is still whole.
"""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

CONFIG, WEIGHTS, CARD = "adapter_config.json", "adapter_model.safetensors", "README.md"
Content = Sequence[bytes | memoryview]  # one piece after another


@contextmanager
def locked(folder: Path, shared: bool = False) -> Iterator[bool]:
    """Hold the folder's lock, `shared` with other readers; gives whether the system has one."""
    if fcntl is None:
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            yield False
            return
        try:
            yield True
        finally:  # closing would not do where a process was forked meanwhile
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def replace_together(folder: Path, contents: Mapping[str, Content]) -> None:
    """Give the files of these names their new contents; a link is replaced, not followed.

    On an error they are as before. What earlier processes left half-written is removed.
    """
    with locked(folder) as held:
        if held:  # then nobody is writing here
            for name in contents:
                for leftover in folder.glob(f".{name}.*.partial"):
                    with suppress(OSError):  # another user's
                        leftover.unlink()
        partial: dict[str, Path] = {}
        try:
            for name, content in contents.items():
                if name == WEIGHTS or not _holds(folder / name, content):
                    partial[name] = _beside(folder, name)
                    _write(partial[name], content)
            _rename(folder, partial)
        finally:
            for path in partial.values():
                path.unlink(missing_ok=True)
        _sync(folder)


def _rename(folder: Path, partial: Mapping[str, Path]) -> None:
    """Put the files in place, at no moment the settings beside the weights of another adapter."""
    settings, aside = folder / CONFIG, None
    if {CONFIG, WEIGHTS} <= partial.keys() and os.path.lexists(settings):
        aside = settings.rename(_beside(folder, CONFIG))
    try:
        if WEIGHTS in partial:
            partial[WEIGHTS].replace(folder / WEIGHTS)
    except OSError:
        if aside:
            aside.replace(settings)
        raise
    for name in partial.keys() - {WEIGHTS}:
        partial[name].replace(folder / name)
    if aside:
        aside.unlink()


def _beside(folder: Path, name: str) -> Path:
    return folder / f".{name}.{secrets.token_hex(8)}.partial"


def _write(path: Path, content: Content) -> None:
    with path.open("xb") as file:  # a new file: whatever has this name, a link too, is an error
        file.writelines(content)
        file.flush()
        os.fsync(file.fileno())


def _holds(path: Path, content: Content) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    same_size = path.stat().st_size == sum(map(len, content))
    return same_size and path.read_bytes() == b"".join(content)


def _sync(folder: Path) -> None:
    """Force the renaming itself to disk, where the system can."""
    if fcntl is not None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

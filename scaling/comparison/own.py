"""Initializations and variants of the user's: rows that a script has added to the tables of `lora`.

Their code is part of what a trial is, so an edit of it makes another trial; and the processes that
compute trials, which import `lora` as it is, are given them.
"""

import ast
import hashlib
import importlib.util
import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import cloudpickle

from lora.schemes import SCHEMES
from lora.variants import VARIANTS
from loralab.code import OWN, ROOT
from scaling.core.quiet import mute

TABLES: dict[str, dict[str, Any]] = {"scheme": SCHEMES, "variant": VARIANTS}
LIBRARY = ROOT / "lora"
# what stands there is known by its version, or is part of a trial's code anyway
INSTALLED = [
    *{Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")},
    *(ROOT / name for name in OWN),
]


class Own(NamedTuple):
    """A row: the setting that names it, its name, and what stands there."""

    setting: str
    name: str
    row: Any

    @property
    def made_by(self) -> Any:
        """The function or class that the row is about."""
        made: Any = inspect.unwrap(getattr(self.row, "rule", self.row))
        return getattr(made, "func", made)  # of a partial one

    @property
    def file(self) -> Path | None:
        """Where that is written; None in a notebook or a prompt."""
        try:
            file = Path(inspect.getfile(self.made_by))
        except (TypeError, OSError):  # of a class or function without one
            return None
        return file if file.is_file() else None

    @property
    def files(self) -> list[Path]:
        """The file, and what it imports of the user's own, directly or not."""
        return sorted(_imported(self.file, set())) if self.file is not None else []

    @property
    def code(self) -> str:
        """A hash of its files, else of what it and the functions that it names do."""
        if files := self.files:
            done = b"".join(file.read_bytes() for file in files)
        else:
            done = repr(list(_done(self.made_by, set()))).encode()
        return hashlib.sha256(done).hexdigest()[:16]


def rows(settings: Mapping[str, Any]) -> list[Own]:
    """Those that a run with these settings uses, none of the library."""
    named = [Own(setting, settings[setting], table) for setting, table in TABLES.items()]
    found = [Own(each.setting, each.name, each.row.get(each.name)) for each in named]
    return [
        each
        for each in found
        if each.row is not None
        if each.file is None or not each.file.is_relative_to(LIBRARY)
    ]


def code(settings: Mapping[str, Any]) -> str:
    """The code of the rows that a run with these settings uses; "" where there are none."""
    return "".join(f"{each.setting} {each.name} {each.code}" for each in rows(settings))


class Carried:
    """A trial with the rows that it needs, for a process that lacks them, and without a word.

    What makes them goes there by its code and not by its name: a worker may have imported it as it
    was before an edit.
    """

    def __init__(self, trial: Callable[..., Any], needed: list[Own]) -> None:
        self.trial, self.needed, self.__name__ = trial, needed, trial.__name__

    def __getstate__(self) -> dict[str, Any]:
        files = {str(file) for each in self.needed for file in each.files}
        by_name = [
            module
            for name, module in sys.modules.copy().items()
            if name not in ("__main__", "__mp_main__")
            if (file := getattr(module, "__file__", None)) and str(Path(file).resolve()) in files
        ]
        for module in by_name:
            cloudpickle.register_pickle_by_value(module)
        try:
            return vars(self) | {"needed": cloudpickle.dumps(self.needed)}
        finally:
            for module in by_name:
                cloudpickle.unregister_pickle_by_value(module)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, needed=cloudpickle.loads(state["needed"]))

    def __call__(self, **arguments: Any) -> Any:
        for setting, name, row in self.needed:
            TABLES[setting][name] = row
        with mute():
            return self.trial(**arguments)


def _imported(file: Path, seen: set[Path]) -> set[Path]:
    """The file and the user's own that it imports; none that is installed, and none of the
    library."""
    file = file.resolve()
    if file in seen or any(file.is_relative_to(place) for place in INSTALLED):
        return seen
    seen.add(file)
    package = next((m for m in sys.modules.copy().values() if _is_of(m, file)), None)
    for name in _names(file, getattr(package, "__package__", None)):
        if (found := _file_of(name)) and found.suffix == ".py":
            _imported(found, seen)
    return seen


def _file_of(name: str) -> Path | None:
    """Where a module of this dotted name is written; none of a value. Nothing is imported."""
    loaded = getattr(sys.modules.get(name), "__file__", None)
    if loaded:
        return Path(loaded)
    spec, parts = None, name.split(".")
    for end in range(1, len(parts) + 1):
        places = None if spec is None else spec.submodule_search_locations
        if end > 1 and places is None:  # what is no package has no modules
            return None
        spec = PathFinder.find_spec(".".join(parts[:end]), places)
        if spec is None:
            return None
    return Path(spec.origin) if spec and spec.origin else None


def _is_of(module: Any, file: Path) -> bool:
    path = getattr(module, "__file__", None)
    return bool(path) and Path(path).name == file.name and Path(path).resolve() == file


def _names(file: Path, package: str | None) -> Iterator[str]:
    """The dotted names that a file imports; `from a import b` gives both a and a.b."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:  # of a file that nothing has imported yet
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            source = "." * node.level + (node.module or "")
            source = importlib.util.resolve_name(source, package) if node.level else source
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _done(made_by: Any, seen: set[Any]) -> Iterator[Any]:
    """What a function or a class, and the functions that they name, do; nothing of where they were
    typed."""
    functions = vars(made_by).values() if isinstance(made_by, type) else [made_by]
    for function in functions:
        if isinstance(function, FunctionType) and function not in seen:
            seen.add(function)
            yield function.__defaults__, function.__kwdefaults__
            yield from _instructions(function.__code__)
            for name in function.__code__.co_names:
                yield from _done(function.__globals__.get(name), seen)


def _instructions(code: CodeType) -> Iterator[Any]:
    yield code.co_code, code.co_names, code.co_varnames
    for constant in code.co_consts:
        yield from _instructions(constant) if isinstance(constant, CodeType) else [constant]

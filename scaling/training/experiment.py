"""One experiment as a file that `loralab finetune`, `sweep`, `advise` and `init` all read.

The file is YAML, with the names of the flags, or JSON: the run.json of a run's folder and the
sweep.json of a sweep's are such files. It may hold the settings of all four commands, and each
takes those that it has a use for. Under `methods`, for sweep, it names the settings in which each
method differs:

    model: folder-or-hub-name
    steps: 60
    schemes: [init_a, eva]
    methods:
      B alone: {scheme: orthogonal, train_a: false, rank: 16}
"""

import importlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from loralab import DOOR
from loralab.flags import Group
from loralab.names import nearest
from loralab.values import typed
from scaling.core.settings import GROUPS

COMMANDS = ("finetune", "sweep", "advise", "init")
METHODS = "methods"
GRID = (
    "grid"  # the group of a sweep's flags that belongs to the experiment as the run's settings do
)
Named = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class File:
    """The experiment as a file, the same one for finetune, sweep, advise and init."""

    file: Path | None = None
    """A YAML file with the names of the flags, which win over it; or the run.json of a run."""
    print_config: bool = False
    """Print the experiment as such a file, with every default, and do nothing else."""


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping in which no name may stand twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} stands in it twice")
        found[key] = value
    return found


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as the number that it is in YAML 1.2, every name as a text, and none twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        _once((key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        made = super().construct_mapping(node, deep=True)
        return {str(key): value for key, value in made.items()}


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads, a list on one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: Any = None) -> Any:
        return super().represent_sequence(tag, sequence, flow_style=True)

    def represent_str(self, data: str) -> Any:
        """Line ends of Unicode as escapes: YAML reads one that stands there as a space."""
        style = '"' if {*"\x85\u2028\u2029"} & {*data} else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


def groups_of(command: str) -> dict[str, Group]:
    """The flags of one of the four commands."""
    return importlib.import_module(DOOR[command]).GROUPS


def read(file: Path, groups: Mapping[str, Group]) -> dict[str, Any]:
    """The settings of a file by name, of the types that the flags have, and its `methods`.

    Args:
        file: YAML, or JSON where it is called so.
        groups: the flags of the command that reads it, whose types count first.

    Raises: ValueError for a file that is missing, is neither, or holds an unknown setting or a
        wrong value.
    """
    kinds = _kinds(groups)
    content = {str(key).replace("-", "_"): value for key, value in _content(file).items()}
    methods = content.pop(METHODS, None) or {}
    if not isinstance(methods, dict) or not all(isinstance(own, dict) for own in methods.values()):
        raise ValueError(
            f"{file}: methods must hold, by a name, the settings in which each differs"
        )
    found = _typed(file, "", content, kinds)
    for label, own in methods.items():
        _typed(file, f"method {label!r}: ", own, kinds)
    return found | ({METHODS: methods} if methods else {})


def filled(groups: Mapping[str, Group], values: Mapping[str, Any]) -> dict[str, Group]:
    """The flags with these values as their defaults."""
    return {
        name: replace(
            group,
            defaults={
                **group.defaults,
                **{f.name: values[f.name] for f in fields(group.kind) if f.name in values},
            },
        )
        for name, group in groups.items()
    }


def written(
    groups: Mapping[str, Group], values: Mapping[str, Any], others: Mapping[str, Any]
) -> str:
    """The file that `read` reads these values from: the settings of the run with every default, so
    that it means the same under another version, and of what else the command has what differs
    from its default.

    Args:
        groups: the flags of the command, with their own defaults.
        values: of the flags, by name.
        others: what was read for the other commands, and the methods.
    """
    parts = []
    for name, group in groups.items():
        whole = name == GRID or name in GROUPS
        own = {
            f.name: values[f.name]
            for f in fields(group.kind)
            if group.kind is not File and (whole or values[f.name] != group.default(f))
        }
        if own:
            parts.append(f"# {name}\n{_dumped(own)}")
    if others:
        parts.append(f"# of sweep, finetune, advise or init alone\n{_dumped(others)}")
    return "\n".join(parts)


def _dumped(values: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(values, default=str))  # tuples are lists, and paths texts
    return yaml.dump(
        plain,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


def _kinds(groups: Mapping[str, Group]) -> dict[str, Any]:
    """The type of every setting that one of the four commands has."""
    every = [groups, *map(groups_of, COMMANDS)]
    found: dict[str, Any] = {}
    for group in (group for each in every for group in each.values() if group.kind is not File):
        found = group.hints() | found
    return found


def _typed(
    file: Path, of: str, content: Mapping[str, Any], kinds: Mapping[str, Any]
) -> dict[str, Any]:
    found = {}
    for name, value in content.items():
        if name not in kinds:
            close = nearest(name, (*kinds, METHODS))
            raise ValueError(f"{file}: {of}there is no setting {name!r}{close}")
        if value is None:
            continue  # the default
        try:
            found[name] = typed(kinds[name], value)
        except ValueError as error:
            raise ValueError(
                f"{file}: {of}{name} must be {error}, got {repr(value)[:100]}"
            ) from error
    return found


def _content(file: Path) -> dict[str, Any]:
    kind = "JSON" if file.suffix == ".json" else "YAML"
    try:
        text = file.read_text(encoding="utf-8")
        if kind == "JSON":
            content = json.loads(text, object_pairs_hook=_once)
        else:
            content = yaml.load(text, _Loader)
    except OSError as error:
        raise ValueError(f"cannot read the experiment {file}: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(f"{file} is not {kind}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold settings by name, got {type(content).__name__}")
    return content

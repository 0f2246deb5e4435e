"""A sweep as one YAML file: the names of the flags, and under `methods` what flags cannot say."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

METHODS = "methods"
Named = dict[str, dict[str, Any]]


class _Loader(yaml.SafeLoader):
    """Reads 1e-3 as the number that it is in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read(file: Path, defaults: Mapping[str, Any]) -> tuple[list[str], Named]:
    """The file's settings as flags, and its methods by label.

    Args:
        file: the YAML file.
        defaults: every setting that a flag may set, with its default.

    Raises: ValueError for a file that is missing, is not YAML, or holds an unknown setting.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ValueError(f"cannot read the sweep {file}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold settings by name, got {type(content).__name__}")
    methods = content.pop(METHODS, None) or {}
    if not isinstance(methods, dict) or not all(isinstance(own, dict) for own in methods.values()):
        raise ValueError(
            f"{file}: methods must hold, by a name, the settings in which each differs"
        )
    arguments: list[str] = []
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name not in defaults:
            from lora.patterns import suggestion

            raise ValueError(
                f"{file}: there is no setting {key!r}{suggestion(name, (*defaults, METHODS))}"
            )
        arguments += _flag(name.replace("_", "-"), value, defaults[name])
    return arguments, {str(label): own for label, own in methods.items()}


def _flag(name: str, value: Any, default: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        if value == default:
            return []
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    return [f"--{name}", *map(str, value if isinstance(value, list) else [value])]

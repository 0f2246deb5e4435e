"""What a claim points to: does it exist?"""

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from loralab.code import ROOT
from loralab.families import proxies

CLAIMS = {claim.id: claim for family in proxies() for claim in family.claims}
NUMBERED = re.compile(r"(?P<module>[\w.]+) (?P<number>\(\d+\w?\))")


def object_of(path: str) -> Any:
    """What a dotted path names: a module, or an attribute of one."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@cache
def functions_of(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def has_equation(equation: str) -> bool:
    if not equation:
        return True  # no theory of this project speaks of it
    try:
        if numbered := NUMBERED.fullmatch(equation):
            module = importlib.import_module(numbered["module"])
            return numbered["number"] in (module.__doc__ or "")
        object_of(equation)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def has_test(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / file
    return file.startswith("tests/") and path.is_file() and name in functions_of(path)

"""Docstrings as mkdocstrings reads them: mathematics in brackets is no link."""

import re
from typing import Any

import griffe


class Mathematics(griffe.Extension):
    """Of [B, B0] [A; A0] Markdown would make a reference, which leads nowhere."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            lines = obj.docstring.value.split("\n")
            obj.docstring.value = "\n".join(
                line if line.startswith("    ") else re.sub(r"\](\s?)\[", r"]\1\[", line)
                for line in lines
            )

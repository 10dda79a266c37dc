"""An extension of Griffe for the Python reference: shows the examples of docstrings as code."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^Example:\n((?:    .*\n|\n)+)", re.MULTILINE)


def with_code(docstring: str) -> str:
    """The docstring with what stands under `Example:` as a code block."""
    return EXAMPLE.sub(
        lambda found: f"**Example**\n\n```python\n{dedented(found[1])}\n```\n\n", docstring + "\n"
    )


def dedented(text: str) -> str:
    return re.sub("^    ", "", text, flags=re.MULTILINE).strip("\n")


class CodeOfExamples(griffe.Extension):
    """Changes docstrings when they are read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = with_code(obj.docstring.value)

"""The list of the bundled files, from table.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """One bundled file.

    Attributes:
        name: what `--style` calls it; the file is NAME.safetensors.
        painting, painter, year: what it was trained on; "" and 0 for the base.
        parameters: number of them.
        bytes, sha256: of the file.
    """

    name: str
    painting: str
    painter: str
    year: int
    parameters: int
    bytes: int
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return FOLDER / f"{self.name}.safetensors"


def read_table(path: Path = FOLDER / "table.toml") -> dict[str, Entry]:
    """The bundled weights by name."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Entry(name=name, **entry) for name, entry in table.items()}


def write_table(entries: Mapping[str, Entry], path: Path = FOLDER / "table.toml") -> None:
    """Writes the table anew: the styles in the order of their names, then all else."""
    lines = [
        "# The bundled weights: one table for each file NAME.safetensors beside this one. Cards: README.md."
    ]
    for entry in sorted(entries.values(), key=lambda entry: (not entry.painting, entry.name)):
        lines += ["", f"[{entry.name}]"]
        values = {name: value for name, value in asdict(entry).items() if name != "name"}
        lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


WEIGHTS = read_table()
STYLES = {name: entry for name, entry in WEIGHTS.items() if entry.painting}

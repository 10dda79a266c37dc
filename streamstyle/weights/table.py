"""The table of bundled weights, from table.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Entry:
    """One bundled weights file.

    Attributes:
        name: as used by `--style`; the file is NAME.safetensors.
        painting, painter, year: the style painting; "" and 0 for the base and the feature network.
        parameters: number of parameters.
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
        """Path of the file."""
        return FOLDER / f"{self.name}.safetensors"


def read_table(path: Path = FOLDER / "table.toml") -> dict[str, Entry]:
    """The bundled weights by name."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: Entry(name=name, **entry) for name, entry in table.items()}


def write_table(entries: Mapping[str, Entry], path: Path = FOLDER / "table.toml") -> None:
    """Rewrites the table: styles sorted by name, then everything else."""
    lines = [
        "# The bundled weights: one table for each file NAME.safetensors next to this one. Cards: README.md."
    ]
    for entry in sorted(entries.values(), key=lambda entry: (not entry.painting, entry.name)):
        lines += ["", f"[{entry.name}]"]
        values = {name: value for name, value in asdict(entry).items() if name != "name"}
        lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


WEIGHTS = read_table()
STYLES = {name: entry for name, entry in WEIGHTS.items() if entry.painting}

"""`.npy` files: read, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.arrays import read_array
from streamstyle.effects.dream.objectives import read_direction
from streamstyle.errors import InputError
from streamstyle.optical_flow import read_flow

HEADERS = {  # of damaged files; the header is parsed as Python
    "open bracket": "{'descr': '<f4', 'fortran_order': False, 'shape': (2,",
    "indented": "  {\n      1\n   2}",
    "unhashable": "{[]: 1}",
    "keys of two types": "{'descr': '<f4', 1: False, 'shape': (2,)}",
    "too many": "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    "no type": "{'descr': '<q9', 'fortran_order': False, 'shape': (2,)}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
}


def damaged(path: Path, header: str) -> Path:
    """A file with a header that is wrong, and some numbers behind it."""
    text = header.encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(64))
    return path


def test_an_array_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy"), [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_damage_is_told_in_one_line_that_names_the_file(header: str, tmp_path: Path) -> None:
    path = damaged(tmp_path / "1.npy", header)
    for read in (read_array, read_flow, lambda path: read_direction(path, 2)):
        with pytest.raises(InputError, match=r"1\.npy: not a readable [^\n]+$"):
            read(path)


def test_a_file_of_several_arrays_is_no_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", a=np.ones(2), b=np.ones(2))
    path = (tmp_path / "many.npz").rename(tmp_path / "one.npy")
    with pytest.raises(InputError, match=r"one\.npy: not a readable"):
        read_direction(path, 2)


def test_a_damaged_direction_is_refused_with_code_3(tmp_path: Path) -> None:
    path = damaged(tmp_path / "d.npy", HEADERS["open bracket"])
    source = Path(__file__).parents[1] / "samples" / "ink.png"
    given = ["dream", str(source), str(tmp_path / "o.png"), "--layer", f"part:{path}", "--max-size", "64"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 3 and done.stderr.startswith(f"error: {path}: not a readable .npy file")

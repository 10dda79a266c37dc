"""Loading and saving the style predictor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from streamstyle.networks.style_predictor import StylePredictor
from streamstyle.weights.table import WEIGHTS
from streamstyle.weights.weights_files import check_sha256, fill, read_safetensors, write_network

PREDICTOR = "predictor"  # its name in the table


@lru_cache(1)
def load_predictor(path: Path | None = None) -> StylePredictor:
    """The style predictor in evaluation mode, on the CPU; do not change it.

    Args:
        path: its file; by default the bundled one.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    if path is None:
        entry = WEIGHTS[PREDICTOR]
        check_sha256(entry.path, entry.sha256)
        path = entry.path
    tensors, _ = read_safetensors(path)
    predictor = StylePredictor()
    fill(predictor, tensors, path)
    return predictor.requires_grad_(False).eval()


def save_predictor(path: Path, predictor: StylePredictor, metadata: Mapping[str, str]) -> None:
    """Writes a style predictor in half precision, atomically.

    Raises:
        OutputError: the file cannot be written.
        ValueError: a weight is not finite in half precision.
    """
    write_network(path, predictor, {**metadata, "architecture": "style_predictor"})

"""Predicts the style network of a painting and writes it to a file."""

from __future__ import annotations

from pathlib import Path

from streamstyle.arbitrary_styles import predicted_style
from streamstyle.errors import UsageError
from streamstyle.files import refuse_overwrite, refuse_same_file
from streamstyle.styles import save_style


def predict(painting: str | Path, output: str | Path, *, overwrite: bool = False) -> None:
    """Predicts a style network from a painting and writes it.

    Example:
        from streamstyle import predict

        predict("samples/painting.png", "predicted.safetensors")

    Args:
        painting: image file.
        output: weights file to write, .safetensors.
        overwrite: replace an existing output.

    Raises:
        UsageError: the output exists or is not named .safetensors.
        InputError: the painting cannot be read, is too small or has one color only.
        OutputError: the output cannot be written.
    """
    painting, output = Path(painting), Path(output)
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: expected a name that ends in .safetensors")
    refuse_overwrite(output, overwrite)
    refuse_same_file(painting, output)
    style = predicted_style(painting)
    save_style(output, style.network, style.metadata)

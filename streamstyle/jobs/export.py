"""Exports a style as an ONNX model for use in other programs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle import __version__
from streamstyle.effects.stylize.effect import Style
from streamstyle.errors import StreamstyleError, UsageError
from streamstyle.files import real_target, refuse_overwrite, write_whole
from streamstyle.inference.onnx_export import INPUT, exported
from streamstyle.keyframes import NONE, keyframes_of
from streamstyle.networks import StyleNetwork
from streamstyle.styles import load_style

TOLERANCE = 1 / 255  # largest difference to the network in PyTorch, a step of 8 bits
CHECKED_SIZE = 128, 192  # height and width of the picture on which it is measured, unless the size is fixed


class Blended(StyleNetwork):
    """A style network whose result is blended with the source.

    Args:
        network: the style network.
        share: of its result, 0 to 1.
    """

    def __init__(self, network: StyleNetwork, share: float) -> None:
        super().__init__()
        self.network, self.share = network, share
        self.multiple, self.minimum = network.multiple, network.minimum

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same shape."""
        result: Tensor = torch.lerp(image, self.network(image), self.share)
        return result


def export(
    style: str,
    output: Path,
    *,
    strength: float = 1.0,
    size: tuple[int, int] | None = None,
    overwrite: bool = False,
) -> float | None:
    """Export a style as an ONNX model: (1, 3, H, W) float32 RGB in [0, 1] in and out.

    Args:
        style: a name, weights file or mixture; the networks of a mixture are mixed by their weights.
        output: to write, NAME.onnx. What is known of the style is stored in it.
        strength: 0 to 1, as of `stylize`.
        size: width and height of the images; None: any multiples of 8 (4 for networks by Johnson).
        overwrite: replace an existing output.

    Returns:
        The largest difference to PyTorch's result, of values in [0, 1]; None if ONNX Runtime is missing.

    Raises:
        UsageError: a value is not allowed, a package is missing, or the styles cannot be mixed to a network.
        InputError: a weights file cannot be read.
        OutputError: the output cannot be written.
        StreamstyleError: ONNX Runtime computes something else than PyTorch.
    """
    if output.suffix.lower() != ".onnx":
        raise UsageError(f"{output}: expected a name that ends in .onnx")
    refuse_overwrite(output, overwrite)
    real_target(output)
    if missing := [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]:
        raise UsageError(f"export needs {', '.join(missing)}: pip install 'streamstyle[export]'")
    network = network_of(style, strength)
    if size is not None and any(side % network.multiple or side < network.minimum for side in size):
        allowed = f"multiples of {network.multiple}, at least {network.minimum}"
        raise UsageError(f"--size {size[0]}x{size[1]}: expected {allowed}")
    shape = None if size is None else (size[1], size[0])
    with torch.inference_mode(False), torch.no_grad():
        model = exported(network, shape)
    for name, value in properties(style, strength, network).items():
        model.metadata_props.add(key=name, value=value)
    data = model.SerializeToString()
    difference = difference_to(network, data, *(shape or CHECKED_SIZE))
    if difference is not None and difference > TOLERANCE:
        raise StreamstyleError(
            f"{output}: not written, as ONNX Runtime differs by {difference:.4f} from PyTorch"
        )
    write_whole(output, data)
    return difference


def network_of(style: str, strength: float) -> StyleNetwork:
    """The network of a style or mixture, on the CPU.

    Raises:
        UsageError, InputError: as `export`.
    """
    parameters = keyframes_of(style, strength=strength).start
    if NONE in parameters.style or strength == 0:
        raise UsageError(f"{style} at strength {strength:g}: the source has no network to export")
    families = Style(style, mix_by="weights", device="cpu").families
    if len(families) > 1:
        raise UsageError(f"{style}: only styles trained from the same base can be mixed to a network")
    network, share = families[0].network_at(parameters), families[0].blend(parameters)
    return network if share == 1 else Blended(network, share)


def properties(style: str, strength: float, network: StyleNetwork) -> Mapping[str, str]:
    """What is stored in the model: how to use it, and what is known of its styles."""
    known = {
        "streamstyle": __version__,
        "style": style,
        "strength": f"{strength:g}",
        "image": f"RGB in [0, 1]; height and width multiples of {network.multiple}",
    }
    names = keyframes_of(style).styles()
    for name in names:
        prefix = f"{name}." if len(names) > 1 else ""
        known |= {f"{prefix}{key}": value for key, value in sorted(load_style(name).metadata.items())}
    return known


def difference_to(network: StyleNetwork, model: bytes, height: int, width: int) -> float | None:
    """The largest difference between PyTorch and ONNX Runtime on a picture; None if the latter is missing."""
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    blobs = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    picture = F.interpolate(blobs, (height, width), mode="bicubic").clamp(0, 1)
    session: Any = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {INPUT: picture.numpy()})
    with torch.inference_mode():
        return float((torch.from_numpy(result) - network(picture)).abs().max())

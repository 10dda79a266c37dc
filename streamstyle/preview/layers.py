"""A contact sheet of dreams: each layer of a network, or each channel of a layer, on one image."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from streamstyle.contact_sheet import Cell, sheet
from streamstyle.device import choose, download, upload
from streamstyle.effects.dream.ascent import Ascent
from streamstyle.effects.dream.effect import Dream
from streamstyle.effects.dream.objectives import PROBE
from streamstyle.errors import UsageError
from streamstyle.files import refuse_overwrite, refuse_same_file
from streamstyle.frames import Frame, Moment
from streamstyle.sinks.images import StillSink
from streamstyle.sources import first_frame
from streamstyle.weights import load_features

SIDE = 256  # pixels, the longer side of each dream
COLUMNS = 6


def names_of(features: str) -> dict[str, int]:
    """The layers of a network, from the input upwards, with their numbers of channels.

    Raises:
        UsageError, InputError: as `weights.load_features`.
    """
    network = load_features(features)
    with torch.no_grad():
        found = network(torch.zeros(1, 3, PROBE, PROBE))
    return {name: found[name].shape[1] for name in network.layers}


def atlas(
    output: Path,
    *,
    features: str = "distilled",
    image: Path | None = None,
    layer: str | None = None,
    channels: Sequence[int] | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> None:
    """Writes a labeled contact sheet of dreams.

    Args:
        output: image to write.
        features: feature network, a name or file.
        image: the image to dream on; None = gray with a little noise.
        layer: the layer whose channels to show; None = each layer as a whole.
        channels: numbers of the channels; those that do not exist are skipped.
        device: see `device.choose`.
        overwrite: replace the output.

    Raises:
        UsageError: the output exists, or there is no such layer or channel.
        InputError: the image or the network cannot be read.
        OutputError: the sheet cannot be written.
    """
    if image is not None:
        refuse_same_file(image, output)
    refuse_overwrite(output, overwrite)
    known, chosen = names_of(features), choose(device)
    names = list(known)
    if layer is not None and layer in known:
        names = [f"{layer}:{number}" for number in channels or range(known[layer]) if number < known[layer]]
        if not names:
            raise UsageError(f"{layer} has channels 0 to {known[layer] - 1}")
    elif layer is not None:
        names = [layer]  # `Dream` accepts it, or explains what is wrong with it
    source = upload(source_pixels(image), chosen)
    cells = [Cell(download(source), "source")]
    with StillSink(output) as sink:
        for name in names:
            dream = Dream(name, Ascent(fit=True), features=features, device=chosen)
            cells.append(Cell(download(dream(source, Moment(0, 0.0))), name))
        sink.write(Frame(sheet(cells, COLUMNS, SIDE), 0, Fraction(1)))


def source_pixels(image: Path | None) -> np.ndarray:
    """The image to dream on, (H, W, 3) uint8, at most SIDE pixels along its longer side."""
    if image is None:
        noise = np.random.default_rng(0).normal(128, 12, (SIDE, SIDE, 3))
        return np.clip(noise, 0, 255).astype(np.uint8)
    return first_frame(image, max_size=SIDE).pixels

"""A preview sheet of a style in training: the painting, and content images above their stylized versions."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from streamstyle.device import download
from streamstyle.files import write_whole
from streamstyle.training.data import TrainingImages, to_tensor

SIDE = 256  # of each image on the sheet, in pixels
SHOWN = 3  # content images


class TrainingPreview:
    """A preview sheet, redrawn with each call of `draw`.

    Args:
        path: PNG file to write; it is replaced each time.
        painting: (1, 3, H, W) float in [0, 1], or None.
        images: content images, of which SHOWN are used.
    """

    def __init__(self, path: Path, painting: Tensor | None, images: TrainingImages) -> None:
        self.path = path
        chosen = [len(images) * (2 * number + 1) // (2 * SHOWN) for number in range(SHOWN)]
        self.sources = [ImageOps.fit(images[index], (SIDE, SIDE)) for index in chosen]
        self.sheet = Image.new("RGB", (SIDE * (SHOWN + 1), 2 * SIDE), "white")
        if painting is not None:
            whole = Image.fromarray(download(painting[0]))
            shown = ImageOps.contain(whole, (SIDE, 2 * SIDE))
            self.sheet.paste(shown, ((SIDE - shown.width) // 2, (2 * SIDE - shown.height) // 2))
        for number, source in enumerate(self.sources):
            self.sheet.paste(source, (SIDE * (number + 1), 0))

    @torch.no_grad()
    def draw(self, network: nn.Module) -> None:
        """Stylize the content images and write the sheet.

        Raises:
            OutputError: the file cannot be written.
        """
        device = next(network.parameters()).device
        for number, source in enumerate(self.sources):
            result = Image.fromarray(download(network(to_tensor(source).to(device))[0]))
            self.sheet.paste(result, (SIDE * (number + 1), SIDE))
        data = io.BytesIO()
        self.sheet.save(data, "PNG")
        write_whole(self.path, data.getvalue())

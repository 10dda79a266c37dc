"""From pictures in full size to the working size of an effect and back; on a device as CUDA graphs."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from streamstyle.cuda_graphs import CapturedVariants
from streamstyle.effects.colors import COLORS
from streamstyle.pictures import Picture, YCbCr


class Reduced(NamedTuple):
    """A picture at a working size.

    Attributes:
        picture: in full size.
        image: (3, h, w) RGB in [0, 1].
        luma: (h, w), see `Picture`.
    """

    picture: Picture
    image: Tensor
    luma: Any


class CapturedPictures:
    """Reduces and repaints pictures; for planes on a device both are captured as CUDA graphs."""

    def __init__(self) -> None:
        self._captured = CapturedVariants()

    def reduced(self, picture: Picture, size: tuple[int, int]) -> Reduced:
        """The picture at a working size, (height, width)."""
        if not isinstance(picture, YCbCr) or picture.on_host:
            image, luma = picture.reduced(*size)
            return Reduced(picture, torch.as_tensor(image).permute(2, 0, 1), luma)
        tags, siting = picture.tags, picture.siting

        def work(luma: Tensor, cb: Tensor, cr: Tensor) -> dict[str, Tensor]:
            image, luma = YCbCr((luma, cb, cr), tags, siting).reduced(*size)
            return {"image": image.permute(2, 0, 1), "luma": luma}

        small = self._captured((tags, siting, size), work, *picture.planes)
        return Reduced(picture, small["image"], small["luma"])

    def repainted(
        self, picture: Picture, small: Reduced, result: Tensor, colors: str, keep_colors: float
    ) -> Picture:
        """An effect's result in full size, with the source's colors as far as they are kept.

        Args:
            picture: the source.
            small: the same at the working size.
            result: (3, h, w) in [0, 1].
            colors: the method of color preservation, a name of COLORS.
            keep_colors: 0 = the colors of the result, 1 = those of the source.
        """
        if not isinstance(picture, YCbCr) or picture.on_host:
            return _repainted(picture, small, result, colors, keep_colors)
        tags, siting = picture.tags, picture.siting

        def work(result: Tensor, image: Tensor, small_luma: Tensor, *planes: Tensor) -> dict[str, Tensor]:
            luma, cb, cr = planes
            source = YCbCr((luma, cb, cr), tags, siting)
            painted = _repainted(source, Reduced(source, image, small_luma), result, colors, keep_colors)
            return dict(zip(("luma", "cb", "cr"), painted.planes, strict=True))

        key = tags, siting, colors, keep_colors
        planes = self._captured(key, work, result, small.image, small.luma, *picture.planes)
        return YCbCr((planes["luma"], planes["cb"], planes["cr"]), tags)


AnyPicture = TypeVar("AnyPicture", bound=Picture)


def _repainted(
    picture: AnyPicture, small: Reduced, result: Tensor, colors: str, keep_colors: float
) -> AnyPicture:
    if keep_colors > 0:
        result = torch.lerp(result, COLORS[colors](small.image, result), keep_colors)
    detail = keep_colors if colors == "chroma" else 0.0
    return picture.repainted(for_picture(picture, result.float().permute(1, 2, 0)), small.luma, detail)


def for_picture(picture: Picture, tensor: Tensor) -> Any:
    """The tensor, C-contiguous; as an array that shares its memory, if the picture is on the host."""
    tensor = tensor.contiguous()
    return tensor.numpy() if picture.on_host else tensor

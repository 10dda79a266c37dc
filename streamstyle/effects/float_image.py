"""A picture as a tensor of floats, for effects that process images in full size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from streamstyle.effects.resizing import lightness, resized
from streamstyle.grids import Grid
from streamstyle.pictures import Bars
from streamstyle.planes_torch import detail_shares, framed, mirrored


@dataclass(frozen=True, eq=False)
class FloatImage:
    """See `streamstyle.pictures.Picture`.

    Attributes:
        image: (3, H, W) RGB in [0, 1].
    """

    image: Tensor
    on_host = False  # processed by torch on any device

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.image.shape[1], self.image.shape[2]

    def reduced(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """See `Picture`."""
        small = self.image if self.size == (height, width) else resized(self.image, height, width)
        return small.permute(1, 2, 0), lightness(small)

    def repainted(self, result: Tensor, luma: Tensor, colors: float = 0.0) -> FloatImage:
        """See `Picture`."""
        painted = result.permute(2, 0, 1)
        if painted.shape == self.image.shape:
            return FloatImage(painted)
        shares = detail_shares(255 * luma[0], 255 * lightness(painted)[0])
        light = lightness(self.image).sub_(self._enlarged(luma))
        detail = light * self._enlarged(shares[None])
        if colors:
            whole = self.image - self._enlarged(resized(self.image, *luma.shape[1:]))
            detail = detail + colors * (whole - light)
        return FloatImage(resized(painted, *self.size).add_(detail).clamp_(0, 1))

    def _enlarged(self, small: Tensor) -> Tensor:
        return F.interpolate(small[None], self.size, mode="bilinear")[0]

    def blended(self, result: FloatImage, weights: Tensor) -> FloatImage:
        """See `Picture`."""
        return FloatImage(torch.lerp(self.image, result.image, weights))

    def sampled(self, rows: slice, columns: slice) -> Tensor:
        """See `Picture`."""
        return self.image[:, rows, columns].permute(1, 2, 0)

    def mirrored_into(self, bars: Bars) -> FloatImage:
        """See `Picture`."""
        planes = self.image.permute(1, 2, 0)
        return FloatImage(mirrored(planes, self._inside(bars)).permute(2, 0, 1))

    def with_bars_of(self, source: FloatImage, bars: Bars) -> FloatImage:
        """See `Picture`."""
        planes, frame = self.image.permute(1, 2, 0), source.image.permute(1, 2, 0)
        return FloatImage(framed(planes, frame, self._inside(bars)).permute(2, 0, 1))

    def _inside(self, bars: Bars) -> tuple[slice, slice]:
        return bars.inside((Grid.of(self.size[0]), Grid.of(self.size[1])))

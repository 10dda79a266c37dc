"""Our style network: most of the work is done at a quarter and an eighth of the resolution.

What makes it fast on a CPU: few pixels, depthwise kernels for space and 1x1 kernels for channels,
all on channels-last memory, and instance normalization written as two matrix products (PyTorch's own
leaves channels-last memory and is ten times slower).
What keeps flat areas free of a grid: after each pixel-shuffle a fixed blur, whose zero lies exactly
at the shuffle's period, so that constant features give a constant image whatever the weights are.

Reference: pixel-shuffle after Shi et al. (2016), https://arxiv.org/abs/1609.05158; its initialization
and the blur after Aitken et al. (2017), https://arxiv.org/abs/1707.02937, and Sugawara et al. (2018),
https://arxiv.org/abs/1806.02658; blocks after Sandler et al. (2018), MobileNetV2, with the depthwise
kernel first as in Liu et al. (2022), A ConvNet for the 2020s, https://arxiv.org/abs/2201.03545.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamstyle.networks.style_network import StyleNetwork


class InstanceNorm(nn.Module):
    """Each channel of each image to the learned mean and deviation (Ulyanov et al. 2016).

    In videos the statistics may follow slowly, see `steadied`.

    The mean and the mean square are products with a vector of ones: on channels-last memory a tenth
    of the time of `torch.var_mean`. They are taken in single precision, since squares overflow half. The
    values should be near 0 where they are all alike: the difference of the two is else a rounding error.

    Attributes:
        inertia: share of the remembered statistics that is kept; 0: each image has its own.
        remembered: (N, 2, C), mean and variance, or None.
    """

    def __init__(self, channels: int, epsilon: float = 1e-4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.epsilon = epsilon
        self.inertia = 0.0
        self.remembered: Tensor | None = None

    def forward(self, x: Tensor, taken: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to the same shape; `taken` off the values before, see `steadied`."""
        moments = self.moments(x)
        return self.normalized(x, moments if taken is None else self.steadied(moments, taken))

    def moments(self, x: Tensor) -> Tensor:
        """(N, 2, C): mean and mean square of each channel of each image of (N, C, H, W)."""
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # (N, H * W, C), a view if channels-last
        ones = torch.full_like(pixels[:1, :, :1], 1 / pixels.shape[1]).transpose(1, 2)
        ones = ones.expand(pixels.shape[0], -1, -1)
        return torch.cat((ones @ pixels, ones @ pixels.square()), dim=1)

    def steadied(self, moments: Tensor, taken: Tensor) -> Tensor:
        """Moments that follow those of the last image slowly, as far as `inertia` says.

        Args:
            moments: (N, 2, C), see `moments`.
            taken: (N, 1, C), what was taken off the values before; it differs from image to image.
        """
        if self.inertia == 0:
            return moments
        mean, square = moments[:, :1], moments[:, 1:]
        now = torch.cat((mean + taken, square - mean.square()), dim=1)
        if self.remembered is not None and self.remembered.shape == now.shape:
            now = torch.lerp(now, self.remembered, self.inertia)
        self.remembered = now
        mean = now[:, :1] - taken
        return torch.cat((mean, now[:, 1:] + mean.square()), dim=1)

    def normalized(self, x: Tensor, moments: Tensor) -> Tensor:
        """(N, C, H, W), whose moments are these, to the same shape with the learned ones."""
        mean, square = moments[:, :1], moments[:, 1:]
        scale = self.weight * ((square - mean.square()).clamp_min(0) + self.epsilon).rsqrt()
        shift = (self.bias - mean * scale).to(x.dtype)
        scale = scale.to(x.dtype)
        return torch.addcmul(shift.transpose(1, 2)[..., None], x, scale.transpose(1, 2)[..., None])


class Block(nn.Module):
    """Depthwise 5x5, normalization, two 1x1 kernels with a ReLU between; the input is carried round."""

    def __init__(self, channels: int, expansion: int = 2) -> None:
        super().__init__()
        self.space = nn.Conv2d(channels, channels, 5, groups=channels, bias=False)
        self.norm = InstanceNorm(channels)
        self.widen = nn.Conv2d(channels, expansion * channels, 1)
        self.narrow = nn.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """(N, C, H, W) to the same shape, `rows` of it at a time; None: all at once."""
        wide, height = padded(x, 2), x.shape[2]
        first = self.space(wide[:, :, :5, :5])
        taken = first.float().flatten(1)[:, None]
        if rows is None:
            # Into the convolution's own result, which nothing else needs: less memory to pass through.
            return self.mix(self.norm(self.centered(wide, first), taken)).add_(x)
        moments = torch.zeros((), device=x.device)
        for top, below in bands(height, rows):
            share = (below - top) / height
            moments = moments + share * self.norm.moments(self.centered(wide[:, :, top : below + 4], first))
        moments = self.norm.steadied(moments, taken)
        result = torch.empty_like(x)
        for top, below in bands(height, rows):
            y = self.norm.normalized(self.centered(wide[:, :, top : below + 4], first), moments)
            result[:, :, top:below] = x[:, :, top:below] + self.mix(y)
        return result

    def centered(self, wide: Tensor, first: Tensor) -> Tensor:
        """The depthwise convolution less its first value, which the norm takes away anyway.

        So a flat image, as before a video fades in, is 0 exactly, and not whatever rounding leaves of it.
        """
        if len(wide) > 1:
            result: Tensor = self.space(wide) - first
            return result
        # As a bias it costs nothing.
        return F.conv2d(wide, self.space.weight, -first.flatten(), groups=wide.shape[1])

    def mix(self, x: Tensor) -> Tensor:
        """The two 1x1 kernels."""
        result: Tensor = self.narrow(F.relu(self.widen(x), inplace=True))
        return result


class Shuffle(nn.Module):
    """Doubles the resolution: a convolution, a pixel-shuffle, and the blur that leaves no grid.

    Nothing is padded: the result lacks the blur's pixel and the kernel's margin on each side.

    Args:
        inputs: channels at the lower resolution.
        outputs: channels at the higher one.
        kernel: side of the convolution.
    """

    blur: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, kernel)
        with torch.no_grad():  # the four phases of a channel start equal: resize-convolution
            for value in self.conv.parameters():
                value.copy_(value[::4].repeat_interleave(4, dim=0))
        binomial = torch.tensor([0.25, 0.5, 0.25])  # zero at a period of two pixels
        blur = torch.outer(binomial, binomial).repeat(outputs, 1, 1, 1)
        self.register_buffer("blur", blur, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, 2 (H - kernel + 1) - 2, 2 (W - kernel + 1) - 2)."""
        y = F.pixel_shuffle(self.conv(x), 2)
        return F.conv2d(y, self.blur, groups=y.shape[1])


def padded(x: Tensor, margin: int) -> Tensor:
    """`x` with its border repeated `margin` times, which draws no frame as zeros would."""
    return F.pad(x, [margin] * 4, mode="replicate") if margin else x


def bands(height: int, rows: int) -> Iterator[tuple[int, int]]:
    """First and one past the last row of each band."""
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


class StyleNet(StyleNetwork):
    """A style in 173,260 parameters: RGB in [0, 1] in and out.

    Args:
        width: channels at a quarter of the resolution.
        depth: channels at an eighth of it.
        blocks: blocks at an eighth of the resolution.
        detail: channels at half the resolution.
    """

    SIZES: ClassVar[tuple[str, ...]] = ("width", "depth", "blocks", "detail")
    TILED: ClassVar[bool] = True
    multiple = 8  # sides are a multiple of this
    minimum = 16  # shortest side that has something to normalize

    def __init__(self, width: int = 32, depth: int = 80, blocks: int = 5, detail: int = 16) -> None:
        super().__init__()
        self.width, self.depth, self.blocks, self.detail = width, depth, blocks, detail
        self.enter = nn.Conv2d(3, width, 8, stride=4)
        self.fine = Block(width)
        self.down = nn.Conv2d(width, depth, 2, stride=2)
        self.coarse = nn.Sequential(*(Block(depth) for _ in range(blocks)))
        self.up = nn.Conv2d(depth, width, 1)
        self.merge = Block(width)
        self.to_half = Shuffle(width, detail, 1)
        self.edges = nn.Conv2d(3, detail, 2, stride=2)
        self.to_full = Shuffle(detail, 3, 3)

    def forward(self, image: Tensor, rows: int | None = None) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same; H and W multiples of 8.

        Args:
            image: what to paint.
            rows: paint so many at a time, a multiple of 8: memory then grows little with the image. It
                takes longer and gives the same but for rounding, as there is one set of statistics. None: all
                at once.
        """
        # The border is repeated once at either end of the network, wide enough for all that follows:
        # 6 pixels of the image are 3 at half the resolution, where 2 at a quarter leave 4 - 1.
        image = padded((image - 0.5).contiguous(memory_format=torch.channels_last), 6)
        if rows is None:
            quarter = self.enter(image[:, :, 4:-4, 4:-4])
            return self.finished(padded(self.stylized(quarter), 2), image)
        parts = [
            self.enter(image[:, :, 4 + top : 8 + below, 4:-4]) for top, below in bands(height_of(image), rows)
        ]
        quarter = padded(self.stylized(torch.cat(parts, dim=2), rows // 4), 2)
        result = torch.empty_like(image[:, :, 6:-6, 6:-6])
        for top, below in bands(height_of(image), rows):
            part = quarter[:, :, top // 4 : below // 4 + 4]
            result[:, :, top:below] = self.finished(part, image[:, :, top : below + 12])
        return result

    def stylized(self, quarter: Tensor, rows: int | None = None) -> Tensor:
        """All that is done at a quarter and an eighth of the resolution: (N, width, H, W) to the same."""
        quarter = self.fine(quarter, rows)
        eighth = F.relu(self.down(quarter), inplace=True)
        for block in self.coarse:
            eighth = block(eighth, rows and rows // 2)
        raised = F.interpolate(self.up(eighth), scale_factor=2, mode="bilinear", align_corners=False)
        merged: Tensor = self.merge(raised.add_(quarter), rows)
        return merged

    def finished(self, quarter: Tensor, image: Tensor) -> Tensor:
        """The image (N, 3, H, W) from its quarter with a margin of 2 and the source with a margin of 6."""
        half = self.to_half(quarter).add_(self.edges(image))
        full = self.to_full(F.relu(half, inplace=True))
        over = (full.shape[-1] - (image.shape[-1] - 12)) // 2  # too many on each side: 3 with a kernel of 3x3
        return torch.sigmoid(full[:, :, over:-over, over:-over])


def height_of(image: Tensor) -> int:
    """Without the margin of 6."""
    return image.shape[2] - 12

"""Our style network, which does most of its work at a quarter and an eighth of the resolution.

It is fast on a CPU because it has few pixels to process, depthwise kernels for space and 1x1 kernels for
channels, all in channels-last memory, and instance normalization written as two matrix products (PyTorch's
own leaves channels-last memory and is ten times slower).
It leaves no checkerboard pattern on flat areas because each pixel shuffle is followed by a fixed blur with a
zero at the frequency of the shuffle: constant features give a constant image whatever the weights are.
`inference/openvino.py` builds the same network for OpenVINO: what changes here has to change there.

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
    """Instance normalization: normalizes each channel of each image (Ulyanov et al. 2016).

    On videos the statistics may be smoothed over the frames, see `smoothed`.

    The mean and the mean square are products with a vector of ones, which takes a tenth of the time of
    `torch.var_mean` in channels-last memory. They are computed in single precision, since squares overflow
    half precision. Inputs with little variation should be near 0: otherwise the variance, a difference of the
    two, is lost in rounding errors.

    Attributes:
        inertia: share of the previous statistics that is kept; 0: each image is normalized by its own.
        running: (N, 2, C), smoothed mean and variance of the images so far, or None.
    """

    def __init__(self, channels: int, epsilon: float = 1e-4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.epsilon = epsilon
        self.inertia = 0.0
        self.running: Tensor | None = None

    def forward(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """(N, C, H, W) to the same shape; `offset` was subtracted from `x` before, see `smoothed`."""
        moments = self.moments(x)
        return self.normalized(x, moments if offset is None else self.smoothed(moments, offset))

    def moments(self, x: Tensor) -> Tensor:
        """(N, 2, C): mean and mean square of each channel of each image of (N, C, H, W)."""
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # (N, H * W, C), a view if channels-last
        ones = torch.full_like(pixels[:1, :, :1], 1 / pixels.shape[1]).transpose(1, 2)
        ones = ones.expand(pixels.shape[0], -1, -1)
        return torch.cat((ones @ pixels, ones @ pixels.square()), dim=1)

    def smoothed(self, moments: Tensor, offset: Tensor) -> Tensor:
        """Moments as an exponential moving average over the images; `inertia` is the share of the past.

        Args:
            moments: (N, 2, C), see `moments`.
            offset: (N, 1, C), subtracted from the values before; it differs from image to image.
        """
        if self.inertia == 0:
            return moments
        mean, square = moments[:, :1], moments[:, 1:]
        running = torch.cat((mean + offset, square - mean.square()), dim=1)
        if self.running is not None and self.running.shape == running.shape:
            running = torch.lerp(running, self.running, self.inertia)
        self.running = running
        mean = running[:, :1] - offset
        return torch.cat((mean, running[:, 1:] + mean.square()), dim=1)

    def normalized(self, x: Tensor, moments: Tensor) -> Tensor:
        """Normalizes (N, C, H, W) by these moments, then applies the learned scale and bias."""
        mean, square = moments[:, :1], moments[:, 1:]
        scale = self.weight * ((square - mean.square()).clamp_min(0) + self.epsilon).rsqrt()
        shift = (self.bias - mean * scale).to(x.dtype)
        scale = scale.to(x.dtype)
        return torch.addcmul(shift.transpose(1, 2)[..., None], x, scale.transpose(1, 2)[..., None])


class Block(nn.Module):
    """Depthwise 5x5, normalization, two 1x1 convolutions with a ReLU in between, and a skip connection."""

    def __init__(self, channels: int, expansion: int = 2) -> None:
        super().__init__()
        self.space = nn.Conv2d(channels, channels, 5, groups=channels, bias=False)
        self.norm = InstanceNorm(channels)
        self.widen = nn.Conv2d(channels, expansion * channels, 1)
        self.narrow = nn.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor, rows: int | None = None) -> Tensor:
        """(N, C, H, W) to the same shape, in strips of `rows` rows; None: all at once."""
        wide, height = padded(x, 2), x.shape[2]
        first = self.space(wide[:, :, :5, :5])
        offset = first.float().flatten(1)[:, None]
        if rows is None:
            # Added in place, as nothing else needs the convolution's result: saves memory traffic.
            return self.mix(self.norm(self.centered(wide, first), offset)).add_(x)
        moments = torch.zeros((), device=x.device)
        for top, below in strips(height, rows):
            share = (below - top) / height
            moments = moments + share * self.norm.moments(self.centered(wide[:, :, top : below + 4], first))
        moments = self.norm.smoothed(moments, offset)
        result = torch.empty_like(x)
        for top, below in strips(height, rows):
            y = self.norm.normalized(self.centered(wide[:, :, top : below + 4], first), moments)
            result[:, :, top:below] = x[:, :, top:below] + self.mix(y)
        return result

    def centered(self, wide: Tensor, first: Tensor) -> Tensor:
        """The depthwise convolution minus its value at the first pixel.

        The normalization removes constants anyway. So for a flat image, as before a video fades in, the
        result is exactly 0, without rounding errors.
        """
        if len(wide) > 1:
            result: Tensor = self.space(wide) - first
            return result
        # For a single image the subtraction is a bias of the convolution, which costs nothing.
        return F.conv2d(wide, self.space.weight, -first.flatten(), groups=wide.shape[1])

    def mix(self, x: Tensor) -> Tensor:
        """The two 1x1 convolutions."""
        result: Tensor = self.narrow(F.relu(self.widen(x), inplace=True))
        return result


class Shuffle(nn.Module):
    """Doubles the resolution: a convolution, a pixel shuffle, and the blur against checkerboard patterns.

    Nothing is padded: the result lacks the margins of the blur and of the convolution on each side.

    Args:
        inputs: channels at the lower resolution.
        outputs: channels at the higher resolution.
        kernel: size of the convolution.
    """

    blur: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, kernel)
        with torch.no_grad():  # the four phases of a channel start equal, as in a resize-convolution
            for value in self.conv.parameters():
                value.copy_(value[::4].repeat_interleave(4, dim=0))
        binomial = torch.tensor([0.25, 0.5, 0.25])  # its frequency response is 0 at a period of two pixels
        blur = torch.outer(binomial, binomial).repeat(outputs, 1, 1, 1)
        self.register_buffer("blur", blur, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, 2 (H - kernel + 1) - 2, 2 (W - kernel + 1) - 2)."""
        y = F.pixel_shuffle(self.conv(x), 2)
        return F.conv2d(y, self.blur, groups=y.shape[1])


def padded(x: Tensor, margin: int) -> Tensor:
    """`x` padded by repeating its border `margin` times; zeros would leave a visible frame."""
    return F.pad(x, [margin] * 4, mode="replicate") if margin else x


def strips(height: int, rows: int) -> Iterator[tuple[int, int]]:
    """First and one past the last row of each strip."""
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


class StyleNet(StyleNetwork):
    """Our style network, with 173,260 parameters: RGB in [0, 1] in and out.

    Args:
        width: channels at 1/4 of the resolution.
        depth: channels at 1/8 of the resolution.
        blocks: number of blocks at 1/8 of the resolution.
        detail: channels at 1/2 of the resolution.
    """

    SIZES: ClassVar[tuple[str, ...]] = ("width", "depth", "blocks", "detail")
    TILED: ClassVar[bool] = True
    multiple = 8  # sides must be a multiple of this
    minimum = 16  # shortest side: 2 pixels at 1/8 of the resolution, so that normalization has some variance

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
        """(N, 3, H, W) in [0, 1] to the same shape; H and W multiples of 8.

        Args:
            image: to stylize.
            rows: height of the strips that are processed one by one, a multiple of 8; None: all at once.
                Strips save memory but take longer. All strips share one set of normalization statistics, so
                the result is the same up to rounding.
        """
        return self.stylized((image - 0.5).contiguous(memory_format=torch.channels_last), rows)

    def stylized(self, image: Tensor, rows: int | None = None) -> Tensor:
        """As `forward`, of an image in [-0.5, 0.5] and in any memory layout."""
        # Outside the blocks, the border is padded only here and before `decoded`, wide enough for all that
        # follows: 6 pixels at full resolution are 3 at 1/2, and 2 at 1/4 are 4 at 1/2, minus 1 for the blur.
        image = padded(image, 6)
        if rows is None:
            quarter = self.enter(image[:, :, 4:-4, 4:-4])
            return self.decoded(padded(self.transformed(quarter), 2), image)
        parts = [
            self.enter(image[:, :, 4 + top : 8 + below, 4:-4])
            for top, below in strips(height_of(image), rows)
        ]
        quarter = padded(self.transformed(torch.cat(parts, dim=2), rows // 4), 2)
        result = torch.empty_like(image[:, :, 6:-6, 6:-6])
        for top, below in strips(height_of(image), rows):
            part = quarter[:, :, top // 4 : below // 4 + 4]
            result[:, :, top:below] = self.decoded(part, image[:, :, top : below + 12])
        return result

    def transformed(self, quarter: Tensor, rows: int | None = None) -> Tensor:
        """The layers at 1/4 and 1/8 of the resolution: (N, width, H, W) to the same shape."""
        quarter = self.fine(quarter, rows)
        eighth = F.relu(self.down(quarter), inplace=True)
        for block in self.coarse:
            eighth = block(eighth, rows and rows // 2)
        raised = F.interpolate(self.up(eighth), scale_factor=2, mode="bilinear", align_corners=False)
        merged: Tensor = self.merge(raised.add_(quarter), rows)
        return merged

    def decoded(self, quarter: Tensor, image: Tensor) -> Tensor:
        """The result (N, 3, H, W) from features at 1/4 (margin of 2) and the source (margin of 6)."""
        half = self.to_half(quarter).add_(self.edges(image))
        full = self.to_full(F.relu(half, inplace=True))
        excess = (full.shape[-1] - (image.shape[-1] - 12)) // 2  # pixels on each side: 3 with a 3x3 kernel
        return torch.sigmoid(full[:, :, excess:-excess, excess:-excess])


def height_of(image: Tensor) -> int:
    """The height without the margins of 6 pixels."""
    return image.shape[2] - 12

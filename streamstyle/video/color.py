"""Color: the matrix, range, primaries and transfer of the samples, and conversion from and to RGB.

Code points are those of ITU-T H.273. Untagged videos are read as players do: BT.709 from 720 lines up, BT.601
below. High dynamic range and wide gamut are converted to SDR BT.709.
"""

from __future__ import annotations

import logging
from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from streamstyle.frames import ColorTags
from streamstyle.images import on_white
from streamstyle.video.chroma import LeftSited

_log = logging.getLogger("streamstyle")

BT709 = ColorTags(matrix=1, primaries=1, transfer=1)
BT601 = ColorTags(matrix=6, primaries=6, transfer=6)

_UNSPECIFIED = (0, 2)
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
_WIDE_PRIMARIES = (9, 11, 12)  # BT.2020, DCI-P3, Display P3
# Matrix codes that swscale supports, and its own constants; 6 (SMPTE 170M) equals 5 (BT.470BG).
_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
# Chosen by the error of a lossless round trip. Chroma is interpolated at its location (FULL_CHR_H_INT); area
# averaging is best for output.
_IN = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_OUT = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
_THREADS = 1  # the network needs the cores; a second thread here gains little


def resolve_tags(frame: av.VideoFrame) -> ColorTags:
    """The color tags of `frame`; unspecified ones are guessed as players do."""
    full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    matrix = int(frame.colorspace)
    if frame.format.is_rgb or matrix in _UNSPECIFIED or matrix not in _SWS_MATRIX:
        matrix = untagged(frame.height).matrix
    if frame.format.is_rgb:
        full = False
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    if primaries in _UNSPECIFIED:
        primaries = {1: 1, 9: 9, 10: 9, 5: 5}.get(matrix, 6)
    if transfer in _UNSPECIFIED:
        transfer = 1 if matrix in (1, 9, 10) else 6
    return ColorTags(matrix, primaries, transfer, full)


def untagged(height: int) -> ColorTags:
    """How players read video without tags: BT.709 from 720 lines up, BT.601 below."""
    return BT709 if height >= 720 else BT601


def is_wide(tags: ColorTags) -> bool:
    """Whether the colors are HDR or wide gamut and have to be mapped to SDR BT.709."""
    return tags.transfer in _HDR_TRANSFERS or tags.primaries in _WIDE_PRIMARIES


class ToRGB:
    """Converts decoded frames to RGB of one size.

    Create one per stream: swscale keeps about 15 MB per converter.

    Args:
        name: of the input, for warnings.
        size: (width, height) of the result in pixels, before it is rotated upright.
    """

    def __init__(self, name: str, size: tuple[int, int]) -> None:
        self._name = name
        self._size = size
        self._reformatter = VideoReformatter()
        self._tone_map: Graph | None = None
        self._tone_map_key: object = None
        self._warned: set[str] = set()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8 RGB, C-contiguous."""
        tags = resolve_tags(frame)
        depth = max((component.bits for component in frame.format.components), default=8)
        if is_wide(tags):
            kind = _HDR_TRANSFERS.get(tags.transfer, "wide gamut")
            self._warn("wide", f"high dynamic range or wide gamut ({kind}) is converted to 8-bit SDR BT.709")
            frame = self._mapped(frame, tags)
        elif depth > 8:
            self._warn("depth", f"{depth}-bit frames are converted to 8-bit")
        if any(component.is_alpha for component in frame.format.components):
            return self._opaque(frame)
        return self._reformat(frame, "rgb24", tags).to_ndarray()

    def _reformat(self, frame: av.VideoFrame, pixel_format: str, tags: ColorTags) -> av.VideoFrame:
        width, height = self._size
        rgb = frame.format.is_rgb
        return self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=pixel_format,
            src_colorspace=None if rgb else _SWS_MATRIX[tags.matrix],
            src_color_range=ColorRange.JPEG if rgb or tags.full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=_IN,
            threads=_THREADS,
        )

    def _opaque(self, frame: av.VideoFrame) -> np.ndarray:
        rgba = self._reformat(frame, "rgba", resolve_tags(frame)).to_ndarray()
        alpha = rgba[..., 3]
        if alpha.min() < 255:
            self._warn("alpha", "transparent areas of the video become white")
        return np.ascontiguousarray(on_white(rgba[..., :3], alpha))

    def _mapped(self, frame: av.VideoFrame, tags: ColorTags) -> av.VideoFrame:
        """The frame in SDR BT.709, by swscale's perceptual tone and gamut mapping (ITU-R BT.2446)."""
        key = (frame.width, frame.height, frame.format.name, tags)
        if key != self._tone_map_key:
            self._tone_map, self._tone_map_key = self._build_tone_map(frame, tags), key
        assert self._tone_map is not None
        frame.pts, frame.time_base = 0, Fraction(1, 1000)
        self._tone_map.push(frame)
        return self._tone_map.vpull()

    @staticmethod
    def _build_tone_map(frame: av.VideoFrame, tags: ColorTags) -> Graph:
        graph = Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
        )
        steps = (
            f"in_color_matrix={_SWS_NAMES.get(tags.matrix, 'bt709')}:in_primaries={tags.primaries}"
            f":in_transfer={tags.transfer}:in_range={'full' if tags.full_range else 'limited'}"
            ":out_primaries=bt709:out_transfer=bt709:intent=perceptual"
        )
        scale = graph.add("scale", steps)
        rgb = graph.add("format", "rgb24")
        sink = graph.add("buffersink")
        source.link_to(scale)
        scale.link_to(rgb)
        rgb.link_to(sink)
        graph.configure()
        return graph

    def _warn(self, key: str, text: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            _log.warning("%s: %s", self._name, text)


_SWS_NAMES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}


class FromRGB:
    """Converts RGB to the samples that an encoder expects; subsampled chroma is left-sited.

    Args:
        pixel_format: FFmpeg's name, e.g. "yuv420p".
        tags: matrix and range of the samples; primaries and transfer are not used.
    """

    def __init__(self, pixel_format: str, tags: ColorTags) -> None:
        self._format = pixel_format
        self._tags = tags
        self._left_sited = LeftSited()
        self._reformatter = VideoReformatter()

    def __call__(self, pixels: np.ndarray) -> av.VideoFrame:
        """A frame from (H, W, 3) uint8 RGB; `pixels` must not change until the frame is encoded."""
        frame = self._left_sited(av.VideoFrame.from_numpy_buffer(pixels, "rgb24"))
        rgb = av.VideoFormat(self._format).is_rgb
        # Without dst_colorspace swscale uses BT.601 regardless of the tags.
        return self._reformatter.reformat(
            frame,
            format=self._format,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=None if rgb else _SWS_MATRIX[self._tags.matrix],
            dst_color_range=ColorRange.JPEG if rgb or self._tags.full_range else ColorRange.MPEG,
            interpolation=_OUT,
            threads=_THREADS,
        )

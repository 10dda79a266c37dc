"""Color: the matrix, range, primaries and transfer of the samples, and conversion from and to RGB.

Code points are those of ITU-T H.273. Untagged videos are read as players do: BT.709 from 720 lines up, BT.601
below. High dynamic range and wide gamut are converted to SDR BT.709.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import cv2  # before av
import numpy as np

import av  # isort: skip
from av.filter import Graph
from av.sidedata.sidedata import SideData
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from streamstyle.errors import OutputError
from streamstyle.frames import ColorTags
from streamstyle.images import on_white
from streamstyle.video.chroma import LeftSited
from streamstyle.video.tone_mapping import HLG, PQ, Mastering, cube

_log = logging.getLogger("streamstyle")

BT709 = ColorTags(matrix=1, primaries=1, transfer=1)
BT601 = ColorTags(matrix=6, primaries=6, transfer=6)

_UNSPECIFIED = (0, 2)
_HDR_TRANSFERS = {PQ: "PQ", HLG: "HLG"}
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
        self._tone_map: tuple[tuple[ColorTags, str], ToneMap] | None = None
        self._warned: set[str] = set()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8 RGB, C-contiguous."""
        tags = resolve_tags(frame)
        has_alpha = any(component.is_alpha for component in frame.format.components)
        depth = max((component.bits for component in frame.format.components), default=8)
        if is_wide(tags):
            kind = _HDR_TRANSFERS.get(tags.transfer, "wide gamut")
            self._warn("wide", f"high dynamic range or wide gamut ({kind}) is converted to 8-bit SDR BT.709")
            pixels = self._mapped(frame, tags, "gbrap16le" if has_alpha else "gbrp16le")
        else:
            if depth > 8:
                self._warn("depth", f"{depth}-bit frames are converted to 8-bit")
            pixels = self._reformat(frame, "rgba" if has_alpha else "rgb24", tags).to_ndarray()
        return self._opaque(pixels) if has_alpha else pixels

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

    def _mapped(self, frame: av.VideoFrame, tags: ColorTags, pixel_format: str) -> np.ndarray:
        """The frame as RGB or RGBA of SDR BT.709; tags may change within a stream."""
        if self._tone_map is None or self._tone_map[0] != (tags, pixel_format):
            tone_map = ToneMap(tags, mastering_display(frame), pixel_format, self._size)
            self._tone_map = (tags, pixel_format), tone_map
        return self._tone_map[1](self._reformat(frame, pixel_format, tags))

    def _opaque(self, rgba: np.ndarray) -> np.ndarray:
        alpha = rgba[..., 3]
        if alpha.min() < 255:
            self._warn("alpha", "transparent areas of the video become white")
        return np.ascontiguousarray(on_white(rgba[..., :3], alpha))

    def _warn(self, key: str, text: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            _log.warning("%s: %s", self._name, text)


class ToneMap:
    """Maps RGB frames to SDR BT.709 by a table, see `streamstyle.video.tone_mapping`.

    Args:
        tags: of the frames; their matrix and range are not used.
        mastering: the range of colors that occur.
        pixel_format: "gbrp16le" or "gbrap16le", for which FFmpeg's lut3d has fast code.
        size: (width, height) of the frames in pixels.

    Raises:
        OutputError: no temporary file can be written, through which FFmpeg reads the table.
    """

    def __init__(
        self, tags: ColorTags, mastering: Mastering, pixel_format: str, size: tuple[int, int]
    ) -> None:
        width, height = size
        self._graph = Graph()
        self._graph.threads = _THREADS
        source = self._graph.add_buffer(
            width=width,
            height=height,
            format=av.VideoFormat(pixel_format, width, height),
            time_base=Fraction(1, 1000),
        )
        try:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "table.cube"
                path.write_text(cube(tags.primaries, tags.transfer, mastering))
                lookup = self._graph.add("lut3d", file=str(path), interp="tetrahedral")
        except OSError as error:
            raise OutputError(
                f"HDR needs a temporary file of 7 MB ({error.strerror or error}); TMPDIR names another folder"
            ) from error
        self._graph.link_nodes(source, lookup, self._graph.add("buffersink")).configure()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """The frame, mapped: (H, W, 3 or 4) uint8 RGB or RGBA."""
        frame.pts, frame.time_base = 0, Fraction(1, 1000)
        self._graph.push(frame)
        # swscale would take four times as long, and round up.
        planes = [
            cv2.convertScaleAbs(
                np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)[:, : plane.width],
                alpha=255 / 65535,
            )
            for plane in self._graph.vpull().planes
        ]
        green, blue, red, *alpha = planes
        return cv2.merge([red, green, blue, *alpha])


def mastering_display(frame: av.VideoFrame) -> Mastering:
    """From the metadata of a frame.

    Call it for few frames: reading the side data of a frame keeps the frame alive until the next full garbage
    collection.
    """
    try:
        every = cast("list[SideData]", list(frame.side_data))
        found = [bytes(data) for data in every if data.type.name == "MASTERING_DISPLAY_METADATA"]
    except ValueError:  # there is side data that PyAV does not know
        found = []
    return Mastering.parse(found[0]) if found else Mastering()


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

"""Encodes frames into packets of one video track."""

from __future__ import annotations

import logging
from fractions import Fraction

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from streamstyle.errors import OutputError, UsageError
from streamstyle.frames import ColorTags, Frame, StreamInfo
from streamstyle.pictures import YCbCr
from streamstyle.video.chroma import LEFT_OPTION
from streamstyle.video.codecs import Codec, EncodeOptions, encoder_options
from streamstyle.video.color import FromRGB, untagged
from streamstyle.video.opening import DAMAGE, reason
from streamstyle.video.pictures import PLANAR, to_video_frame

_log = logging.getLogger("streamstyle")

KEY_SECONDS = 2  # from one keyframe to the next, where a receiver can join at any time

_RGB_MATRIX = 0
# x265's tree of coding units writes beyond its memory, and aborts the process, at widths such as 40 and 48.
_X265_TREE_WIDTH = 256
# At 8K x264 needs 160 MB for each frame that it holds: by default 40 to look ahead and one for each thread.
_LARGE_FRAME = 3840 * 2160  # pixels
_SHORT_LOOKAHEAD = "3"
_PRESETS_WITHOUT_LOOKAHEAD = ("ultrafast", "superfast")


class Encoder:
    """Encodes the frames of a video or of one segment.

    If the sample format needs even sizes, odd ones are padded by repeating the last row or column.

    Args:
        container: open for writing, without any packets; the video track is added to it.
        codec: how to encode.
        options: set by the user and checked by `choose_codec`.
        info: of the source: size, rate, color, sample aspect ratio.
        time_base: of the frames.

    Raises:
        UsageError: the encoder does not support the size or the options.
    """

    def __init__(
        self,
        container: OutputContainer,
        codec: Codec,
        options: EncodeOptions,
        info: StreamInfo,
        time_base: Fraction,
    ) -> None:
        pixel_format = options.pixel_format or codec.pixel_format
        self._padding = padding(info, pixel_format)
        self._time_base = time_base
        self._pixel_format = pixel_format
        self._tags = tags = info.color or untagged(info.height)
        self._size = (info.width, info.height)
        self._from_rgb = FromRGB(pixel_format, tags)
        self._frames = 0
        self._low_delay, self._key_at = options.low_delay, -1  # pts from which a keyframe is due
        try:
            self.stream = _add_stream(container, codec, options, info, time_base, pixel_format)
            _tag(self.stream, tags, av.VideoFormat(pixel_format).is_rgb)
            self.stream.codec_context.open()
        except (*DAMAGE, OSError) as error:
            size = f"{info.width}x{info.height}"
            raise UsageError(
                f"{codec.encoder} cannot encode {size} {pixel_format} ({reason(error)}); "
                "another --codec, or a smaller --size, may work"
            ) from error

    def encode(self, frame: Frame) -> list[av.Packet[VideoStream]]:
        """Encode a frame; returns the packets that are ready."""
        av_frame = self._video_frame(frame)
        av_frame.pts, av_frame.time_base = frame.pts, frame.time_base
        av_frame.duration = frame.duration
        self._frames += 1
        if self._low_delay and frame.pts >= self._key_at:
            av_frame.pict_type = PictureType.I
            self._key_at = frame.pts + round(KEY_SECONDS / frame.time_base)
        return self.stream.encode(av_frame)

    def _video_frame(self, frame: Frame) -> av.VideoFrame:
        """The frame as the encoder expects it."""
        picture, tags = frame.picture, self._tags
        if isinstance(picture, YCbCr) and self._pixel_format in PLANAR:
            coded_alike = (picture.tags.matrix, picture.tags.full_range) == (tags.matrix, tags.full_range)
            if coded_alike and picture.subsampling == _subsampling(self._pixel_format)[::-1]:
                return to_video_frame(picture.at_left(), self._pixel_format)
        right, below = self._padding
        pixels = frame.pixels
        if pixels.shape[1::-1] != self._size:  # images of a folder may differ in size
            pixels = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA)
        if right or below:
            pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        return self._from_rgb(pixels)

    def flush(self) -> list[av.Packet[VideoStream]]:
        """The packets still buffered in the encoder. Nothing can be encoded afterwards."""
        packets = self.stream.encode(None)
        if self._frames <= 2:  # x265 leaves the decoding times of so few frames undefined
            for packet in packets:
                packet.dts = packet.pts
        return packets


def padding(info: StreamInfo, pixel_format: str) -> tuple[int, int]:
    """(columns, rows) to add so that the size is a multiple of the chroma subsampling of `pixel_format`."""
    across, down = _subsampling(pixel_format)
    return -info.width % across, -info.height % down


def _subsampling(pixel_format: str) -> tuple[int, int]:
    """(columns, rows) of samples that share one chroma sample: 2 where subsampled, else 1."""
    form = av.VideoFormat(pixel_format)
    return 3 - form.chroma_width(2), 3 - form.chroma_height(2)


def warn_of_padding(info: StreamInfo, pixel_format: str) -> None:
    """Warn if the output is padded by a row or column."""
    right, below = padding(info, pixel_format)
    if right or below:
        size = f"{info.width + right}x{info.height + below}"
        _log.warning("%s: odd size %dx%d is padded to %s", info.name, info.width, info.height, size)


def _add_stream(
    container: OutputContainer,
    codec: Codec,
    options: EncodeOptions,
    info: StreamInfo,
    time_base: Fraction,
    pixel_format: str,
) -> VideoStream:
    right, below = padding(info, pixel_format)
    chosen = encoder_options(codec, options)
    if _subsampling(pixel_format) == (2, 2):  # no codec stores it for other formats
        chosen |= LEFT_OPTION
    if codec.encoder == "libx265" and info.width < _X265_TREE_WIDTH:
        chosen["x265-params"] += ":no-cutree=1"
    saves_memory = codec.encoder == "libx264" and info.width * info.height > _LARGE_FRAME
    if saves_memory and chosen["preset"] not in _PRESETS_WITHOUT_LOOKAHEAD:
        chosen["rc-lookahead"] = _SHORT_LOOKAHEAD
    stream = container.add_stream(
        codec.encoder,
        rate=info.rate or Fraction(25),
        options=chosen,
        width=info.width + right,
        height=info.height + below,
        time_base=time_base,
    )
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.pix_fmt = pixel_format
    context.time_base = time_base
    stream.time_base = time_base
    context.thread_count = options.threads
    # Slices, PyAV's default, cost quality; hardly where frames are large.
    context.thread_type = "SLICE" if saves_memory else "FRAME"
    context.sample_aspect_ratio = info.sample_aspect
    if options.bit_rate is not None:
        context.bit_rate = options.bit_rate
    if container.format.name == "avi":
        context.max_b_frames = 0  # AVI stores no presentation times
    return stream


def _tag(stream: VideoStream, tags: ColorTags, rgb: bool) -> None:
    context = stream.codec_context
    context.colorspace = _RGB_MATRIX if rgb else tags.matrix
    context.color_range = ColorRange.JPEG if rgb or tags.full_range else ColorRange.MPEG
    context.color_primaries = tags.primaries
    context.color_trc = tags.transfer


def output_error(path: object, error: BaseException) -> OutputError:
    """An OutputError that says why `path` cannot be written."""
    return OutputError(f"{path}: cannot be written ({reason(error)})")

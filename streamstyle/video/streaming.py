"""Streams a video while it is rendered, without segments and without seeking."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast
from urllib.parse import urlsplit

import av
from av.stream import Stream

from streamstyle.errors import UsageError, did_you_mean
from streamstyle.frames import Frame, Packet, StreamInfo
from streamstyle.video.codecs import CONTAINERS, ContainerFormat, EncodeOptions, choose_codec
from streamstyle.video.contents import Target, add_contents, plan_contents
from streamstyle.video.encoding import Encoder, output_error, warn_of_padding
from streamstyle.video.opening import DAMAGE

_H26X = ("h264", "hevc", "h264_nvenc", "hevc_nvenc")
# What receivers of MPEG-TS know; the muxer writes anything else as private data.
_BROADCAST = frozenset(
    {"mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "dvb_subtitle", "dvb_teletext"}
)

# Formats that can be written without seeking.
STREAMED: dict[str, ContainerFormat] = {
    "matroska": CONTAINERS[".mkv"],
    "webm": CONTAINERS[".webm"],
    "nut": ContainerFormat("nut", CONTAINERS[".mkv"].codecs, subtitle="subrip"),
    "mpegts": ContainerFormat("mpegts", _H26X, copied=_BROADCAST),
    "flv": ContainerFormat("flv", ("h264", "h264_nvenc"), copied=frozenset({"aac", "mp3"})),
    "rtsp": ContainerFormat("rtsp", _H26X, copied=frozenset({"aac", "mp3", "opus"})),
}
_BY_SCHEME = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "udp": "mpegts", "tcp": "mpegts"}


class VideoStreamWriter:
    """Encodes and sends frames and packets immediately.

    Args:
        target: a URL, or a binary file that is open for writing.
        name: of the target, for messages.
        info: of the source.
        options: of the encoder.
        audio: "copy" or "none".
        format: key of STREAMED; by default the one for the URL's scheme, else matroska.

    Raises:
        UsageError: the format cannot be streamed, or an option or the video is invalid for it.
        OutputError: from every method, if the data cannot be sent.
    """

    def __init__(
        self, target: Any, name: str, info: StreamInfo, options: EncodeOptions, audio: str, format: str | None
    ) -> None:
        chosen = format or _BY_SCHEME.get(urlsplit(name).scheme, "matroska")
        if chosen not in STREAMED:
            meant = {"mkv": "matroska", "ts": "mpegts"}.get(chosen, chosen)
            hint = did_you_mean(meant, STREAMED)
            raise UsageError(f"--format {chosen}: cannot be streamed{hint}; known: {' '.join(STREAMED)}")
        form = STREAMED[chosen]
        _, codec = choose_codec(form, options, chosen)
        warn_of_padding(info, options.pixel_format or codec.pixel_format)
        output = Target(name, info, form, Fraction(info.time_base))
        contents = plan_contents(output, codec, options, audio)
        self._name = name
        try:
            self._container = av.open(target, "w", format=form.muxer)
        except (*DAMAGE, OSError) as error:
            raise output_error(name, error) from error
        try:
            self._encoder = Encoder(self._container, codec, options, info, Fraction(info.time_base))
            _, self._side = add_contents(self._container, output, self._encoder.stream, contents)
        except BaseException:
            self._container.close()
            raise

    def write(self, item: Frame | Packet) -> None:
        """Send a frame, or a packet of another track."""
        try:
            if isinstance(item, Packet):
                self._side.write(item.track, cast("av.Packet[Stream]", item.payload))
            else:
                self._container.mux(self._encoder.encode(item))
        except (*DAMAGE, OSError) as error:
            raise output_error(self._name, error) from error

    def close(self) -> None:
        """Send the packets that the encoders still hold, and end the video."""
        try:
            try:
                self._container.mux(self._encoder.flush())
                self._side.flush()
            finally:
                self._container.close()
        except (*DAMAGE, OSError) as error:
            raise output_error(self._name, error) from error

"""Films sent as they are made: to stdout or to a URL. Nothing can be resumed there."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any, Self, cast
from urllib.parse import urlsplit

import av
from av.stream import Stream

from streamstyle.errors import UsageError
from streamstyle.media.codecs import CONTAINERS, ContainerFormat, EncodeOptions, choose_codec
from streamstyle.media.encoding import Encoder, announce_padding, output_error
from streamstyle.media.opening import DAMAGE
from streamstyle.media.side_tracks import SideTracks, carry_container, film_tags, plan
from streamstyle.stream import Checkpoint, Packet, SinkItem, StreamInfo

_H264_LIVE = ContainerFormat("", ("h264", "hevc", "h264_nvenc", "hevc_nvenc"), "aac", None)

# What can be written without ever going back in the file.
_STREAMED: dict[str, ContainerFormat] = {
    "matroska": CONTAINERS[".mkv"],
    "nut": ContainerFormat("nut", CONTAINERS[".mkv"].codecs, "aac", None),
    "mpegts": ContainerFormat("mpegts", _H264_LIVE.codecs, "aac", None),
    "flv": ContainerFormat("flv", ("h264", "h264_nvenc"), "aac", None),
    "rtsp": ContainerFormat("rtsp", _H264_LIVE.codecs, "aac", None),
    "webm": CONTAINERS[".webm"],
}
_BY_SCHEME = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "udp": "mpegts", "tcp": "mpegts"}


class PipeSink:
    """Sends a film to stdout ("-") or to a URL while it is made.

    Args:
        name: "-" or a URL.
        info: of the source.
        options: for the encoder.
        audio: "copy" or "none".
        format: container; by default matroska for stdout, else what the URL's scheme wants.

    Raises:
        UsageError: the format cannot be streamed, or the options do not fit it.
        OutputError: nobody takes what is sent.
    """

    checkpoint_seconds: float | None = None

    def __init__(
        self,
        name: str,
        info: StreamInfo,
        options: EncodeOptions | None = None,
        *,
        audio: str = "copy",
        format: str | None = None,
    ) -> None:
        self._name = name
        chosen = format or _BY_SCHEME.get(urlsplit(name).scheme, "matroska")
        if chosen not in _STREAMED:
            raise UsageError(f"--format {chosen}: cannot be streamed; known are {' '.join(_STREAMED)}")
        form = _STREAMED[chosen]
        options = options or EncodeOptions()
        _, codec = choose_codec(form, options, chosen)
        announce_padding(info, options.pixel_format or codec.pixel_format)
        self._time_base = Fraction(info.time_base)
        target: Any = sys.stdout.buffer if name == "-" else name
        try:
            self._container = av.open(target, "w", format=form.muxer)
        except (*DAMAGE, OSError) as error:
            raise output_error(name, error) from error
        self._encoder = Encoder(self._container, codec, options, info, self._time_base)
        ways = plan(info.tracks, form, audio, info.name)
        self._side = SideTracks(self._container, info.tracks, ways, form, info.start)
        if info.container is not None:
            carry_container(info.container, self._container, info.start, film_tags(info.container))
        self._done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, item: SinkItem) -> None:
        """Send a frame or a packet of another track."""
        try:
            if isinstance(item, Packet):
                self._side.write(item.track, cast("av.Packet[Stream]", item.payload))
            elif not isinstance(item, Checkpoint):
                self._container.mux(self._encoder.encode(item))
        except (*DAMAGE, OSError) as error:
            raise output_error(self._name, error) from error

    def close(self) -> None:
        """Send what encoders still hold, and end the film."""
        if self._done:
            return
        self._done = True
        try:
            self._container.mux(self._encoder.flush())
            self._side.flush()
            self._container.close()
        except (*DAMAGE, OSError) as error:
            raise output_error(self._name, error) from error

    def abort(self) -> None:
        """End the film where it is: what was sent plays."""
        try:
            self.close()
        except Exception:  # the receiver may be what failed
            self._done = True

"""Videos streamed to stdout or a URL while they are rendered. They cannot be resumed."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import ClassVar, Self

from streamstyle.errors import OutputError
from streamstyle.frames import Checkpoint, Sink, SinkItem, StreamInfo
from streamstyle.sinks.options import WriteOptions
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.opening import is_url
from streamstyle.video.streaming import VideoStreamWriter


class PipeSink(Sink):
    """Streams a video to stdout ("-") or a URL while it is rendered.

    Args:
        name: "-" or a URL.
        info: of the source.
        options: of the encoder.
        audio: "copy" or "none".
        format: container; by default the one for the URL's scheme, else (as for stdout) matroska.

    Raises:
        UsageError: the format cannot be streamed, or an option does not apply to it.
        OutputError: the receiver cannot be reached or has closed the connection.
    """

    LIVE: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        info: StreamInfo,
        options: EncodeOptions | None = None,
        *,
        audio: str = "copy",
        format: str | None = None,
    ) -> None:
        if name == "-" and sys.stdout is None:
            raise OutputError("-: stdout is closed")
        target = sys.stdout.buffer if name == "-" else name
        self._video = VideoStreamWriter(target, name, info, options or EncodeOptions(), audio, format)
        self._done = False

    @classmethod
    def accepts(cls, name: str) -> bool:
        """The name "-" for stdout, and URLs."""
        return name == "-" or is_url(name)

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """Open the stream `name` for writing."""
        return cls(name, info, options.encoding, audio=options.audio, format=options.format)

    def write(self, item: SinkItem) -> None:
        """Send a frame or a packet of another track."""
        if not isinstance(item, Checkpoint):
            self._video.write(item)

    def close(self) -> None:
        """Send the packets that the encoders still hold, and end the video."""
        if not self._done:
            self._done = True
            self._video.close()

    def abort(self) -> None:
        """End the video here, so that the part already sent is playable."""
        with suppress(OutputError):  # the receiver may be the cause
            self.close()

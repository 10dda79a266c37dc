"""A live recording to a video file that stays playable however the writing ends.

MP4 is written in fragments, each with its own index, and converted to an ordinary file at the end. Matroska
is playable while it is written.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from streamstyle.errors import UsageError
from streamstyle.frames import Frame, StreamInfo
from streamstyle.video.codecs import EncodeOptions, choose_codec, container_format
from streamstyle.video.encoding import Encoder, output_error
from streamstyle.video.opening import DAMAGE

ENDINGS = (".mp4", ".m4v", ".mov", ".mkv")
TIME_BASE = Fraction(1, 90_000)
_FRAGMENT_SECONDS = 0.5  # lost at most if the process is killed, in addition to the current frame
_FRAGMENTS = {
    "movflags": "empty_moov+default_base_moof",
    "frag_duration": str(round(_FRAGMENT_SECONDS * 1e6)),
}
_CLUSTERS = {"cluster_time_limit": str(round(_FRAGMENT_SECONDS * 1e3))}


class Recording:
    """Encodes frames into a file that is playable at any time.

    Args:
        path: of the file; its suffix is one of ENDINGS.
        info: of the source, for its size.
        options: of the encoder.

    Raises:
        UsageError: an option is invalid for the codec.
        OutputError: from every method, if the file cannot be written.
    """

    def __init__(self, path: Path, info: StreamInfo, options: EncodeOptions) -> None:
        form = container_format(path)
        _, codec = choose_codec(form, options, path.name)
        self.path = path
        self._first: Fraction | None = None
        self._last = -1
        self._fragmented = form.muxer != "matroska"
        live_options = _FRAGMENTS if self._fragmented else _CLUSTERS
        try:
            self._container = av.open(
                str(path), "w", format=form.muxer, container_options={**live_options, "flush_packets": "1"}
            )
        except (*DAMAGE, OSError) as error:
            raise output_error(path, error) from error
        try:
            self._encoder = Encoder(self._container, codec, options, info, TIME_BASE)
        except BaseException:
            self._container.close()
            path.unlink(missing_ok=True)
            raise

    def write(self, frame: Frame) -> None:
        """Encode a frame; the first one is at time 0."""
        seconds = frame.pts * frame.time_base
        self._first = seconds if self._first is None else self._first
        self._last = max(round((seconds - self._first) / TIME_BASE), self._last + 1)
        try:
            timed = replace(frame, pts=self._last, time_base=TIME_BASE, duration=0)
            self._container.mux(self._encoder.encode(timed))
        except (*DAMAGE, OSError) as error:
            raise output_error(self.path, error) from error

    def close(self) -> None:
        """Finish and close the file."""
        try:
            try:
                self._container.mux(self._encoder.flush())
            finally:
                self._container.close()
        except (*DAMAGE, OSError) as error:
            raise output_error(self.path, error) from error

    def finish(self, target: Path) -> None:
        """Join the fragments of the closed file and move it to `target`."""
        if self._fragmented:
            whole = self.path.with_suffix(f".whole{self.path.suffix}")
            try:
                defragment(self.path, whole)
                whole.replace(self.path)
            except (*DAMAGE, OSError):  # perhaps no space for a second file; the fragmented one is playable
                with suppress(OSError):
                    whole.unlink(missing_ok=True)
        try:
            self.path.replace(target)
        except OSError as error:
            raise output_error(target, error) from error


def defragment(fragmented: Path, whole: Path) -> None:
    """Copy the packets to a file with one index, at its beginning."""
    options = {"movflags": "+faststart"}
    form = container_format(whole).muxer
    with (
        av.open(str(fragmented)) as source,
        av.open(str(whole), "w", format=form, container_options=options) as target,
    ):
        track = source.streams.video[0]
        copy = target.add_stream_from_template(track, opaque=True)
        for packet in source.demux(track):
            if packet.dts is not None:  # the last one is empty
                packet.stream = copy
                target.mux(packet)


def check_ending(path: Path) -> None:
    """Check that a recording can have this name.

    Raises:
        UsageError: its suffix is not in ENDINGS.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path}: cannot record {path.suffix or 'without an ending'}; {' '.join(ENDINGS)}")

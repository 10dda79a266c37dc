"""Film files: encoded in segments, joined with sound and subtitles at the end."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from streamstyle.errors import InputError, OutputError
from streamstyle.frames import Checkpoint, Frame, Packet, Sink, SinkItem, StreamInfo
from streamstyle.video.codecs import (
    EncodeOptions,
    choose_codec,
    container_format,
    expected_bits_per_pixel,
)
from streamstyle.video.encoding import announce_padding, output_error
from streamstyle.video.gif import write_gif
from streamstyle.video.job_folder import Job
from streamstyle.video.joining import join
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.segments import SegmentWriter
from streamstyle.video.side_tracks import plan

CHECKPOINT_SECONDS = 4.0  # of film between two key frames at which a render can be resumed
_MARGIN_BYTES = 16_000_000
_TRACK_BIT_RATE = 192_000  # where a track does not tell its own


class VideoSink(Sink):
    """Writes a film file.

    Until it is complete the film lies in segments in NAME.part; an aborted run leaves them there.

    Args:
        path: of the film; its ending chooses the container.
        info: of the source.
        options: for the encoder.
        audio: "copy" or "none".
        overwrite: replace what is there.
        job: an unfinished job to go on with, or a new one; None makes one that cannot be resumed.

    Raises:
        UsageError: the output exists, or the options do not fit.
        OutputError: the output cannot be written, or the disk has too little space.
    """

    checkpoint_seconds: float | None = CHECKPOINT_SECONDS

    def __init__(
        self,
        path: Path | str,
        info: StreamInfo,
        options: EncodeOptions | None = None,
        *,
        audio: str = "copy",
        overwrite: bool = False,
        job: Job | None = None,
    ) -> None:
        self._path = Path(path)
        self._info = info
        self._options = options or EncodeOptions()
        self._form = container_format(self._path)
        _, self._codec = choose_codec(self._form, self._options, self._path.name)
        self._time_base = Fraction(info.time_base)
        if self._form.muxer == "avi":
            self._time_base = 1 / (info.rate or Fraction(25))
        self._job = job or Job.start(self._path, info, {}, overwrite)
        try:
            announce_padding(info, self._options.pixel_format or self._codec.pixel_format)
            self._ways = plan(info.tracks, self._form, audio, info.name)
            self._check_space(self._estimate())
            self._log = PacketLog(self._job.folder / "tracks", info.tracks)
        except BaseException:
            self._leave()
            raise
        self._segment: SegmentWriter | None = None
        self._done = False

    def write(self, item: SinkItem) -> None:
        """Take a frame, a packet of another track, or a checkpoint that ends a segment."""
        try:
            if isinstance(item, Packet):
                if item.track in self._ways:
                    self._log.append(item)
            elif isinstance(item, Checkpoint):
                self._end_segment(item)
            else:
                self._write_frame(item)
        except OSError as error:
            raise output_error(self._path, error) from error

    def close(self) -> None:
        """Finish the last segment and join all into the film."""
        if self._done:
            return
        try:
            self._end_segment(Checkpoint(0, {}))
            self._log.close()
            if not self._job.segments:
                raise InputError(f"{self._info.name}: no frame to write")
            joined = self._job.folder / f"joined{self._path.suffix}"
            segments, folder = self._job.segments, self._job.folder
            if self._form.muxer == "gif":
                write_gif(folder, segments, joined, self._time_base)
            else:
                join(folder, segments, joined, self._form, self._info, self._log, self._ways, self._time_base)
            self._job.finish(joined)
        except BaseException:
            self.abort()
            raise
        self._done = True

    def abort(self) -> None:
        """Stop here. Finished segments stay; the unfinished one too, where the disk has space for it."""
        if self._done:
            return
        self._done = True
        if self._segment is not None:
            if self._job.free_bytes() > _MARGIN_BYTES:
                self._segment.give_up()
            else:
                self._segment.discard()
        with suppress(OSError):  # the disk is full; the log is written anew on resume
            self._log.close()
        self._leave()

    def _write_frame(self, frame: Frame) -> None:
        if frame.time_base != self._time_base:
            frame = _retimed(frame, self._time_base)
        if self._segment is None:
            self._check_space(2 * self._job.segments[-1].bytes if self._job.segments else 0)
            # AVI wants H.264 with start codes, which an MP4 does not keep.
            muxer = "avi" if self._form.muxer == "avi" else self._codec.segment
            path = self._job.folder / f"{len(self._job.segments):06d}.{muxer}"
            self._segment = SegmentWriter(
                path, muxer, self._codec, self._options, self._info, self._time_base
            )
        self._segment.write(frame)

    def _end_segment(self, checkpoint: Checkpoint) -> None:
        if self._segment is None:
            return
        segment = self._segment.close()
        self._segment = None
        self._job.add(segment, checkpoint.state)

    def _estimate(self) -> int:
        """Expected bytes of segments, tracks and the joined film together."""
        info, seconds = self._info, self._info.length or 0.0
        remaining = max((info.frames or 0) - self._job.frames, 0)
        bits = expected_bits_per_pixel(self._codec, self._options)
        picture = remaining * info.width * info.height * bits / 8
        if self._options.bit_rate is not None:
            picture = self._options.bit_rate * seconds / 8
        rates = (getattr(track, "bit_rate", None) or _TRACK_BIT_RATE for track in info.tracks.values())
        return int(2 * (picture + sum(rates) * seconds / 8))

    def _check_space(self, needed: int) -> None:
        free = self._job.free_bytes()
        if free < needed + _MARGIN_BYTES:
            wanted = (needed + _MARGIN_BYTES) / 1e6
            raise OutputError(
                f"{self._path}: too little disk space: about {wanted:.0f} MB needed, {free / 1e6:.0f} MB free"
            )

    def _leave(self) -> None:
        """Let go of the job; a folder without a finished segment is of no use to anybody."""
        watchable = any(path.stem == "unfinished" for path in self._job.folder.glob("*"))
        if self._job.segments or watchable:
            self._job.release()
        else:
            self._job.remove()


def _retimed(frame: Frame, time_base: Fraction) -> Frame:
    ratio = frame.time_base / time_base
    duration = max(round(frame.duration * ratio), 1)
    return replace(frame, pts=round(frame.pts * ratio), time_base=time_base, duration=duration)

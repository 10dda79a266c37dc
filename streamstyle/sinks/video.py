"""Video files: encoded in segments, which are joined with audio and subtitles at the end."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Self

from streamstyle.errors import OutputError
from streamstyle.frames import Checkpoint, Frame, Packet, Sink, SinkItem, StreamInfo
from streamstyle.sinks.options import WriteOptions
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.encoding import output_error
from streamstyle.video.frame_grid import FrameGrid
from streamstyle.video.job_folder import JobFolder, State
from streamstyle.video.joining import finish
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.segments import SegmentWriter, packet_times
from streamstyle.video.video_format import VideoFormat, choose_format

CHECKPOINT_SECONDS = 4.0  # of video between two keyframes from which a render can be resumed
_MARGIN_BYTES = 16_000_000
_LARGEST_OVERLAPPED = 3840 * 2160  # pixels of a frame; each encoder may hold 60 of them


class SegmentSink(Sink):
    """Writes frames into a job folder as segments; each checkpoint ends a segment.

    An encoder holds many frames back. They are encoded in the background when a segment ends, while the next
    one begins: otherwise first nothing would be encoded, then nothing else done. Videos of very large frames,
    two encoders of which would need too much memory, do without.

    An aborted run leaves its finished segments there, and the unfinished one, which is playable.

    Args:
        folder: of the job; it is not closed.
        video: how the video is written.
        first: number of the first frame to be written.
        log: stores the packets of the other tracks; None drops them.

    Raises:
        OutputError: the disk has too little space.
    """

    checkpoint_seconds: float | None = CHECKPOINT_SECONDS

    def __init__(
        self, folder: JobFolder, video: VideoFormat, *, first: int = 0, log: PacketLog | None = None
    ) -> None:
        self._folder = folder
        self._video = video
        self._first = first
        self._log = log
        self._segment: SegmentWriter | None = None
        self._opened = 0  # number of segments begun
        self._closer = ThreadPoolExecutor(1, "closing a segment")
        self._closing: Future[None] | None = None
        self._may_overlap = video.info.width * video.info.height <= _LARGEST_OVERLAPPED
        self._grid = _grid(folder, video)
        self._left_out = 0
        self._check_space(video.expected_bytes(first))

    def write(self, item: SinkItem) -> None:
        """Take a frame, a packet of another track, or a checkpoint that ends a segment."""
        self._folder.started = True
        try:
            if self._closing is not None and self._closing.done():
                self._wait()
            if isinstance(item, Packet):
                if self._log is not None and item.track in self._video.track_modes:
                    self._log.append(item)
            elif isinstance(item, Checkpoint):
                self._end_segment(item.state)
            else:
                self._write_frame(item)
        except OSError as error:
            raise output_error(self._folder.output, error) from error

    def close(self) -> None:
        """Finish the last segment."""
        self._end_segment({})
        self._wait()
        self._closer.shutdown()

    def abort(self) -> None:
        """Stop writing; the unfinished segment is kept if the disk has space for it."""
        with suppress(OutputError, OSError):  # why the run ends is reported already
            self._wait()
        self._closer.shutdown()
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            has_space = self._folder.free_bytes() > _MARGIN_BYTES
        except OutputError:  # the folder was deleted
            has_space = False
        if has_space:
            segment.give_up()
        else:
            segment.discard()

    def _write_frame(self, frame: Frame) -> None:
        if self._grid is not None:
            tick = self._grid.place(frame.pts * frame.time_base)
            if tick is None:
                self._left_out += 1
                return
            frame = replace(_retimed(frame, self._video.time_base), pts=tick)
        elif frame.time_base != self._video.time_base:
            frame = _retimed(frame, self._video.time_base)
        if self._segment is None:
            video, segments = self._video, self._folder.segments
            self._check_space(2 * segments[-1].bytes if segments else 0)
            path = self._folder.unfinished(video.segment_muxer, self._opened)
            self._opened += 1
            self._segment = SegmentWriter(
                path, video.segment_muxer, video.codec, video.options, video.info, video.time_base
            )
            self._folder.begin()  # the encoder accepts size and options, so an earlier run can be deleted
        self._segment.write(frame)

    def _end_segment(self, state: State) -> None:
        if self._segment is None:
            return
        self._wait()
        segment, left_out, first = self._segment, self._left_out, self._first
        self._segment, self._left_out = None, 0
        self._first += segment.frames + left_out
        self._closing = self._closer.submit(self._add, segment, left_out, first, state)
        if not self._may_overlap:
            self._wait()

    def _add(self, segment: SegmentWriter, left_out: int, first: int, state: State) -> None:
        """Finish a segment and record it in the manifest."""
        self._folder.add(replace(segment.close(), left_out=left_out), first, state)

    def _wait(self) -> None:
        """Wait until the segment before is recorded. Raises what its encoder or the disk raised."""
        pending, self._closing = self._closing, None
        if pending is not None:
            pending.result()

    def _check_space(self, needed: int) -> None:
        free = self._folder.free_bytes()
        if free < needed + _MARGIN_BYTES:
            needed_mb = (needed + _MARGIN_BYTES) / 1e6
            raise OutputError(
                f"{self._folder.output}: too little disk space: "
                f"about {needed_mb:.0f} MB needed, {free / 1e6:.0f} MB free"
            )


class VideoSink(Sink):
    """Writes a video file.

    Until it is complete, its segments are in NAME.part. Renders by `jobs.render` can be resumed; those
    that use this sink alone cannot.

    Args:
        path: of the video; its suffix selects the container.
        info: of the source.
        options: of the encoder.
        audio: "copy" or "none".
        overwrite: replace an existing output.

    Raises:
        UsageError: the output exists, or an option does not apply to it.
        OutputError: the output cannot be written, or the disk has too little space.
    """

    SEGMENTED: ClassVar[bool] = True
    checkpoint_seconds: float | None = CHECKPOINT_SECONDS

    def __init__(
        self,
        path: Path | str,
        info: StreamInfo,
        options: EncodeOptions | None = None,
        *,
        audio: str = "copy",
        overwrite: bool = False,
    ) -> None:
        self._video = choose_format(Path(path), info, options or EncodeOptions(), audio)
        self._folder = JobFolder.start(Path(path), info, {}, overwrite)
        with ExitStack() as undo:
            undo.callback(self._folder.leave)
            self._log = undo.enter_context(closing(PacketLog(self._folder.tracks, info.tracks)))
            self._segments = SegmentSink(self._folder, self._video, log=self._log)
            undo.pop_all()
        self._done = False

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Any name that no other kind accepts; opening it reports the known suffixes."""
        return True

    @classmethod
    def open(cls, name: str, info: StreamInfo, options: WriteOptions) -> Self:
        """Open the video `name` for writing."""
        return cls(name, info, options.encoding, audio=options.audio, overwrite=options.overwrite)

    def write(self, item: SinkItem) -> None:
        """Take a frame, a packet of another track, or a checkpoint that ends a segment."""
        self._segments.write(item)

    def close(self) -> None:
        """Finish the last segment and join all segments into the video."""
        if self._done:
            return
        try:
            self._segments.close()
            self._log.close()
            finish(self._folder, self._video, self._log)
        except BaseException:
            self.abort()
            raise
        self._done = True

    def abort(self) -> None:
        """Stop writing; finished segments are kept, and the unfinished one if the disk has space for it."""
        if self._done:
            return
        self._done = True
        self._segments.abort()
        with suppress(OutputError):  # the disk is full, and the log is no longer needed
            self._log.close()
        self._folder.leave()


def _grid(folder: JobFolder, video: VideoFormat) -> FrameGrid | None:
    """The grid of frame times, continued after the finished segments; None if the container stores times."""
    if video.container.muxer != "avi":
        return None
    last = None
    if folder.segments:
        segment = folder.segments[-1]
        last = segment.first + max(packet_times(folder.path / segment.file, video.time_base))
    return FrameGrid(video.time_base, video.info.name, last)


def _retimed(frame: Frame, time_base: Fraction) -> Frame:
    ratio = frame.time_base / time_base
    duration = max(round(frame.duration * ratio), 1)
    return replace(frame, pts=round(frame.pts * ratio), time_base=time_base, duration=duration)

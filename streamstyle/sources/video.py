"""Videos from files, URLs and pipes, with every frame and every presentation time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from streamstyle.errors import InputError
from streamstyle.frames import Frame, Item, Packet, StreamInfo
from streamstyle.images import fitted_size, plays_of
from streamstyle.pictures import YCbCr
from streamstyle.sources.options import ReadOptions
from streamstyle.video.color import BT709, is_wide, resolve_tags
from streamstyle.video.completeness import is_cut_off, missing_seconds
from streamstyle.video.decoding import Decoded, Decoder, PacketReader, decoding_threads
from streamstyle.video.deinterlacing import Deinterlacer
from streamstyle.video.nvdec import NVDEC, acceleration, check
from streamstyle.video.opening import close_input, is_url, open_downloaded, open_input, reason
from streamstyle.video.orientation import read_orientation
from streamstyle.video.pictures import ToPicture
from streamstyle.video.seeking import Approach, approaches, in_range, seek_before, skim
from streamstyle.video.timestamps import PresentationTimes
from streamstyle.video.tracks import (
    audio_and_subtitles,
    beginning_of,
    choose_video,
    duration_seconds,
    expected_frames,
    frame_rate,
)

_log = logging.getLogger("streamstyle")

# Tracks may be interleaved loosely, so if `length` is set, reading continues for this long past its end.
_INTERLEAVE_SECONDS = 2.0


class VideoSource:
    """A video as upright frames, and the packets of its audio and subtitle tracks.

    To preserve the timing, a frame that is missing or flagged as corrupt is replaced by the last good one and
    marked `concealed`.

    Args:
        name: path, URL or "-" for stdin.
        options: size, part to read and frame rate; by default everything as it is.

    Raises:
        InputError: the input cannot be opened or has no frame.
        UsageError: the decoder is not available.
    """

    def __init__(self, name: str, options: ReadOptions | None = None) -> None:
        self._name = name
        self._options = options = options or ReadOptions()
        self._fps = options.fps
        self._skips_frames = False
        self._retired = ExitStack()  # containers that are read no more, but whose tracks may be in use
        self._path = None if name == "-" or is_url(name) else Path(name)
        failure: InputError | None = None
        for approach in approaches(name, options.start):
            try:
                if self._open(approach):
                    return
            except InputError as error:
                failure = error
        assert failure is not None  # the plain approach opens the input or fails
        raise failure

    def _open(self, approach: Approach) -> bool:
        """Open the input and read its first frame; False if that leaves out the start of the part to read."""
        on_card = self._options.decoder == NVDEC
        hwaccel = acceleration() if on_card else None
        opened = open_downloaded if approach.download else open_input
        container = opened(self._name, hwaccel=hwaccel)
        if container is None:
            return False
        self._container, self._decoded_items = container, self._decode(approach)
        several = not on_card and not approach.download and self._path is not None and self._path.is_file()
        self._threads = decoding_threads() if several else 1
        reaches = False
        try:
            reaches = self._begin(approach)
        finally:
            if not reaches:
                close_input(self._container, self._decoded_items)
        return reaches

    def _begin(self, approach: Approach) -> bool:
        self.lost, self._ending = 0, ""
        self._last_good: np.ndarray | YCbCr | None = None
        self._shape: tuple[int, int] | None = None
        if not self._start(approach):
            return False
        self._times = PresentationTimes(self._time_base, self._rate, self._name)
        self._head = self._read_head()
        if approach.skim and not self._reaches_start():
            return False
        self._info = self._describe(self._options)
        return True

    def _start(self, approach: Approach) -> bool:
        """Prepare to decode the container; False if it cannot be read from the start of the part to read."""
        self._stream = choose_video(self._container, self._name)
        if self._options.decoder == NVDEC:
            check(self._stream)
        self._tracks = audio_and_subtitles(self._container)
        self._time_base = Fraction(self._stream.time_base or Fraction(1, 1000))
        self._rate = frame_rate(self._stream)
        self._decoder = Decoder(self._stream, self._threads)
        self._deinterlacer = Deinterlacer(self._name) if self._options.deinterlace else None
        self._reader = PacketReader(self._container, [self._stream, *self._tracks.values()], self._name)
        return self._select_range(approach)

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Any name that no other kind accepts; opening it reports what is wrong with it."""
        return True

    @classmethod
    def open(cls, name: str, options: ReadOptions) -> Self:
        """Open the video `name`."""
        return cls(name, options)

    @property
    def info(self) -> StreamInfo:
        return self._info

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        close_input(self._container, self._decoded_items)
        self._retired.close()

    def __iter__(self) -> Iterator[Item]:
        items = self._items()
        return at_constant_rate(items, self._fps) if self._fps else items

    def packets(self) -> Iterator[Packet]:
        """The packets of the other tracks, as `__iter__` yields them. No frame is decoded any more."""
        self._skips_frames = True
        for item in chain(self._head, self._decoded_items):
            if isinstance(item, Packet):
                yield item

    def _select_range(self, approach: Approach) -> bool:
        """Set the range of presentation times to read, and go to its start; False if that is impossible."""
        base, start, length = self._time_base, Fraction(self._options.start), self._options.length
        beginning = beginning_of(self._container, self._stream)
        self._first = round((beginning + start) / base)
        self._end = None if length is None else self._first + round(Fraction(length) / base)
        self._trimmed = start > 0
        return not approach.seek or seek_before(self._container, beginning + start, beginning)

    def _decode(self, approach: Approach) -> Generator[Decoded | Packet, None, None]:
        """Decoded frames in presentation order, and packets of the other tracks in demux order.

        Several threads report damage late. So at the first damage the input is decoded again, by one thread,
        and what was right before is left out.
        """
        done: Counter[type] = Counter()
        if self._threads > 1:
            for item in self._decode_once(approach):
                if self._decoder.is_doubtful:
                    break
                done[type(item)] += 1
                yield item
            else:
                if not self._decoder.is_doubtful:
                    return
            self._retired.callback(self._container.close)
            self._container, self._threads = open_input(self._name), 1
            self._start(approach)
        for item in self._decode_once(approach):
            done[type(item)] -= 1
            if done[type(item)] < 0:
                yield item

    def _decode_once(self, approach: Approach) -> Iterator[Decoded | Packet]:
        """What `_decode` yields, from one container."""
        base = self._time_base
        begin = self._first * base if self._trimmed else None
        end = None if self._end is None else self._end * base
        packets = iter(self._reader)
        if approach.skim:
            packets = skim(packets, self._stream, self._first)
        for packet in packets:
            index = packet.stream.index
            if index != self._stream.index:
                if in_range(packet, begin, end):
                    yield Packet(index, packet)
                continue
            if not self._skips_frames:
                yield from self._deinterlaced(self._decoder.decode(packet))
            if self._is_past_end(packet.dts):
                break
        else:
            self._count_missing()
        yield from self._deinterlaced(self._decoder.flush())
        if self._deinterlacer:
            yield from self._deinterlacer.flush()

    def _deinterlaced(self, frames: Iterable[Decoded]) -> Iterator[Decoded]:
        for decoded in frames:
            yield from self._deinterlacer.process(decoded) if self._deinterlacer else (decoded,)

    def _is_past_end(self, dts: int | None) -> bool:
        if self._end is None or dts is None:
            return False
        return (dts - self._end) * self._time_base > _INTERLEAVE_SECONDS

    def _read_head(self) -> list[Decoded | Packet]:
        """Read up to the first frame, which determines size, orientation and color."""
        head: list[Decoded | Packet] = []
        for item in self._decoded_items:
            head.append(item)
            if isinstance(item, Decoded) and item.frame is not None:
                return head
        packets, errors = self._decoder.packets, self._decoder.errors
        if not packets:
            raise InputError(f"{self._name}: contains no frames in the range that is read")
        raise InputError(f"{self._name}: no frame could be decoded ({packets} packets, {errors} damaged)")

    def _reaches_start(self) -> bool:
        """Whether there is a good frame at or before the start of the range; it is added to the head."""
        frame = self._head[-1]
        while not (isinstance(frame, Decoded) and frame.frame is not None and not frame.damaged):
            following = next(self._decoded_items, None)
            if following is None:
                return False
            self._head.append(following)
            frame = following
        return frame.pts is not None and frame.pts <= self._first

    def _describe(self, options: ReadOptions) -> StreamInfo:
        frame = next(item.frame for item in self._head if isinstance(item, Decoded) and item.frame)
        self._orientation = read_orientation(frame, self._name)
        turned = self._orientation[0]
        upright_size = (frame.height, frame.width) if turned else (frame.width, frame.height)
        width, height = fitted_size(*upright_size, options.size, options.max_size, even=True)
        self._to_picture = ToPicture(self._name, (width, height), self._orientation, self._decoder.siting)
        aspect = Fraction(self._stream.sample_aspect_ratio or 1)
        aspect = 1 / aspect if turned else aspect
        if options.size is not None:
            aspect = (aspect * Fraction(*upright_size) / Fraction(width, height)).limit_denominator(1000)
        tags = resolve_tags(frame)
        path = self._path
        seconds = options.length or duration_seconds(self._container, self._stream)
        return StreamInfo(
            name=self._name,
            kind="video",
            width=width,
            height=height,
            time_base=1 / self._fps if self._fps else self._time_base,
            rate=self._fps or self._rate,
            frames=self._expected(options.length),
            sample_aspect=aspect,
            color=BT709 if is_wide(tags) else tags,
            tracks=self._tracks,
            container=self._container,
            start=self._first * self._time_base,
            length=seconds,
            replayable=path is not None,
            bytes=path.stat().st_size if path else None,
            plays=plays_of(path) if path and self._container.format.name == "gif" else 0,
        )

    def _expected(self, length: float | None) -> int | None:
        whole = expected_frames(self._container, self._stream, self._rate)
        if not (self._trimmed or length or self._fps):
            return whole
        available = duration_seconds(self._container, self._stream)
        skipped = float(self._first * self._time_base) if self._trimmed else 0.0
        rest = None if available is None else max(available - skipped, 0.0)
        limits = [limit for limit in (length, rest) if limit is not None]
        rate = self._fps or self._rate
        return max(1, round(min(limits) * rate)) if limits and rate else None

    def _items(self) -> Iterator[Item]:
        for item in self._head:
            yield from self._item(item)
        self._head.clear()
        for item in self._decoded_items:
            yield from self._item(item)
        if self._ending:
            _log.warning("%s: %s", self._name, self._ending)

    def _item(self, item: Decoded | Packet) -> Iterator[Item]:
        if isinstance(item, Packet):
            yield item
            return
        if item.frame is None and self._last_good is None:
            return  # nothing to repeat yet: the video starts with its first good frame
        pts = self._times.place(item.pts)
        picture, concealed, reset = self._picture(item)
        if self._trimmed and pts < self._first:
            return
        if self._end is not None and pts >= self._end:
            return
        yield Frame(
            picture,
            pts - self._first,
            self._time_base,
            duration=item.duration or self._times.step,
            reset=reset,
            concealed=concealed,
        )

    def _picture(self, item: Decoded) -> tuple[np.ndarray | YCbCr, bool, bool]:
        """(picture, concealed, reset) of a decoded or lost frame."""
        frame = item.frame
        if self._last_good is not None and (frame is None or item.damaged):
            return self._last_good, True, False
        assert frame is not None
        shape = (frame.width, frame.height)
        reset = shape != self._shape
        if reset and self._shape is not None:
            old, new = "x".join(map(str, self._shape)), "x".join(map(str, shape))
            _log.warning(
                "%s: the frame size changes from %s to %s; scaled to the first", self._name, old, new
            )
        self._shape = shape
        picture = self._to_picture(frame)
        if not item.damaged:
            self._last_good = picture
        return picture, item.damaged, reset

    def _count_missing(self) -> None:
        """Count the frames that are missing because the input is cut off, or stopped early."""
        form, error = self._container.format.name, self._reader.error
        if self._end is not None and self._reader.end >= self._end * self._time_base:
            return
        seconds = missing_seconds(self._container, self._reader.end)
        stopped = error is not None and is_url(self._name)
        cut_off = stopped or seconds > 0 or is_cut_off(self._container, self._path)
        if form.startswith(("mov", "avi")) and self._stream.frames and not self._trimmed:
            missing = self._stream.frames - self._decoder.packets
            cut_off = cut_off or form.startswith("mov")  # the number of frames in AVI is not exact
        else:
            missing = max(round(seconds * (self._rate or 1)), 1)
        if not cut_off or missing <= 0:
            return
        self.lost = missing
        problem = f"reading ended early ({reason(error)})" if error and stopped else "it is cut off"
        frames = "1 frame is" if missing == 1 else f"{missing} frames are"
        self._ending = f"{problem}; at least {frames} missing at its end"


def at_constant_rate(items: Iterable[Item], fps: Fraction) -> Iterator[Item]:
    """Repeat and drop frames to get a constant rate of `fps` frames per second.

    Each output frame is the latest input frame that has started at its time.
    """
    shown: Frame | None = None
    tick = 0
    for item in items:
        if not isinstance(item, Frame):
            yield item
            continue
        due = item.pts * item.time_base * fps
        while shown is not None and tick < due:
            yield replace(shown, pts=tick, time_base=1 / fps, duration=1)
            shown = replace(shown, reset=False)
            tick += 1
        if shown is None:
            tick = int(due)
        shown = item
    if shown is not None:
        end = (shown.pts + shown.duration) * shown.time_base * fps
        for last in range(tick, max(round(end), 1)):
            yield replace(shown, pts=last, time_base=1 / fps, duration=1)
            shown = replace(shown, reset=False)

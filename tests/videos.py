"""Small videos made for tests, and what a plain loop reads out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2  # noqa: F401 - before av
import numpy as np

import av  # isort: skip

RATE = 25


def picture(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """(H, W, 3) smooth colors that differ from frame to frame."""
    y, x = np.mgrid[:height, :width]
    red = 40 + 3 * x + 0 * y
    green = 60 + 2 * y + 0 * x
    blue = 255 * (np.hypot(x - 2 * (index % 30), y - 24) < 9)
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


def make_video(
    path: Path,
    frames: int = 30,
    *,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, RATE),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    draw: Callable[[int], np.ndarray] = picture,
    audio: Sequence[tuple[str, float]] = (),
    rotation: int = 0,
    options: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    chapters: bool = False,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Write a video.

    Args:
        frames: number of images.
        times: presentation times in `time_base`; by default one after the other.
        audio: (codec, seconds at which it starts) of each sound track.
        rotation: degrees stored in the display matrix.
        muxer: its options.
    """
    first = draw(0)
    exact = {"movie_timescale": "90000"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options={**exact, **(muxer or {})}) as container:
        container.metadata.update(tags or {})
        if chapters:
            base = Fraction(1, 1000)
            container.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 400, "time_base": base, "metadata": {"title": "One"}},
                    {"id": 2, "start": 400, "end": 1200, "time_base": base, "metadata": {"title": "Two"}},
                ]
            )
        stream = container.add_stream(
            codec, rate=RATE, width=first.shape[1], height=first.shape[0], time_base=time_base,
            options={"crf": "10", "g": "8", **(options or {})} if codec == "libx264" else options,
        )  # fmt: skip
        stream.codec_context.pix_fmt = pixel_format
        stream.codec_context.time_base = time_base
        if rotation:
            stream.set_display_rotation(rotation)
        sounds = [_add_sound(container, name) for name, _ in audio]
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(index), "rgb24")
            frame.pts, frame.time_base = (times[index] if times else index), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        seconds = frames / RATE
        for sound, (_, start) in zip(sounds, audio, strict=True):
            _play(container, sound, start, seconds)
    return path


def _add_sound(container: av.container.OutputContainer, codec: str) -> av.audio.stream.AudioStream:
    return container.add_stream(codec, rate=48000, layout="mono")


def _play(
    container: av.container.OutputContainer, stream: av.audio.stream.AudioStream, start: float, seconds: float
) -> None:
    context = stream.codec_context
    if not context.is_open:
        context.open()
    size = context.frame_size or 1024
    resampler = av.AudioResampler(context.format, context.layout, 48000)
    for number in range(int(seconds * 48000 / size)):
        tone = np.sin(np.arange(number * size, (number + 1) * size) * 2 * np.pi * 440 / 48000)
        frame = av.AudioFrame.from_ndarray((tone[None] * 9000).astype(np.int16), "s16", "mono")
        frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
        frame.pts = number * size + round(start * 48000)
        for ready in resampler.resample(frame):
            container.mux(stream.encode(ready))
    container.mux(stream.encode(None))


def mux_cues(
    container: av.container.OutputContainer, track: av.stream.Stream, *cues: tuple[int, int, bytes]
) -> None:
    """Write cues of subtitles as they are coded: (begin, end, data), in milliseconds."""
    for begin, end, data in cues:
        packet = av.Packet(data)
        packet.stream, packet.time_base = track, Fraction(1, 1000)
        packet.pts = packet.dts = begin
        packet.duration = end - begin
        container.mux(packet)


def times_of(path: Path) -> list[Fraction]:
    """Presentation times of the images in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def hashes_of(path: Path) -> list[str]:
    """A hash of the decoded samples of each image."""
    with av.open(str(path)) as container:
        return [
            hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest() for frame in container.decode(video=0)
        ]


def sound_of(path: Path, track: int = 0) -> tuple[bytes, Fraction]:
    """(all packets joined, time of the first one) of a sound track."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=track) if packet.size]
        assert packets[0].pts is not None and packets[0].time_base is not None
        return b"".join(map(bytes, packets)), packets[0].pts * packets[0].time_base


def pictures_of(path: Path) -> np.ndarray:
    """(N, H, W, 3) decoded with the matrix and range of the file's tags."""
    from streamstyle.frames import Frame
    from streamstyle.sources.video import VideoSource

    with VideoSource(str(path)) as source:
        return np.stack([item.pixels for item in source if isinstance(item, Frame)])


def damaged(video: Path) -> Path:
    """A copy in which packets 10 to 12 of the image track are zeros."""
    data = bytearray(video.read_bytes())
    with av.open(str(video)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    for packet in packets[10:13]:
        assert packet.pos is not None
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    broken = video.with_name("damaged.mp4")
    broken.write_bytes(data)
    return broken

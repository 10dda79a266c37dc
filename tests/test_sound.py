"""Sound that a container does not hold is re-encoded, whatever its layout and sample rate."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamstyle.effects.identity import Identity
from streamstyle.pipeline import run
from streamstyle.sinks.video import VideoSink
from streamstyle.sources.video import VideoSource
from streamstyle.video.codecs import EncodeOptions
from tests.videos import picture

import av  # isort: skip

FRAMES, RATE = 10, 25


def sounding(path: Path, codec: str, layout: str, sample_rate: int) -> Path:
    """A short video with a tone in every channel."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(
            "libvpx" if path.suffix == ".ogv" else "mpeg4", rate=RATE, width=64, height=48
        )
        options = {"strict": "experimental"}
        sound = container.add_stream(codec, rate=sample_rate, layout=layout, options=options)
        sound.codec_context.open()
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        channels = av.AudioLayout(layout).nb_channels
        samples = np.arange(sample_rate * FRAMES // RATE)
        tone = (9000 * np.sin(samples * 2 * np.pi * 440 / sample_rate)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, channels)[None], "s16", layout)
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, 0, Fraction(1, sample_rate)
        context = sound.codec_context
        resampler = av.AudioResampler(context.format, None, None, context.frame_size or None)
        for ready in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(sound.encode(ready))
        container.mux(sound.encode(None))
    return path


def copy(video: Path, target: Path) -> None:
    preset = "8" if target.suffix == ".webm" else "ultrafast"
    with (
        VideoSource(str(video)) as opened,
        VideoSink(target, opened.info, EncodeOptions(preset=preset)) as sink,
    ):
        run(opened, Identity(), [sink])


def heard(path: Path) -> tuple[str, str, int, float, float]:
    """(codec, layout, sample rate, seconds, loudness) of the decoded sound."""
    with av.open(str(path)) as container:
        context = container.streams.audio[0].codec_context
        packed = av.AudioResampler("s16")
        frames = [ready for frame in container.decode(audio=0) for ready in packed.resample(frame)]
    seconds = sum(frame.samples for frame in frames) / frames[0].sample_rate
    values = np.concatenate([frame.to_ndarray().ravel() for frame in frames]) / 32768
    loudness = float(np.sqrt(np.mean(values**2)))
    return context.codec.canonical_name, frames[0].layout.name, frames[0].sample_rate, seconds, loudness


@pytest.mark.parametrize(
    ("source", "codec", "layout", "rate", "target", "expected"),
    [
        ("a.avi", "pcm_s16le", "stereo", 44100, "b.mp4", ("aac", "stereo", 44100)),
        ("a.avi", "adpcm_ima_wav", "mono", 44100, "b.mp4", ("aac", "mono", 44100)),
        ("a.avi", "pcm_mulaw", "mono", 8000, "b.mkv", ("aac", "mono", 8000)),
        ("a.mkv", "eac3", "5.1(side)", 48000, "b.webm", ("opus", "5.1", 48000)),
        ("a.mkv", "flac", "4.0", 48000, "b.webm", ("opus", "quad", 48000)),
        ("a.mkv", "wavpack", "7.1", 48000, "b.avi", ("mp3", "stereo", 48000)),
        ("a.nut", "pcm_s16le", "3 channels", 48000, "b.webm", ("opus", "3.0", 48000)),
        ("a.nut", "pcm_s16le", "11 channels", 48000, "b.mp4", ("aac", "7.1", 48000)),
        ("a.nut", "pcm_s16le", "ambisonic 1", 48000, "b.mp4", ("aac", "4.0", 48000)),
        ("a.mkv", "wavpack", "9 channels", 48000, "b.mp4", ("aac", "7.1", 48000)),
        ("a.avi", "pcm_s16le", "mono", 11025, "b.webm", ("opus", "mono", 48000)),
        ("a.mov", "alac", "stereo", 96000, "b.avi", ("mp3", "stereo", 48000)),
        ("a.mkv", "flac", "stereo", 192000, "b.mov", ("aac", "stereo", 48000)),
        ("a.avi", "adpcm_ima_wav", "mono", 12345, "b.mp4", ("aac", "mono", 16000)),
    ],
)
def test_sound_is_kept_in_a_layout_and_rate_that_the_encoder_knows(
    source: str,
    codec: str,
    layout: str,
    rate: int,
    target: str,
    expected: tuple[str, str, int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copy(sounding(tmp_path / source, codec, layout, rate), tmp_path / target)
    *kind, seconds, loudness = heard(tmp_path / target)
    assert tuple(kind) == expected
    assert seconds == pytest.approx(FRAMES / RATE, abs=0.15)  # encoders fill their last packet
    assert loudness > 0.05
    assert "re-encoded" in caplog.text and "damaged" not in caplog.text


def test_sound_that_changes_its_layout_is_heard_to_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a broadcast does between two programs."""
    parts = [
        sounding(tmp_path / f"{layout}.ts", "mp2", layout, 48000).read_bytes()
        for layout in ("stereo", "mono")
    ]
    with av.open(str(tmp_path / "a.nut"), "w") as out:
        tracks: list[av.stream.Stream] = []
        for number, part in enumerate(parts):
            (tmp_path / "part.ts").write_bytes(part)
            with av.open(str(tmp_path / "part.ts")) as source:
                tracks = tracks or [out.add_stream_from_template(s, opaque=True) for s in source.streams]
                for packet in source.demux():
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts += number * 90000 * FRAMES // RATE
                        packet.dts += number * 90000 * FRAMES // RATE
                        packet.stream = tracks[packet.stream_index]
                        out.mux(packet)
    copy(tmp_path / "a.nut", tmp_path / "b.webm")
    assert heard(tmp_path / "b.webm")[3] == pytest.approx(2 * FRAMES / RATE, abs=0.15)
    assert "damaged" not in caplog.text


def with_swapped_channels(path: Path) -> Path:
    """A MOV whose sound is labelled right before left: its `chan` box gets a description of each channel."""
    data = bytearray(sounding(path, "pcm_s16le", "stereo", 48000).read_bytes())
    at = data.find(b"chan") - 4
    labels = b"".join(struct.pack(">II12x", label, 0) for label in (2, 1))
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"sowt"):
        box = data.rfind(name, 0, at) - 4
        data[box : box + 4] = struct.pack(">I", struct.unpack(">I", data[box : box + 4])[0] + len(labels))
    data[at : at + 24] = struct.pack(">I4sIIII", 24 + len(labels), b"chan", 0, 0, 0, 2) + labels
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("target", ["b.mkv", "b.webm"])
def test_channels_in_an_order_of_their_own_are_copied_or_dropped(
    target: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """PyAV would free their layout twice and abort the process."""
    copy(with_swapped_channels(tmp_path / "a.mov"), tmp_path / target)
    with av.open(str(tmp_path / target)) as out:
        kept = len(out.streams.audio) == 1
    assert kept == (target == "b.mkv") and kept != ("dropped" in caplog.text)


def ogg_checksum(page: bytes) -> int:
    """CRC-32 of an Ogg page (RFC 3533, section 6), most significant bit first."""
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1) ^ (0x104C11DB7 if remainder & 0x80000000 else 0)
    return remainder


def without_channels(path: Path) -> Path:
    """An Ogg file whose Vorbis header says 0 channels."""
    data = bytearray(sounding(path, "vorbis", "stereo", 44100).read_bytes())
    header = data.find(b"\x01vorbis")
    begin = data.rfind(b"OggS", 0, header)
    lengths = data[begin + 27 : begin + 27 + data[begin + 26]]
    end = begin + 27 + len(lengths) + sum(lengths)
    data[header + 11] = 0
    data[begin + 22 : begin + 26] = bytes(4)
    data[begin + 22 : begin + 26] = struct.pack("<I", ogg_checksum(data[begin:end]))
    path.write_bytes(data)
    return path


def test_vorbis_that_says_0_channels_is_decoded_with_as_many_as_it_has(tmp_path: Path) -> None:
    copy(without_channels(tmp_path / "a.ogv"), tmp_path / "b.mov")
    *kind, seconds, loudness = heard(tmp_path / "b.mov")
    assert kind == ["aac", "stereo", 44100]
    assert seconds == pytest.approx(FRAMES / RATE, abs=0.15) and loudness > 0.05

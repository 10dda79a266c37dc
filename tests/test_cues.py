"""Cues that overlap are all shown, for as long as they should be."""

from fractions import Fraction
from pathlib import Path

import pytest

from streamstyle.effects import StylizeSettings
from streamstyle.jobs.render import render
from streamstyle.video.cues import Cue, CueSequence
from tests.videos import mux_cues, picture

import av  # isort: skip

Shown = list[tuple[float, float, str]]


def sequence(*cues: tuple[int, int, str]) -> list[tuple[int, int, str]]:
    made = CueSequence()
    found = [piece for cue in cues for piece in made.add(event(*cue))] + list(made.flush())
    return [(cue.start, cue.end, cue.text.split(b",", 8)[-1].decode()) for cue in found]


def event(start: int, end: int, text: str) -> Cue:
    return Cue(start, end, f"0,0,Default,,0,0,0,,{text}".encode())


def test_cues_that_do_not_overlap_are_kept() -> None:
    assert sequence((0, 5, "a"), (5, 7, "b"), (9, 10, "c, d")) == [(0, 5, "a"), (5, 7, "b"), (9, 10, "c, d")]


def test_cues_at_one_time_are_joined_and_cut() -> None:
    assert sequence((1, 5, "a"), (1, 3, "b")) == [(1, 3, r"a\Nb"), (3, 5, "a")]
    assert sequence((1, 5, "a"), (2, 8, "b"), (9, 9, "c")) == [(1, 2, "a"), (2, 5, r"a\Nb"), (5, 8, "b")]


def make(path: Path, codec: str) -> None:
    """A video with two cues at one time, and a third one."""
    header = b"[Script Info]\n[V4+ Styles]\nFormat: Name\nStyle: Default\n[Events]\nFormat: Layer, Text\n"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, width=64, height=48)
        cues = container.add_stream(codec) if codec == "ass" else container.add_mux_stream(codec)
        if codec == "ass":
            context = cues.codec_context
            context.time_base, context.subtitle_header = Fraction(1, 1000), header
            context.open(strict=False)
        for order, (begin, end, text) in enumerate(
            ((400, 1600, "Hello"), (400, 1000, "Goodbye"), (1700, 1900, "Again"))
        ):
            data = f"{order},0,Default,,0,0,0,,{text}" if codec == "ass" else text
            mux_cues(container, cues, (begin, end, data.encode()))
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(picture(index), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def shown(path: Path) -> Shown:
    """(start, end, text) of the cues that have a text."""
    found = []
    with av.open(str(path)) as container:
        track = container.streams.subtitles[0]
        for packet in container.demux(track):
            if packet.size:
                for line in track.codec_context.decode2(packet) or ():
                    assert packet.pts is not None and packet.time_base is not None
                    begin = packet.pts * packet.time_base
                    end = begin + (packet.duration or 0) * packet.time_base
                    found.append((float(begin), float(end), line.ass.split(b",", 8)[-1].decode()))
    return [cue for cue in found if cue[2]]


@pytest.mark.parametrize("codec", ["subrip", "ass"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_cues_at_one_time_are_all_shown(codec: str, suffix: str, tmp_path: Path) -> None:
    source, output = tmp_path / "source.mkv", tmp_path / f"output{suffix}"
    make(source, codec)
    settings = StylizeSettings(style="none", preset=None if suffix == ".webm" else "ultrafast")
    render(source, output, settings)
    hello, goodbye, again = (0.4, 1.6, "Hello"), (0.4, 1.0, "Goodbye"), (1.7, 1.9, "Again")
    expected = [hello, goodbye, again]
    if suffix in (".mp4", ".mov"):
        expected = [(0.4, 1.0, r"Hello\NGoodbye"), (1.0, 1.6, "Hello"), again]
    found = shown(output)
    assert [text for *_, text in found] == [text for *_, text in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[:2] == pytest.approx(theirs[:2], abs=0.002)

"""Decoding with several threads: the same frames, also where the input is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from streamstyle.frames import Frame, Packet
from streamstyle.sources import video as sources_video
from streamstyle.sources.options import ReadOptions
from streamstyle.sources.video import VideoSource
from tests.videos import damaged

HARBOUR = Path(__file__).parents[1] / "samples/harbour.mp4"
Read = tuple[list[tuple[bytes, int, bool]], list[int], int]


def read(video: Path, threads: int, monkeypatch: pytest.MonkeyPatch, options: ReadOptions) -> Read:
    """Frames, the sizes of packets, and the number of lost frames."""
    monkeypatch.setattr(sources_video, "decoding_threads", lambda: threads)
    frames, packets = [], []
    with VideoSource(str(video), options) as source:
        for item in source:
            if isinstance(item, Frame):
                frames.append((item.pixels.tobytes(), item.pts, item.concealed))
            else:
                assert isinstance(item, Packet)
                packets.append(item.payload.size)  # type: ignore[attr-defined]
        return frames, packets, source.lost


def test_an_intact_video_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ReadOptions(length=2.0)
    expected = read(HARBOUR, 1, monkeypatch, options)
    monkeypatch.setattr(sources_video, "open_input", refuse_a_second_time(sources_video.open_input))
    assert read(HARBOUR, 4, monkeypatch, options) == expected


def refuse_a_second_time(opener):  # type: ignore[no-untyped-def]
    opened = []

    def open_once(name: str, **options: object):  # type: ignore[no-untyped-def]
        assert not opened
        opened.append(name)
        return opener(name, **options)

    return open_once


@pytest.mark.parametrize("start", [0.0, 0.3])
def test_damage_is_reported_at_its_frame(
    start: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = damaged(Path(shutil.copy(HARBOUR, tmp_path)))
    options = ReadOptions(start=start)
    expected = read(video, 1, monkeypatch, options)
    assert any(concealed for _, _, concealed in expected[0])
    assert read(video, 4, monkeypatch, options) == expected


def test_a_video_that_is_cut_off_has_the_same_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = tmp_path / "cut.mp4"
    content = HARBOUR.read_bytes()
    video.write_bytes(content[: len(content) * 2 // 3])
    expected = read(video, 1, monkeypatch, ReadOptions())
    assert expected[2] > 0
    assert read(video, 4, monkeypatch, ReadOptions()) == expected

"""NVDEC on request: refused in a line where it cannot be opened, and its pictures are those of the CPU."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.errors import UsageError
from streamstyle.sources import ReadOptions, open_source
from streamstyle.video import nvdec
from streamstyle.video.chroma import LEFT
from streamstyle.video.pictures import ToPicture
from tests.videos import make_video

REFUSED = "--decoder nvdec: no NVIDIA decoder is available on this machine"


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvdec, "works", lambda: False)


def test_it_is_refused_in_a_line_where_it_cannot_be_opened(tmp_path: Path, no_card) -> None:
    video = make_video(tmp_path / "in.mp4", 3)
    command = ["stylize", str(video), str(tmp_path / "out.mp4"), "--device", "cpu", "--decoder", "nvdec"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == UsageError.exit_code
    assert REFUSED in told.output
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4"}


def test_a_codec_that_the_card_cannot_decode_is_refused(tmp_path: Path, monkeypatch) -> None:
    """Opened without a card, a stream is not decoded on one."""
    monkeypatch.setattr(nvdec, "works", lambda: True)
    monkeypatch.setattr(nvdec, "HWAccel", lambda *_, **__: None)
    video = make_video(tmp_path / "in.mp4", 3)
    with pytest.raises(UsageError, match=r"^--decoder nvdec: cannot decode h264$"):
        open_source(str(video), ReadOptions(decoder="nvdec"))


def test_the_picture_to_try_it_with_can_be_decoded() -> None:
    """Else a card would seem to fail."""
    with av.open(io.BytesIO(nvdec.one_picture())) as container:
        (frame,) = container.decode(container.streams.video[0])
    assert (frame.width, frame.height) == (256, 256)


def test_what_the_cpu_decodes_does_not_count(monkeypatch) -> None:
    monkeypatch.setattr(nvdec, "HWAccel", lambda *_, **__: None)
    assert not nvdec.works.__wrapped__()


def test_doctor_says_what_it_decodes(no_card) -> None:
    told = CliRunner().invoke(app, ["doctor"])
    assert told.exit_code == 0
    assert "nvdec        none: no card, driver or decoder that can be opened" in told.output


@pytest.mark.parametrize("size", [(64, 48), (62, 46)])
def test_pictures_of_a_card_are_those_of_the_cpu(size: tuple[int, int]) -> None:
    """NV12 has the same samples in another order."""
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8)
    planar = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
    to_picture = ToPicture("a", size, (0, False, False), LEFT)
    expected, found = to_picture(planar), to_picture(planar.reformat(format="nv12"))
    for plane, other in zip(expected.planes, found.planes, strict=True):
        np.testing.assert_array_equal(plane, other)


@pytest.mark.cuda
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_CUDA") != "1", reason="needs CUDA"
)
def test_a_card_gives_the_frames_of_the_cpu(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 12)
    with (
        open_source(str(video), ReadOptions()) as one,
        open_source(str(video), ReadOptions(decoder="nvdec")) as two,
    ):
        for frame, other in zip(one, two, strict=True):
            assert frame.pts == other.pts
            np.testing.assert_array_equal(frame.pixels, other.pixels)

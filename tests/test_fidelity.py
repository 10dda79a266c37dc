"""Real videos, read and written without an effect: a few of each kind that went wrong elsewhere."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.effects import StylizeSettings
from streamstyle.jobs.render import render
from tests.videos import pictures_of, sound_of, times_of

PLAIN = StylizeSettings(style="none", preset="ultrafast", device="cpu")
WHOLE = {
    "good/flir_thermal.mp4": 84,  # irregular times, sound starts late
    "good/mpy_fire2.mp4": 25,  # irregular times, upside down
    "good/phone_with-gps.mov": 120,  # turned by 90 degrees, data tracks
    "edge/rot_ax_htc_track_name.mkv": 30,  # claims 1000 frames per second
    "edge/-video-with-dash-.mp4": 5,  # 1x1
    "fmt/ax_sample.flv": 30,
    "fmt/ax_h265.ts": 30,  # starts at 1.47 s
    "edge/sub_ax_vobsub.mp4": 30,
}
COLORS = ("fmt/ax_bt601.mov", "fmt/bt709_full_range.mp4", "fmt/ax_srgb.mp4", "fmt/ax_gamma22.mp4")


@pytest.mark.parametrize("name", WHOLE)
def test_frames_times_and_audio_are_those_of_the_source(name: str, media: Path, tmp_path: Path) -> None:
    video, out = media / "clips" / name, tmp_path / "out.mp4"
    result = render(video, out, PLAIN)
    before, after = times_of(video), times_of(out)
    assert result.frames_out == len(before) == len(after) == WHOLE[name]
    shift = after[0] - before[0]
    assert max(abs(b - a - shift) for a, b in zip(before, after, strict=True)) <= Fraction(1, 1000)
    try:
        sound, start = sound_of(video)
    except IndexError:
        return
    copied, moved = sound_of(out)
    assert copied == sound and abs(moved - start - shift) <= Fraction(1, 1000)


@pytest.mark.parametrize("name", COLORS)
def test_colors_survive_a_lossless_copy(name: str, media: Path, tmp_path: Path) -> None:
    video = media / "clips" / name
    render(video, tmp_path / "out.mp4", PLAIN.model_copy(update={"crf": 0.0, "length": 0.3}))
    after = pictures_of(tmp_path / "out.mp4").astype(int)
    before = pictures_of(video)[: len(after)]
    # Test patterns at the limits of full range clip where interpolated chroma overshoots.
    assert np.abs(after - before).mean(axis=(0, 1, 2)).max() <= (1.6 if "full_range" in name else 1.5)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mp4parse_no_timescale.mp4", 5),
        ("oh264_Error_I_P.264", 5),
        ("video_with_failing_audio.mp4", 0),
        ("ax_vp9_invalid-bitstream.webm", 3),
        ("ax_encrypted_clearkey.mp4", 3),
        ("zero_byte.webm", 3),
    ],
)
def test_damaged_videos_give_their_intact_frames(name: str, code: int, media: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    arguments = ["stylize", str(media / "clips" / "bad" / name), str(out), "--style", "none", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--preset", "ultrafast"])
    assert result.exit_code == code
    done = json.loads(result.stdout.splitlines()[-1])
    if code == 3:
        assert done["event"] == "error" and not out.exists()
    else:
        assert done["decoded"] + done["concealed"] == done["frames_out"] == len(times_of(out))

"""The Python entry point."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamstyle.effects import StylizeSettings
from streamstyle.errors import UsageError
from streamstyle.jobs.render import render, resume
from streamstyle.weights import STYLES
from tests.videos import make_video, pictures_of, times_of


def test_a_video_is_stylized_with_sound_and_times(tmp_path: Path) -> None:
    video = make_video(tmp_path / "film.mp4", 6)
    settings = StylizeSettings(style="starry_night", device="cpu", preset="ultrafast")
    result = render(video, tmp_path / "out.mp4", settings)
    assert result.frames_out == 6
    assert times_of(tmp_path / "out.mp4") == times_of(video)
    difference = np.abs(pictures_of(tmp_path / "out.mp4").astype(int) - pictures_of(video)).mean()
    assert difference > 10  # it is stylized


def test_strength_0_is_the_source_itself(tmp_path: Path) -> None:
    video = make_video(tmp_path / "film.mp4", 3)
    for name, settings in (("a", StylizeSettings(strength=0)), ("b", StylizeSettings(style="none"))):
        render(video, tmp_path / name, settings)
    for number in (1, 2, 3):
        first, second = (np.asarray(Image.open(tmp_path / name / f"00000{number}.png")) for name in "ab")
        assert np.array_equal(first, second)


def test_other_weights_are_refused_on_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamstyle import pipeline

    video = make_video(tmp_path / "film.mp4", 300)

    class Stop(Exception):
        pass

    def stop(progress: pipeline.Progress) -> None:
        if progress.frames > 150:
            raise Stop

    monkeypatch.setattr(pipeline, "_REPORT_SECONDS", 0)
    settings = StylizeSettings(strength=0, device="cpu", preset="ultrafast")
    with pytest.raises(Stop):
        render(video, tmp_path / "out.mp4", settings, on_progress=stop)
    manifest = tmp_path / "out.mp4.part" / "manifest.jsonl"
    text = manifest.read_text()
    weights = STYLES["starry_night"].sha256
    manifest.write_text(text.replace(weights, "0" * 64))
    with pytest.raises(UsageError, match=r"starry_night: has changed since .*out\.mp4 was started"):
        resume(tmp_path / "out.mp4")
    manifest.write_text(text)
    assert resume(tmp_path / "out.mp4").frames_out == 300

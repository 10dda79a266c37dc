"""`evaluate` and the options that hold a video still, as a user meets them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from streamstyle.apps.cli import app
from streamstyle.jobs import evaluate as evaluation_job
from streamstyle.jobs.provenance import settings_of_output
from tests.videos import hashes_of

SAMPLE = Path(__file__).parents[1] / "samples" / "harbour.mp4"
FAST = ["--preset", "ultrafast", "--device", "cpu", "--max-size", "160", "-t", "0.5", "-q"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Half a second of the sample clip, stabilized and not."""
    folder = tmp_path_factory.mktemp("videos")
    for name, options in {"still": [], "alone": ["--steady", "0"]}.items():
        made = call("stylize", SAMPLE, folder / f"{name}.mp4", *FAST, *options)
        assert made.exit_code == 0, made.stderr
    return folder


def summary(videos: Path, name: str, *options: object) -> dict[str, float]:
    done = call("evaluate", SAMPLE, videos / f"{name}.mp4", "-t", "0.5", "--json", *options)
    assert done.exit_code == 0, done.stderr
    result: dict[str, float] = json.loads(done.stdout)["summary"]
    return result


def test_videos_are_held_still_unless_told_otherwise(videos: Path) -> None:
    still, alone = summary(videos, "still"), summary(videos, "alone")
    assert still["excess_warp_error"] < 0.5 * alone["excess_warp_error"]
    assert still["sharpness"] > 0.9 * alone["sharpness"]
    # Encoding alone moves the style of the frames that were stylized by themselves.
    assert alone["style_loss"] < still["style_loss"] < 0.3


def test_json_has_a_summary_cuts_and_frames(videos: Path) -> None:
    done = call("evaluate", SAMPLE, videos / "still.mp4", "-t", "0.5", "--json")
    told = json.loads(done.stdout)
    assert told.keys() == {"summary", "cuts", "frames"}
    assert {"warp_error", "source_warp_error", "flicker", "sharpness", "drift"} <= told["summary"].keys()
    assert told["cuts"] == [] and len(told["frames"]) == 12 == told["summary"]["frames"]
    assert told["frames"][0]["warp_error"] is None and told["frames"][1]["warp_error"] > 0


def test_a_table_and_a_sheet_are_written_once(videos: Path, tmp_path: Path) -> None:
    options = ["--csv", tmp_path / "table.csv", "--sheet", tmp_path / "sheet.png"]
    done = call("evaluate", SAMPLE, videos / "still.mp4", "-t", "0.5", *options)
    assert done.exit_code == 0, done.stderr
    assert "warp error" in done.stdout and "cuts before none" in done.stdout
    with (tmp_path / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["frame"] for line in lines] == [str(number) for number in range(12)]
    assert float(lines[5]["sharpness"]) > 0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape[1] > 5 * 160
    again = call("evaluate", SAMPLE, videos / "still.mp4", "-t", "0.5", *options)
    assert again.exit_code == 2 and "table.csv: exists; -y overwrites it" in again.stderr


def test_videos_that_do_not_match_are_told(videos: Path) -> None:
    longer = call("evaluate", SAMPLE, videos / "still.mp4")
    assert longer.exit_code == 0
    assert "108 frames are in one video only; 12 are compared" in longer.stderr
    absent = call("evaluate", SAMPLE, videos / "absent.mp4")
    assert absent.exit_code == 3 and "absent.mp4" in absent.stderr
    unknown = call("evaluate", SAMPLE, videos / "still.mp4", "--flow", "slow")
    assert (
        unknown.exit_code == 2
        and "--flow slow: no such flow; known are none, auto, fast, medium, dis" in unknown.stderr
    )


def test_exact_flow_comes_from_a_folder(videos: Path, tmp_path: Path) -> None:
    for number in range(1, 12):
        np.save(tmp_path / f"{number:02}.npy", np.zeros((90, 160, 2), np.float32))
    assert summary(videos, "still", "--flow", tmp_path)["reliable"] > 0.5
    options = ["--flow", tmp_path, *FAST]
    made = call("stylize", SAMPLE, tmp_path / "exact.mp4", *options)
    assert made.exit_code == 0, made.stderr
    assert hashes_of(tmp_path / "exact.mp4") != hashes_of(videos / "still.mp4")
    assert settings_of_output(tmp_path / "exact.mp4").flow == str(tmp_path)
    refused = call("stylize", SAMPLE, tmp_path / "short.mp4", "--flow", tmp_path, "--max-size", "80", "-q")
    assert refused.exit_code == 3
    assert "160x90 pixels, the frames have 80x44" in refused.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steady", "1.5"], "--steady 1.5: expected 0 to 1"),
        (
            ["--flow", "slow"],
            "--flow slow: no such flow; known are none, auto, fast, medium, dis, raft, or",
        ),
        (["--inertia", "1"], "--inertia 1: expected 0 to below 1"),
        (["--flow-size", "4"], "--flow-size 4: expected 32 to 4096"),
    ],
)
def test_what_is_not_allowed_is_named(tmp_path: Path, options: list[str], message: str) -> None:
    result = call("stylize", SAMPLE, tmp_path / "out.mp4", *options)
    assert result.exit_code == 2 and message in result.stderr


def test_without_flow_nothing_is_held_still(videos: Path, tmp_path: Path) -> None:
    assert call("stylize", SAMPLE, tmp_path / "none.mp4", *FAST, "--flow", "none").exit_code == 0
    assert hashes_of(tmp_path / "none.mp4") == hashes_of(videos / "alone.mp4")


def test_large_videos_are_measured_at_a_limited_size(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_job, "LARGEST", 64)
    found = evaluation_job.evaluate(SAMPLE, videos / "still.mp4", length=0.2)
    assert {frame.result.shape for frame in found.worst} == {(36, 64, 3)}
    assert found.summary["style_loss"] < 1


def test_of_a_longer_result_the_beginning_is_measured(videos: Path) -> None:
    found = evaluation_job.evaluate(SAMPLE, videos / "still.mp4", length=0.2)
    assert (found.summary["frames"], found.missing) == (5, 0)

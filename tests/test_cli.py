"""The program as a user meets it: exit codes, one-line errors, pipes, signals, resuming."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from streamstyle.apps.cli import app
from streamstyle.effects import EFFECTS
from streamstyle.options import about
from streamstyle.video.tags import read_provenance
from tests.videos import damaged, hashes_of, make_video, picture, sound_of, times_of

PLAIN = ["--style", "none", "--preset", "ultrafast", "--device", "cpu"]
STOPPED = ["--strength", "0", *PLAIN[2:]]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def start(*arguments: object, **more: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "streamstyle", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "film.mp4", 20, audio=[("aac", 0)])


def test_a_video_goes_through_and_the_last_line_says_so(video: Path, tmp_path: Path) -> None:
    result = call("stylize", video, tmp_path / "out.mp4", *PLAIN)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1].startswith("20 frames in, 20 out, ")
    assert result.stderr.splitlines()[-1].endswith("out.mp4")
    assert result.stdout == ""
    assert len(times_of(tmp_path / "out.mp4")) == 20


def test_an_output_is_made_again_for_another_input(video: Path, tmp_path: Path) -> None:
    options = ["--keep-colors", "0.5", "--preset", "ultrafast", "--device", "cpu"]
    made = call("stylize", video, tmp_path / "out.mp4", "--style", "0.5*great_wave+0.5*none", *options)
    assert made.exit_code == 0, made.stderr
    again = call("rerun", tmp_path / "out.mp4", video, tmp_path / "again.mp4", "--device", "cpu")
    assert again.exit_code == 0, again.stderr
    assert hashes_of(tmp_path / "again.mp4") == hashes_of(tmp_path / "out.mp4")
    refused = call("rerun", video, video, tmp_path / "x.mp4")
    assert (refused.exit_code, "was not made by streamstyle" in refused.stderr) == (3, True)
    assert call("rerun", tmp_path / "out.mp4", video, tmp_path / "out.mp4", "-y").exit_code == 2


def test_a_preview_writes_a_sheet_only(video: Path, tmp_path: Path) -> None:
    result = call(
        "stylize", video, tmp_path / "o.mp4", "--preview", 2, "--style", "none", "--style", "great_wave"
    )
    assert result.exit_code == 0, result.stderr
    assert "great_wave: the whole render takes about" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"film.mp4", "o.preview.png"}


def test_a_preset_may_hold_a_mixture_and_a_timeline(video: Path, tmp_path: Path) -> None:
    preset = tmp_path / "story.toml"
    preset.write_text('style = "0.5*great_wave+0.5*none"\nat = ["0.1=none", "0.2=great_wave"]\nfade = 0.1\n')
    assert call("stylize", video, tmp_path / "o.mp4", "--config", preset, "--device", "cpu").exit_code == 0
    provenance = read_provenance(tmp_path / "o.mp4")["settings"]
    assert (provenance["style"], provenance["fade"]) == ("0.5*great_wave+0.5*none", 0.1)
    assert provenance["at"] == ["0.1=none", "0.2=great_wave"]
    preset.write_text('at = ["soon=none"]\n')
    refused = call("stylize", video, tmp_path / "p.mp4", "--config", preset)
    assert (refused.exit_code, "story.toml: --at soon=none: " in refused.stderr) == (2, True)


def test_a_style_may_come_from_the_environment(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMSTYLE_STYLE", "none + none")
    assert call("stylize", video, tmp_path / "o.mp4", "--preset", "ultrafast").exit_code == 0


def test_every_style_on_a_picture(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "in.png")
    assert call("styles", "--sheet", tmp_path / "in.png", "-o", tmp_path / "grid.png").exit_code == 0
    assert (tmp_path / "grid.png").exists()
    assert call("styles", "--sheet", tmp_path / "in.png", "-o", tmp_path / "grid.png").exit_code == 2


def test_json_events_end_with_the_counts(video: Path, tmp_path: Path) -> None:
    result = call("stylize", video, tmp_path / "out.mp4", *PLAIN, "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[-1]["event"] == "done"
    assert (events[-1]["frames_in"], events[-1]["frames_out"], events[-1]["concealed"]) == (20, 20, 0)
    assert any(event["event"] == "progress" and event["total"] == 20 for event in events)


def test_quiet_says_nothing(video: Path, tmp_path: Path) -> None:
    result = call("stylize", video, tmp_path / "out.mp4", *PLAIN, "-q")
    assert (result.exit_code, result.stderr, result.stdout) == (0, "", "")


Errors = list[tuple[Callable[[Path, Path], list[object]], int, str]]
ERRORS: Errors = [
    (lambda video, folder: [video, video], 2, "is the input itself"),
    (lambda video, folder: [video, folder / "there.mp4"], 2, "exists; -y overwrites it"),
    (lambda video, folder: [video, folder / "o.mp4", "--at", "1s=nix"], 2, "unknown style 'nix'; known"),
    (
        lambda video, folder: [video, folder / "o.mp4", "--style", "nix"],
        2,
        "--style: given 2 times; mix with",
    ),
    (
        lambda video, folder: [video, folder / "o.mp4", "--at", "soon=none"],
        2,
        "soon is not a time",
    ),
    (lambda video, folder: [video, folder / "o.mp4", "--stroke-size", "9"], 2, "expected 0.25 to 4"),
    (lambda video, folder: [video, folder / "o.mp4", "--tile", "1"], 2, "expected 64 to 16384"),
    (lambda video, folder: [video, folder / "o.mp4", "--mask", "no.png"], 3, "no.png: no such file"),
    (lambda video, folder: [video, folder / "o.xyz"], 2, "cannot write .xyz"),
    (lambda video, folder: [video, folder / "o.mp4", "-ss", "x"], 2, "-ss x: expected seconds or HH:MM:SS"),
    (lambda video, folder: [video, folder / "o.mp4", "--codec", "vp9", "--crf", "64"], 2, "takes 0 to 63"),
    (lambda video, folder: [folder / "no.mp4", folder / "o.mp4"], 3, "no.mp4: no such file"),
    (lambda video, folder: ["ftp://host/a.mp4", folder / "o.mp4"], 3, "this kind of URL is not supported"),
    (lambda video, folder: ["http://127.0.0.1:1/a.mp4", folder / "o.mp4"], 3, "cannot be opened"),
    (
        lambda video, folder: [folder / "text.mp4", folder / "o.mp4"],
        3,
        "not a video or an image that can be read",
    ),
    (lambda video, folder: [video, folder / "no" / "o.mp4"], 4, "cannot be written"),
    (lambda video, folder: [video, folder / "text.mp4" / "o.mp4"], 4, "cannot be written"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), ERRORS, ids=[row[2] for row in ERRORS])
def test_errors_are_one_line_with_the_right_code(
    arguments: Callable[[Path, Path], list[object]], code: int, message: str, video: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("words " * 500)
    (tmp_path / "there.mp4").write_text("precious")
    before = video.read_bytes()
    result = call("stylize", *PLAIN, *arguments(video, tmp_path))
    assert result.exit_code == code
    assert message in result.stderr and len(result.stderr.splitlines()) == 1
    assert video.read_bytes() == before and (tmp_path / "there.mp4").read_text() == "precious"
    assert not list(tmp_path.glob("o.*"))


@pytest.mark.parametrize("link", ["symlink", "hardlink", "relative"])
def test_the_original_is_safe_under_any_name(
    link: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.mp4"
    monkeypatch.chdir(tmp_path)
    if link == "symlink":
        other.symlink_to(video)
    elif link == "hardlink":
        os.link(video, other)
    else:
        other = Path("x/../film.mp4")
        (tmp_path / "x").mkdir()
    before = video.read_bytes()
    assert call("stylize", video, other, *PLAIN, "-y").exit_code == 2
    assert video.read_bytes() == before


def test_damage_gives_code_5_and_the_counts(tmp_path: Path) -> None:
    video = damaged(make_video(tmp_path / "film.mp4", 30, options={"bf": "0"}))
    result = call("stylize", video, tmp_path / "out.mp4", *PLAIN, "--json")
    done = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 5
    assert done["decoded"] + done["concealed"] == done["frames_out"] == len(times_of(tmp_path / "out.mp4"))
    assert (done["decoded"], done["concealed"]) == (27, 3)


def test_a_part_of_a_video_keeps_its_sound_in_step(tmp_path: Path) -> None:
    video = make_video(tmp_path / "film.mp4", 100, audio=[("aac", 0)])
    result = call("stylize", video, tmp_path / "out.mp4", *PLAIN, "-ss", "1", "-t", "0:02")
    assert result.exit_code == 0
    assert len(times_of(tmp_path / "out.mp4")) == 50
    packets, begin = sound_of(tmp_path / "out.mp4")
    whole, _ = sound_of(video)
    assert packets in whole and 0 <= begin < 0.025


def test_pictures_folders_and_videos_turn_into_each_other(video: Path, tmp_path: Path) -> None:
    assert call("stylize", video, tmp_path / "frames", *PLAIN).exit_code == 0
    assert len(list((tmp_path / "frames").glob("*.png"))) == 20
    out = tmp_path / "again.mp4"
    assert call("stylize", tmp_path / "frames", out, *PLAIN, "--fps", "10").exit_code == 0
    assert [float(t) for t in times_of(out)] == pytest.approx([n / 10 for n in range(20)])
    assert call("stylize", tmp_path / "frames" / "000001.png", tmp_path / "a.webp", *PLAIN).exit_code == 0
    with Image.open(tmp_path / "a.webp") as image:
        assert image.size == (64, 48)
    assert call("stylize", video, tmp_path / "film.gif", *PLAIN[:2]).exit_code == 0
    assert len(times_of(tmp_path / "film.gif")) == 20


def test_transparency_of_a_picture_stays(tmp_path: Path) -> None:
    pixels = np.dstack([picture(0), np.full((48, 64), 255, np.uint8)])
    pixels[:10, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "in.png")
    assert call("stylize", tmp_path / "in.png", tmp_path / "out.png").exit_code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert np.array_equal(np.asarray(image)[..., 3], pixels[..., 3])


def test_a_preset_gives_defaults_that_options_override(tmp_path: Path) -> None:
    video = make_video(tmp_path / "film.mp4", 3)
    preset = tmp_path / "mine.toml"
    preset.write_text('style = "none"\nmax_size = 32\npreset = "ultrafast"\n')
    call("stylize", video, tmp_path / "a.png", "-t", "0.04", "--config", preset)
    call("stylize", video, tmp_path / "b.png", "-t", "0.04", "--config", preset, "--max-size", "16")
    sizes = []
    for name in ("a.png", "b.png"):
        with Image.open(tmp_path / name) as image:
            sizes.append(image.size)
    assert sizes == [(32, 24), (16, 12)]


def test_videos_flow_through_pipes(video: Path, tmp_path: Path) -> None:
    with video.open("rb") as data:
        process = start("stylize", "-", "-", *PLAIN, stdin=data)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    (tmp_path / "out.mkv").write_bytes(out)
    assert len(times_of(tmp_path / "out.mkv")) == 20
    assert sound_of(tmp_path / "out.mkv")[0] == sound_of(video)[0]


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    return make_video(folder / "film.mp4", 1000, draw=lambda n: picture(n, 128, 96), audio=[("aac", 0)])


@pytest.fixture(scope="module")
def uninterrupted(long_video: Path) -> Path:
    """The whole of `long_video`, as `STOPPED` renders it."""
    whole = long_video.with_name("whole.mp4")
    assert call("stylize", long_video, whole, *STOPPED).exit_code == 0
    return whole


def wait_for_segments(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    manifest = folder / "manifest.jsonl"
    while process.poll() is None:
        if manifest.exists() and len(manifest.read_bytes().splitlines()) > count:
            return
        time.sleep(0.01)
    pytest.fail("the run ended before it could be stopped")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_stopped_run_is_resumed_to_the_same_video(
    name: str, long_video: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    process = start("stylize", long_video, tmp_path / "out.mp4", *STOPPED)
    wait_for_segments(tmp_path / "out.mp4.part", 2, process)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=60)
    assert not (tmp_path / "out.mp4").exists()
    assert b"Traceback" not in errors
    if name != "SIGKILL":
        assert process.returncode == 130
        assert b"streamstyle resume" in errors.splitlines()[-1]
    assert len(times_of(tmp_path / "out.mp4.part" / "000000.mp4")) == 100
    result = call("resume", tmp_path / "out.mp4")
    assert result.exit_code == 0 and "resuming after" in result.stderr
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(uninterrupted)
    assert sound_of(tmp_path / "out.mp4") == sound_of(long_video)


def test_resume_without_a_run_says_so(tmp_path: Path) -> None:
    result = call("resume", tmp_path / "out.mp4")
    assert result.exit_code == 2
    assert "no unfinished run" in result.stderr and len(result.stderr.splitlines()) == 1


def test_styles_are_listed_as_objects() -> None:
    rows = json.loads(call("styles", "--json").stdout)
    assert {"name", "painting", "painter", "year", "parameters", "bytes", "sha256"} == set(rows[0])
    assert len(rows) >= 2
    names = call("styles").stdout
    assert all(row["name"] in names for row in rows)


def test_doctor_names_devices_and_encoders() -> None:
    result = call("doctor")
    assert result.exit_code == 0
    for word in ("streamstyle", "torch", "devices", "encoders", "h264", "display", "threads", "runner"):
        assert word in result.stdout


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, runpy\n"
        "sys.argv = ['streamstyle', 'stylize', '--help']\n"
        "try: runpy.run_module('streamstyle', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'av', 'cv2', 'numpy'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--keep-colors" in done.stdout
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_version() -> None:
    from streamstyle import __version__

    assert call("--version").stdout == f"streamstyle {__version__}\n"


def declared_options() -> list[tuple[str, str]]:
    """(file, flag or field) of each place in the program where an option is declared."""
    found = []
    for path in sorted((Path(__file__).parents[1] / "streamstyle").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.Option":
                flags = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                found += [(path.name, flag) for flag in flags if str(flag).startswith("-")]
            elif isinstance(node, ast.ClassDef):
                fields = (entry for entry in node.body if isinstance(entry, ast.AnnAssign))
                for entry in fields:
                    if isinstance(entry.value, ast.Call) and ast.unparse(entry.value.func) == "option":
                        help_text = ast.unparse(entry.value.args[1])
                        found.append((help_text, ast.unparse(entry.target)))
    return found


def test_each_option_is_declared_once() -> None:
    """Flags of functions stand at one place; fields of settings that mean the same have one declaration."""
    declared = declared_options()
    assert len(declared) > 90
    flags = [flag for _, flag in declared if flag.startswith("-")]
    assert len(flags) == len(set(flags)), sorted(flag for flag in flags if flags.count(flag) > 1)
    texts = [text for text, name in declared if not name.startswith("-")]
    assert len(texts) == len(set(texts)), sorted(text for text in texts if texts.count(text) > 1)


def test_help_lists_every_field_of_the_settings() -> None:
    for name, kind in EFFECTS.items():
        told = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).stdout
        for field in set(kind.model_fields) - kind.OMITTED:
            flags = about(kind.model_fields[field])["flags"] or [f"--{field.replace('_', '-')}"]
            positional = about(kind.model_fields[field])["positional"]
            assert positional or all(flag in told for flag in flags), (name, field)

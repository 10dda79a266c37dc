"""The folder of an unfinished run: foreign files are never touched, damage is reported in one line."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.effects import StylizeSettings
from streamstyle.errors import InputError, OutputError
from streamstyle.files import sha256_of
from streamstyle.frames import Frame
from streamstyle.jobs import render as jobs
from streamstyle.jobs.render import render
from streamstyle.sinks.video import SegmentSink
from streamstyle.video.job_folder import JobFolder
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.segments import SegmentWriter
from tests.videos import hashes_of, make_video, times_of

PLAIN = ["--style", "none", "--preset", "ultrafast", "--device", "cpu"]
SETTINGS = StylizeSettings(style="none", preset="ultrafast", device="cpu")


class Dies(Exception):
    """Stands for a crash."""


def call(*arguments: object) -> tuple[int, str]:
    """(exit code, the only line on stderr) of a run that is refused."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert len(result.stderr.splitlines()) == 1, result.stderr
    return result.exit_code, result.stderr


def contents(folder: Path) -> dict[str, bytes | str | None]:
    """Everything below a folder; links by what they name."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else (path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A frame a second, so that a segment has four."""
    return make_video(tmp_path / "video.mp4", 10, times=[25 * number for number in range(10)])


@pytest.fixture
def unfinished(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a render that died before its segments were joined."""

    def die(*_: object) -> None:
        raise Dies

    with monkeypatch.context() as patch, pytest.raises(Dies):
        patch.setattr(jobs, "finish", die)
        render(video, tmp_path / "out.mp4", SETTINGS)
    return tmp_path / "out.mp4.part"


def with_diary(part: Path) -> None:
    part.mkdir()
    (part / "diary.txt").write_text("dear")


def with_files_named_like_ours(part: Path) -> None:
    part.mkdir()
    for name in ("lock", "tracks", "000000.mp4", "unfinished.mp4"):
        (part / name).write_text("dear")


def with_a_folder(part: Path) -> None:
    with_diary(part)
    (part / "deep").mkdir()
    (part / "deep" / "letter.txt").write_text("dear")


def as_a_link(part: Path) -> None:
    with_diary(part.with_name("documents"))
    part.symlink_to("documents")


def as_a_dangling_link(part: Path) -> None:
    part.symlink_to("nowhere")


def as_a_file(part: Path) -> None:
    part.write_text("dear")


@pytest.mark.parametrize(
    "foreign",
    [with_diary, with_files_named_like_ours, with_a_folder, as_a_link, as_a_dangling_link, as_a_file],
)
@pytest.mark.parametrize("command", ["stylize", "stylize -y", "resume"])
def test_foreign_folders_are_refused_and_untouched(
    foreign: Callable[[Path], None], command: str, video: Path, tmp_path: Path
) -> None:
    foreign(tmp_path / "out.mp4.part")
    before = contents(tmp_path)
    if command == "resume":
        code, line = call("resume", tmp_path / "out.mp4")
    else:
        code, line = call("stylize", video, tmp_path / "out.mp4", *PLAIN, *command.split()[1:])
    assert code == 2 and "out.mp4.part: is " in line and "move it away" in line
    assert contents(tmp_path) == before


def test_foreign_files_in_a_job_folder_are_kept(
    unfinished: Path, video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where they have names of segments that the new run writes."""
    (unfinished / "deep").mkdir()
    (unfinished / "000004-2.mp4").write_text("dear")
    (unfinished / "notes.txt").write_text("dear")
    output = unfinished.with_suffix("")
    render(video, output, SETTINGS, overwrite=True)
    assert len(times_of(output)) == 10
    assert contents(unfinished) == {"deep": None, "000004-2.mp4": b"dear", "notes.txt": b"dear"}
    assert "kept, because it has files that are not from this run" in caplog.text


def test_a_foreign_file_with_the_name_of_a_segment_is_kept(unfinished: Path) -> None:
    """As in a folder whose manifest lost its last line: the origin of the file is unknown."""
    manifest = unfinished / "manifest.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:2]))
    (unfinished / "000004.mp4").write_text("dear")
    output = unfinished.with_suffix("")
    assert CliRunner().invoke(app, ["resume", str(output)]).exit_code == 0
    assert len(times_of(output)) == 10
    assert contents(unfinished) == {"000004.mp4": b"dear"}


@pytest.mark.parametrize(
    "wrong",
    [["--codec", "nonsense"], ["--size", "16000x16000", "--codec", "vp9"], ["--mask", "absent.png"]],
)
def test_a_refused_run_deletes_nothing(
    wrong: list[str], unfinished: Path, video: Path, tmp_path: Path
) -> None:
    before = contents(unfinished)
    result = CliRunner().invoke(app, ["stylize", str(video), str(tmp_path / "out.mp4"), "-y", *PLAIN, *wrong])
    assert result.exit_code not in (0, 1)
    after = contents(unfinished)
    assert {name: after[name] for name in before if name != "tracks"} == {
        name: before[name] for name in before if name != "tracks"
    }
    assert CliRunner().invoke(app, ["resume", str(tmp_path / "out.mp4")]).exit_code == 0


def test_a_run_that_is_refused_leaves_no_folder(video: Path, tmp_path: Path) -> None:
    code, line = call("stylize", video, tmp_path / "out.mp4", *PLAIN, "--codec", "nonsense")
    assert code == 2 and "--codec nonsense" in line
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


@pytest.mark.parametrize("name", ["out.mp4", "out.png", "out.gif", "out"])
def test_a_fifo_as_output_is_refused(name: str, video: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    for more in ([], ["-y"]):
        code, line = call("stylize", video, tmp_path / name, *PLAIN, *more)
        assert code == 2 and f"{name}: is a FIFO, not a file" in line
    assert (tmp_path / name).is_fifo()


def test_a_device_and_a_link_to_itself_are_refused(video: Path, tmp_path: Path) -> None:
    (tmp_path / "null.mp4").symlink_to("/dev/null")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    assert "null.mp4: is a device" in call("stylize", video, tmp_path / "null.mp4", *PLAIN, "-y")[1]
    assert "loop.mp4: is a symbolic link" in call("stylize", video, tmp_path / "loop.mp4", *PLAIN)[1]
    assert Path("/dev/null").is_char_device() and (tmp_path / "loop.mp4").is_symlink()


def test_a_name_that_is_too_long_is_one_line(video: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        render(video, tmp_path / f"{'x' * 300}.mp4", SETTINGS)
    with pytest.raises(OutputError, match="cannot be written"):  # its folder's name has five letters more
        render(video, tmp_path / f"{'x' * 250}.mp4", SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_as_output_stays_a_link(dangling: bool, video: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link, target = tmp_path / "out.mp4", tmp_path / "disk" / "real.mp4"
    link.symlink_to("disk/real.mp4")
    if not dangling:
        target.write_text("old")
        assert "exists; -y overwrites it" in call("stylize", video, link, *PLAIN)[1]
        assert target.read_text() == "old"
    render(video, link, SETTINGS, overwrite=not dangling)
    assert link.is_symlink() and len(times_of(target)) == 10
    assert [path.name for path in target.parent.iterdir()] == ["real.mp4"]


def change_head(**values: Any) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        head = json.loads(lines[0]) | values
        return [json.dumps({name: value for name, value in head.items() if value is not None}), *lines[1:]]

    return change


def change_segment(**values: Any) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        line = json.loads(lines[1])
        line["segment"] |= values
        return [lines[0], json.dumps(line), *lines[2:]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: ["{}"], "is not the manifest of a run"),
        (lambda lines: ["[]"], "is not the manifest of a run"),
        (lambda lines: ["null"], "is not the manifest of a run"),
        (lambda lines: ["7", *lines[1:]], "is not the manifest of a run"),
        (lambda lines: ["\x00\xff", *lines[1:]], "is not the manifest of a run"),
        (lambda lines: [], "is not the manifest of a run"),
        (lambda lines: ["[" * 9999], "is not the manifest of a run"),
        (change_head(version="new"), "is not the manifest of a run"),
        (change_head(version=7), "has format 7, this version reads 1"),
        (change_head(streamstyle="0.0.7"), "was started by version 0.0.7 of streamstyle"),
        (change_head(streamstyle=None), "was started by version None of streamstyle"),
        (change_head(device="cuda"), "was started on cuda, but would resume on cpu"),
        (change_head(device=None), "device is missing or damaged"),
        (change_head(input=None), "input is missing or damaged"),
        (change_head(input=7), "input is missing or damaged"),
        (change_head(settings=None), "settings is missing or damaged"),
        (change_head(settings=[]), "settings is missing or damaged"),
        (change_head(settings={"style": 7}), "style 7"),
        (change_head(settings={"tint": 7}), "tint: unknown setting"),
        (change_head(effect="fresco"), "unknown effect fresco; known are stylize, dream"),
        (change_head(effect=[]), "effect is missing or damaged"),
        (change_head(files=["a"]), "files is missing or damaged"),
        (change_head(files={"glaze": "0"}), "glaze: has changed since"),
        (change_segment(frames="many"), "the line of a segment is damaged"),
        (change_segment(frames=0), "is no segment"),
        (change_segment(file=None), "the line of a segment is damaged"),
        (change_segment(file="../video.mp4"), "is no segment"),
        (change_segment(file=""), "is no segment"),
        (lambda lines: [lines[0], "[]"], "the line of a segment is damaged"),
    ],
)
def test_a_damaged_manifest_is_refused_in_a_line(
    change: Callable[[list[str]], list[str]], message: str, unfinished: Path, tmp_path: Path
) -> None:
    manifest = unfinished / "manifest.jsonl"
    manifest.write_text("\n".join(change(manifest.read_text().splitlines())) + "\n")
    before = contents(tmp_path)
    code, line = call("resume", tmp_path / "out.mp4")
    assert code == 2 and message in line
    assert contents(tmp_path) == before


def test_a_manifest_cannot_delete_files_outside_the_folder(
    unfinished: Path, video: Path, tmp_path: Path
) -> None:
    manifest = unfinished / "manifest.jsonl"
    head, line, *_ = manifest.read_text().splitlines()
    manifest.write_text("\n".join([head, line.replace("000000.mp4", "../video.mp4")]) + "\n")
    before = video.read_bytes()
    render(video, tmp_path / "out.mp4", SETTINGS, overwrite=True)
    assert video.read_bytes() == before


def test_a_manifest_damaged_in_the_middle_keeps_what_is_before(
    unfinished: Path, video: Path, tmp_path: Path
) -> None:
    render(video, tmp_path / "whole.mp4", SETTINGS)
    manifest = unfinished / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([*lines[:2], "#" * 40, *lines[3:]]) + "\n")
    assert CliRunner().invoke(app, ["resume", str(tmp_path / "out.mp4")]).exit_code == 0
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(tmp_path / "whole.mp4")
    assert not unfinished.exists()


def test_an_unreadable_segment_is_rendered_again(
    unfinished: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render(video, tmp_path / "whole.mp4", SETTINGS)

    def failing(path: Path) -> str:
        if path.name == "000004.mp4":
            raise InputError(f"{path}: cannot be read: Input/output error")
        return sha256_of(path)

    monkeypatch.setattr("streamstyle.video.job_folder.sha256_of", failing)
    with JobFolder.reopen(tmp_path / "out.mp4") as folder:
        assert folder.frames == 4
    assert CliRunner().invoke(app, ["resume", str(tmp_path / "out.mp4")]).exit_code == 0
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(tmp_path / "whole.mp4")


def test_a_folder_that_vanishes_ends_the_run_with_a_line(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = SegmentSink.write

    def vanish(self: SegmentSink, item: Any) -> None:
        write(self, item)
        shutil.rmtree(tmp_path / "out.mp4.part", ignore_errors=True)

    monkeypatch.setattr(SegmentSink, "write", vanish)
    with pytest.raises(OutputError, match=r"out\.mp4.*: cannot be written \(No such file or directory\)"):
        render(video, tmp_path / "out.mp4", SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


def test_a_disk_that_is_full_in_the_first_segment_leaves_a_run_to_resume(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render(video, tmp_path / "whole.mp4", SETTINGS)
    write = SegmentWriter.write

    def full(self: SegmentWriter, frame: Frame) -> None:
        write(self, frame)
        if frame.pts > 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left"):
        patch.setattr(SegmentWriter, "write", full)
        patch.setattr(JobFolder, "free_bytes", lambda self: 10**9 if not self._begun else 0)
        render(video, tmp_path / "out.mp4", SETTINGS)
    assert not list((tmp_path / "out.mp4.part").glob("unfinished*")), "removed, to free its space"
    assert CliRunner().invoke(app, ["resume", str(tmp_path / "out.mp4")]).exit_code == 0
    assert hashes_of(tmp_path / "out.mp4") == hashes_of(tmp_path / "whole.mp4")


def test_a_disk_that_is_full_before_the_first_frame_leaves_a_run_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets of sound are stored before slow effects have made their first frame."""
    video = make_video(tmp_path / "video.mp4", 10, audio=[("aac", 0.0)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left"):
        patch.setattr(PacketLog, "append", full)
        patch.setattr(SegmentSink, "_write_frame", lambda *_: None)
        render(video, tmp_path / "out.mp4", SETTINGS)
    assert CliRunner().invoke(app, ["resume", str(tmp_path / "out.mp4")]).exit_code == 0
    assert len(times_of(tmp_path / "out.mp4")) == 10


def test_a_disk_that_is_full_when_the_first_frame_comes_leaves_a_run_to_resume(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([10**9, 0])  # when the run starts, and when its first segment does
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="too little disk space"):
        patch.setattr(JobFolder, "free_bytes", lambda self: next(free, 0))
        render(video, tmp_path / "out.mp4", SETTINGS)
    assert CliRunner().invoke(app, ["resume", str(tmp_path / "out.mp4")]).exit_code == 0
    assert len(times_of(tmp_path / "out.mp4")) == 10


def test_a_disk_that_is_full_from_the_start_leaves_no_folder(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JobFolder, "free_bytes", lambda self: 0)
    with pytest.raises(OutputError, match="too little disk space"):
        render(video, tmp_path / "out.mp4", SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


def test_the_manifest_names_every_file_with_its_hash(unfinished: Path) -> None:
    head, *lines = map(json.loads, (unfinished / "manifest.jsonl").read_text().splitlines())
    assert {"version", "streamstyle", "device", "settings", "source", "files"} <= set(head)
    named = {name for line in lines for name in (line["segment"]["file"], line["state"]["file"]) if name}
    assert named == {path.name for path in unfinished.iterdir() if path.name.startswith("0")}
    assert all(len(line["segment"]["sha256"]) == 64 for line in lines)


def test_a_changed_image_of_the_input_folder_is_noticed(tmp_path: Path) -> None:
    from streamstyle.frames import StreamInfo
    from streamstyle.video.job_folder import identity

    (tmp_path / "a.png").write_bytes(b"1")
    info = StreamInfo(str(tmp_path), "video", 1, 1, 1)  # type: ignore[arg-type]
    before = identity(info)
    (tmp_path / "a.png").write_bytes(b"2")
    assert identity(info) != before

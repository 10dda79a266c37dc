"""Renders every video of a folder without an effect, and checks the output.

    python benchmarks/fidelity.py FOLDER [--only TEXT] [--keep FOLDER] [--report FILE.md]

Each video is rendered with `streamstyle stylize VIDEO OUT --style none --preset ultrafast` in its own
process. The output is compared with a plain loop over the input's packets:

- frames out = frames decoded; for damaged videos = frames reported as decoded + concealed,
- presentation times equal to within one tick, except for a constant offset,
- audio in sync with video to within a millisecond; copied audio equal byte for byte.

Last line: `films_right: N of M`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2  # noqa: F401 - before av

import av  # isort: skip

SILENCE_SECONDS = 60.0  # a run without output for this long counts as hung
LONG = {"ax_long_4k_av1.mp4": ["-t", "20"]}


@dataclass
class Sound:
    """An audio track: codec, hash of its packets, start of the first packet and of the first audible one."""

    codec: str
    digest: str
    begin: Fraction | None
    heard: Fraction | None


@dataclass
class Tracks:
    """The contents of a video, found by a loop over its packets."""

    times: list[Fraction | None] = field(default_factory=list)
    tick: Fraction = Fraction(0)
    errors: int = 0
    corrupt: int = 0
    audio: list[Sound] = field(default_factory=list)


def read_tracks(path: Path, video: int | None, end: float | None = None) -> Tracks:
    """Frame times of track `video` (by default the first one), and the packets of the audio tracks."""
    tracks = Tracks()
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams[video] if video is not None else container.streams.video[0]
        tracks.tick = Fraction(stream.time_base)
        hashes = {s.index: hashlib.sha256() for s in container.streams.audio}
        starts: dict[int, Fraction | None] = {}
        heard: dict[int, Fraction | None] = {}
        for packet in container.demux():
            if packet.stream.index in hashes and packet.size:
                begin = packet.pts * packet.time_base if packet.pts is not None else None
                if end is None or begin is None or begin < end:
                    hashes[packet.stream.index].update(bytes(packet))
                    starts.setdefault(packet.stream.index, begin)
                    if not packet.is_discard:
                        heard.setdefault(packet.stream.index, begin)
            if packet.stream is not stream:
                continue
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError):
                tracks.errors += 1
                continue
            for frame in frames:
                pts = frame.pts if frame.pts is not None else frame.dts
                tracks.corrupt += frame.is_corrupt
                at = None if pts is None else pts * stream.time_base
                if end is None or at is None or at < end:
                    tracks.times.append(at)
            if end is not None and tracks.times and packet.dts and packet.dts * stream.time_base > end + 3:
                break
        for sound in container.streams.audio:
            digest = hashes[sound.index].hexdigest()
            begin = starts.get(sound.index)
            tracks.audio.append(Sound(sound.codec_context.name, digest, begin, heard.get(sound.index)))
    return tracks


def run(command: list[str]) -> tuple[int | None, list[dict[str, object]], str]:
    """(exit code, or None if the program hung; JSON events; stderr)."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    events: list[dict[str, object]] = []
    errors: list[str] = []
    assert process.stdout and process.stderr
    heard = time.monotonic()

    def listen() -> None:
        nonlocal heard
        assert process.stdout
        for line in process.stdout:
            heard = time.monotonic()
            events.append(json.loads(line))

    threads = [
        threading.Thread(target=listen),
        threading.Thread(target=lambda: errors.extend(process.stderr or ())),
    ]
    for thread in threads:
        thread.start()
    hung = False
    while process.poll() is None:
        time.sleep(0.05)
        if time.monotonic() - heard > SILENCE_SECONDS:
            hung = True
            process.kill()
    for thread in threads:
        thread.join()
    return (None if hung else process.returncode), events, "".join(errors)


def compare(video: Path, out: Path, done: dict[str, object], code: int, end: float | None) -> list[str]:
    """The defects of `out`; empty if there are none."""
    used = chosen_track(video)
    before, after = read_tracks(video, used, end), read_tracks(out, None)
    wrong = []
    frames = int(str(done["frames_out"]))
    if len(after.times) != frames:
        wrong.append(f"{frames} frames reported, {len(after.times)} in the file")
    if code == 5:
        if frames != int(str(done["decoded"])) + int(str(done["concealed"])):
            wrong.append("frames differ from decoded + concealed")
        if frames < len(before.times):
            wrong.append(f"only {frames} of {len(before.times)} frames recovered")
        return wrong
    if frames != len(before.times):
        return [*wrong, f"{len(before.times)} frames decoded, {frames} written"]
    if None not in before.times and before.times == sorted(set(before.times)):
        shift = after.times[0] - before.times[0]
        tick = max(before.tick, after.tick)
        worst = max(abs(b - a - shift) for a, b in zip(before.times, after.times, strict=True))
        if worst > tick:
            wrong.append(f"times differ by {float(worst) * 1000:.2f} ms")
        wrong += compare_audio(before, after, shift)
    return wrong


def compare_audio(before: Tracks, after: Tracks, shift: Fraction) -> list[str]:
    if len(before.audio) != len(after.audio):
        return [f"{len(before.audio)} audio tracks became {len(after.audio)}"]
    wrong = []
    for old, new in zip(before.audio, after.audio, strict=True):
        # Re-encoded audio, where the container does not support the codec, starts with encoder priming.
        begins = (old.begin, new.begin) if old.codec == new.codec else (old.heard, new.heard)
        if old.codec == new.codec and old.digest != new.digest:
            wrong.append("audio bytes differ")
        if None not in begins and abs(begins[1] - begins[0] - shift) > Fraction(1, 1000):
            wrong.append(f"audio is {float(begins[1] - begins[0] - shift) * 1000:.2f} ms off")
    return wrong


def chosen_track(video: Path) -> int:
    from streamstyle.video.tracks import choose_video

    with av.open(str(video), metadata_errors="replace") as container:
        return choose_video(container, video.name).index


def check(video: Path, folder: Path) -> tuple[str, str, str, str, bool]:
    """(frames in, frames out, exit code, verdict, right) of one video."""
    suffix = ".mkv" if video.suffix in (".webm", ".mkv", ".ogv") else ".mp4"
    out = folder / f"{video.parent.name}_{video.stem}{suffix}"
    extra = LONG.get(video.name, [])
    command = [sys.executable, "-m", "streamstyle", "stylize", "--style", "none", "--preset", "ultrafast"]
    code, events, errors = run([*command, "-y", "--json", *extra, "--", str(video), str(out)])
    if code is None:
        return "?", "?", "hang", "no output for a minute", False
    done = next((event for event in events if event["event"] == "done"), None)
    if "Traceback" in errors or code < 0 or code == 1:
        return "?", "?", str(code), errors.strip().splitlines()[-1], False
    if done is None:
        refused = code == 3 and len(errors.strip().splitlines()) == 1
        # A video that a plain loop can read must not be refused.
        try:
            unreadable = not read_tracks(video, chosen_track(video)).times
        except Exception:
            unreadable = True
        message = errors.strip().replace(str(video), video.name).removeprefix("error: ")
        return "0", "-", str(code), f"refused: {message}", refused and unreadable
    end = float(extra[1]) if extra else None
    wrong = compare(video, out, done, code, end)
    verdict = "; ".join(wrong) or ("concealed " + str(done["concealed"]) if code == 5 else "right")
    return str(done["frames_in"]), str(done["frames_out"]), str(code), verdict, not wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="only videos whose path contains this text")
    parser.add_argument("--keep", type=Path, help="folder in which to keep the outputs")
    parser.add_argument("--report", type=Path, help="write the table to this file")
    options = parser.parse_args()
    videos = [p for p in sorted(options.folder.rglob("*")) if p.is_file() and p.suffix != ".md"]
    videos = [video for video in videos if options.only in str(video)]
    rows = ["| video | in | out | exit | verdict |", "|---|---|---|---|---|"]
    print("\n".join(rows))
    count = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for video in videos:
            frames_in, frames_out, code, verdict, right = check(video, folder)
            count += right
            mark = "" if right else "**WRONG** "
            name = video.relative_to(options.folder)
            rows.append(f"| {name} | {frames_in} | {frames_out} | {code} | {mark}{verdict} |")
            print(rows[-1], flush=True)
    if options.report:
        options.report.write_text("\n".join(rows) + "\n", "utf-8")
    print(f"films_right: {count} of {len(videos)}")


if __name__ == "__main__":
    main()

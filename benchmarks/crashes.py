"""Kills renders of a one-minute video, resumes them, and compares with the uninterrupted result.

    python benchmarks/crashes.py [--kills 5] [--small-disk FOLDER] [--seed 0]

The video is the sample clip, repeated twelve times. Each render is killed with SIGKILL at a random time and
then resumed. Decoded frames and audio packets are compared with those of an uninterrupted run. One render is
stopped with SIGINT. With --small-disk (a folder on a disk of about 64 MB, such as a tmpfs), another one fills
the disk and is resumed once there is space again.

Last lines: `resumed_equal: N of M`, `sigint_seconds: …`.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2  # noqa: F401 - before av

import av  # isort: skip

SAMPLE = Path(__file__).parents[1] / "samples" / "harbour.mp4"
SETTINGS = ["--max-size", "320", "-q"]


def repeated(target: Path, times: int) -> Path:
    """The sample clip, repeated `times` times by copying packets."""
    with av.open(str(target), "w") as out, av.open(str(SAMPLE)) as sample:
        length = max(stream.duration * stream.time_base for stream in sample.streams)
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in sample.streams}
        for turn in range(times):
            sample.seek(0)
            for packet in sample.demux():
                if packet.size and not (turn and packet.is_discard):  # audio priming only once
                    offset = round(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return target


def contents(video: Path) -> tuple[list[str], str]:
    """(hash of each decoded frame, hash of the audio packets)."""
    with av.open(str(video)) as container:
        frames = [hashlib.sha256(f.to_ndarray().tobytes()).hexdigest() for f in container.decode(video=0)]
        container.seek(0)
        sound = hashlib.sha256()
        for packet in container.demux(audio=0):
            sound.update(bytes(packet))
    return frames, sound.hexdigest()


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamstyle", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(*arguments: object) -> tuple[int, str]:
    process = start(*arguments)
    _, errors = process.communicate()
    return process.returncode, errors.strip()


def kill(video: Path, out: Path, after: float, number: int) -> tuple[int, str, float]:
    """(exit code, stderr, seconds from the signal to the end) of a render stopped by a signal."""
    process = start("stylize", video, out, *SETTINGS)
    time.sleep(after)
    process.send_signal(number)
    begin = time.monotonic()
    _, errors = process.communicate()
    return process.returncode, errors.strip(), time.monotonic() - begin


def resumed_equal(out: Path, expected: tuple[list[str], str]) -> bool:
    done = sum(1 for _ in (out.parent / f"{out.name}.part").glob("0*.mp4"))
    code, errors = finish("resume", out, "-q")
    equal = code == 0 and contents(out) == expected
    print(f"    {done} segments existed; resume: exit {code} {errors}; equal: {equal}", flush=True)
    return equal


def fill_disk(video: Path, folder: Path, expected: tuple[list[str], str]) -> bool:
    out, ballast = folder / "out.mp4", folder / "ballast"
    process = start("stylize", video, out, *SETTINGS)
    part = folder / "out.mp4.part"
    while process.poll() is None and len(list(part.glob("0*.mp4"))) < 3:
        time.sleep(0.05)
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 65536):
                pass
        except OSError:
            pass
    _, errors = process.communicate()
    print(f"full disk: exit {process.returncode}: {errors.strip()}")
    ballast.unlink()
    return process.returncode == 4 and resumed_equal(out, expected)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--small-disk", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        video = repeated(folder / "film.mp4", 12)
        begin = time.monotonic()
        code, errors = finish("stylize", video, folder / "whole.mp4", *SETTINGS)
        seconds = time.monotonic() - begin
        expected = contents(folder / "whole.mp4")
        same_sound = expected[1] == contents(video)[1]
        print(f"uninterrupted: exit {code} {errors}, {len(expected[0])} frames in {seconds:.0f} s")
        print(f"audio equal to the source's: {same_sound}")
        equal = 0
        for number in range(options.kills):
            out = folder / f"killed{number}.mp4"
            code, waiting = 0, True
            while waiting:
                out.unlink(missing_ok=True)
                after = rng.uniform(0.25, 0.9) * seconds
                code, _, _ = kill(video, out, after, signal.SIGKILL)
                waiting = out.exists()  # finished before the signal: try again
            print(f"SIGKILL after {after:.1f} s: exit {code}, output exists: {out.exists()}")
            equal += resumed_equal(out, expected)
        out = folder / "stopped.mp4"
        code, errors, took = kill(video, out, 0.5 * seconds, signal.SIGINT)
        print(f"SIGINT: exit {code} after {took:.1f} s: {errors.splitlines()[-1]}")
        parts = sorted((folder / "stopped.mp4.part").glob("*.mp4"))
        print("    plays:", ", ".join(f"{path.name} {len(contents_of(path))}" for path in parts))
        equal += resumed_equal(out, expected)
        if options.small_disk:
            equal += fill_disk(video, options.small_disk, expected)
    print(f"resumed_equal: {equal} of {options.kills + 1 + bool(options.small_disk)}")
    print(f"sigint_seconds: {took:.1f}")


def contents_of(path: Path) -> list[int | None]:
    """Presentation times of the frames in a segment."""
    with av.open(str(path)) as container:
        return [frame.pts for frame in container.decode(video=0)]


if __name__ == "__main__":
    main()

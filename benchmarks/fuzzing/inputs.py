"""Small inputs of all kinds for the fuzz test, made here or taken from a folder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2  # noqa: F401 - before av
import numpy as np
import torch
from PIL import Image, ImageCms

import av  # isort: skip

from streamstyle import StylizeSettings, pipeline, render
from streamstyle.image_recognition import format_of, is_image
from streamstyle.weights import WEIGHTS

WIDTH, HEIGHT, RATE = 64, 48, 25  # x265 overwrites foreign memory at 48x32
JOB = "job"  # folder of an unfinished render: its video, and out.mp4.part
JOB_FRAMES = 230  # two segments of four seconds and a part of the third
UNFINISHED = "out.mp4.part"
VIDEOS = {  # name, codecs of video and audio, options of the muxer
    "plain.mp4": ("libx264", "aac", {}),
    "fragmented.mp4": ("libx264", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "prores.mov": ("prores_ks", "pcm_s16le", {}),
    "hevc.mp4": ("libx265", None, {}),
    "plain.mkv": ("libx264", "ac3", {}),
    "small.webm": ("libvpx", "libopus", {}),
    "vp9.webm": ("libvpx-vp9", "libopus", {}),
    "old.avi": ("mpeg4", "libmp3lame", {}),
    "motion.avi": ("mjpeg", "pcm_s16le", {}),
    "broadcast.ts": ("mpeg2video", "mp2", {}),
    "phone.ts": ("libx264", "aac", {}),
    "disc.mpg": ("mpeg1video", "mp2", {}),
    "plain.ogv": ("libvpx", "libopus", {}),
    "flash.flv": ("flv", "libmp3lame", {}),
    "windows.wmv": ("wmv2", "wmav2", {}),
    "raw.h264": ("libx264", None, {}),
    "moving.gif": ("gif", None, {}),
}
SUBTITLES = {"plain.mp4": "mov_text", "plain.mkv": "subrip", "fragmented.mp4": "mov_text"}
PIXEL_FORMATS = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p", "gif": "rgb8"}


@dataclass(frozen=True)
class Input:
    """A file to be damaged.

    Attributes:
        name: of the file; the name in the job's folder for the files of an unfinished render.
        data: its content.
        kind: "video", "image", "sound", "style", "flow", "direction", "preset", "recipe" or "job".
    """

    name: str
    data: bytes
    kind: str


def inputs_of(folder: Path, largest: int) -> list[Input]:
    """The files of a folder that are videos or images by their kind or name, up to `largest` bytes each."""
    kinds = {".safetensors": "style", ".pth": "style", ".flo": "flow", ".npy": "flow", ".wav": "sound"}
    found = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in (".md", ".txt", ".json") or path.stat().st_size > largest:
            continue
        if path.name.startswith("direction"):
            kind = "direction"
        elif path.suffix == ".toml":
            kind = "recipe" if path.stem == "recipe" else "preset"
        elif JOB in path.relative_to(folder).parts:
            kind = "job"
        else:
            still = is_image(path) and format_of(path) != "GIF"
            kind = kinds.get(path.suffix, "image" if still else "video")
        name = str(path.relative_to(folder / JOB)) if kind == "job" else path.name
        found.append(Input(name, path.read_bytes(), kind))
    return found


def make(folder: Path) -> None:
    """Write a small file of each kind, and an unfinished render."""
    for name, (codec, sound, options) in VIDEOS.items():
        write_video(folder / name, codec, sound, options, SUBTITLES.get(name))
    for name, data in images():
        (folder / name).write_bytes(data)
    Image.fromarray(picture(5, 168, 128)).save(folder / "painting.png")
    make_settings_files(folder)
    for suffix in ("mp4", "png"):
        plain = StylizeSettings(style="none", preset="ultrafast", threads=1)
        render(folder / f"plain.{suffix}", folder / f"ours.{suffix}", plain)
    make_job(folder / JOB)


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8: a disc that moves over a gradient."""
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(x - 3 * number % width, y - height / 2) < height / 4
    return np.stack([255 * x / width, 255 * y / height, 255 * disc], axis=-1).astype(np.uint8)


def write_video(
    path: Path,
    codec: str,
    sound: str | None,
    options: dict[str, str],
    subtitles: str | None = None,
    frames: int = 24,
) -> None:
    """A video with the tracks that are asked for, tags and chapters."""
    with av.open(str(path), "w", container_options={"fflags": "+bitexact", **options}) as container:
        container.metadata["title"] = "Fuzz"
        if path.suffix in (".mp4", ".mkv"):
            base = Fraction(1, 1000)
            chapter = {"id": 1, "start": 0, "end": 800, "time_base": base, "metadata": {"title": "One"}}
            container.set_chapters([chapter])
        quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream = container.add_stream(codec, rate=RATE, width=WIDTH, height=HEIGHT, options=quiet)
        stream.codec_context.pix_fmt = PIXEL_FORMATS.get(codec, "yuv420p")
        stream.codec_context.thread_count = 1
        stream.codec_context.gop_size = 10
        audio = None
        if sound is not None:
            audio = container.add_stream(sound, rate=48000, layout="stereo", bit_rate=96000)
        cues = None if subtitles is None else container.add_mux_stream(subtitles)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.codec_context.pix_fmt)))
        container.mux(stream.encode(None))
        if audio is not None:
            write_sound(container, audio, frames / RATE)
        if cues is not None:
            for start in (200, 700):
                text = b"Hello" if subtitles == "subrip" else b"\0\5Hello"
                cue = av.Packet(text)
                cue.stream, cue.time_base, cue.pts, cue.dts = cues, Fraction(1, 1000), start, start
                cue.duration = 300
                container.mux(cue)


def write_sound(container: av.container.OutputContainer, track: av.AudioStream, seconds: float) -> None:
    """A tone."""
    context = track.codec_context
    if not context.is_open:
        context.open()
    size = context.frame_size or 1024
    resampler = av.AudioResampler(context.format, context.layout, 48000)
    for number in range(int(seconds * 48000 / size)):
        wave = 9000 * np.sin(np.arange(number * size, (number + 1) * size) * 0.06)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None].astype(np.int16), "s16", "stereo")
        frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 48000), number * size
        for ready in resampler.resample(frame):
            container.mux(track.encode(ready))
    container.mux(track.encode(None))


def images() -> Iterator[tuple[str, bytes]]:
    """(name, content) of images of all formats, with profiles, orientation, alpha, pages and frames."""
    plain = Image.fromarray(picture(5))
    alpha = plain.copy()
    alpha.putalpha(plain.getchannel("G"))
    others = [Image.fromarray(picture(number)) for number in (8, 11)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "turned"  # orientation, description
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = Image.fromarray(np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 40)
    saved = {
        "plain.png": (plain, {"icc_profile": profile, "exif": exif}),
        "alpha.png": (alpha, {}),
        "palette.png": (plain.quantize(16), {"transparency": 3}),
        "deep.png": (deep, {}),
        "moving.png": (alpha, {"save_all": True, "append_images": others, "duration": 40}),
        "turned.jpg": (plain, {"exif": exif, "icc_profile": profile}),
        "steps.jpg": (plain.convert("CMYK"), {"progressive": True}),
        "alpha.webp": (alpha, {"exif": exif}),
        "moving.webp": (plain, {"save_all": True, "append_images": others, "duration": 40}),
        "pages.tiff": (plain, {"save_all": True, "append_images": others, "compression": "tiff_lzw"}),
        "plain.tiff": (plain, {"icc_profile": profile}),
        "deep.tiff": (deep, {}),
        "plain.bmp": (plain, {}),
        "palette.bmp": (plain.quantize(16), {}),
        "still.gif": (plain.quantize(16), {"transparency": 3}),
        "plain.ppm": (plain, {}),
    }
    for name, (image, options) in saved.items():
        data = io.BytesIO()
        image.save(data, format=Image.registered_extensions()[Path(name).suffix], **options)
        yield name, data.getvalue()


def make_settings_files(folder: Path) -> None:
    """Styles, flow, a direction, a sound, a preset and a recipe."""
    (folder / "style.safetensors").write_bytes(WEIGHTS["ink"].path.read_bytes())
    torch.save({"conv1.conv2d.weight": torch.zeros(32, 3, 9, 9), "x": torch.ones(3)}, folder / "style.pth")
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    header = np.float32(202021.25).tobytes() + np.int32([WIDTH, HEIGHT]).tobytes()
    (folder / "0001.flo").write_bytes(header + flow.tobytes())
    np.save(folder / "0001.npy", flow)
    np.save(folder / "direction.npy", np.ones(512, np.float32))  # channels of the layer "part"
    (folder / "preset.toml").write_text('strength = 0.5\nkeep_colors = 0.2\nat = ["0.2s=none"]\ncrf = 20\n')
    (folder / "recipe.toml").write_text("steps = 1\nbatch = 1\ncrop = 64\nstyle_weight = 10.0\n")
    with av.open(str(folder / "tone.wav"), "w", options={"fflags": "+bitexact"}) as container:
        write_sound(container, container.add_stream("pcm_s16le", rate=48000, layout="stereo"), 0.2)


def make_job(folder: Path) -> None:
    """A render that was lost after its second segment."""
    folder.mkdir()
    write_video(folder / "clip.mp4", "libx264", "aac", {}, frames=JOB_FRAMES + 20)

    class Lost(Exception):
        pass

    def stop(progress: object) -> None:
        if progress.frames >= JOB_FRAMES:  # type: ignore[attr-defined]
            raise Lost

    before, pipeline._REPORT_SECONDS = pipeline._REPORT_SECONDS, 0.0
    try:
        settings = StylizeSettings(style="none", keep_colors=1.0, preset="ultrafast", threads=1)
        render(folder / "clip.mp4", folder / "out.mp4", settings, on_progress=stop)
    except Lost:
        pass
    finally:
        pipeline._REPORT_SECONDS = before

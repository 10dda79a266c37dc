"""Video codecs by their names for users, with good defaults, and the codecs that each container supports."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import av
import cv2
from av.video.codeccontext import VideoCodecContext

from streamstyle.cores import usable_cores
from streamstyle.errors import UsageError, did_you_mean

_X264_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip
ALSO_CALLED = {  # codecs, by names of FFmpeg's encoders and others
    **dict.fromkeys(("x264", "libx264", "avc"), "h264"),
    **dict.fromkeys(("x265", "libx265", "h265"), "hevc"),
    **dict.fromkeys(("libsvtav1", "libaom-av1"), "av1"),
    "libvpx-vp9": "vp9",
    "prores_ks": "prores",
}
_CPU_AVX_512F = 13  # OpenCV's constant; not every version exports its name


@dataclass(frozen=True)
class Codec:
    """A video encoder with its options and defaults.

    Attributes:
        encoder: FFmpeg's name.
        pixel_format: default sample format.
        quality: default of `--crf`, lower is better; None if the codec has no such option.
        quality_option: the encoder's name of this option.
        qualities: allowed range of `--crf`, both ends included.
        preset: default of `--preset`.
        preset_option: the encoder's name of this option.
        presets: allowed values; empty if the codec has none.
        options: further encoder options.
        bits_per_pixel: of stylized video at the defaults, to estimate disk space. The sample clip needed 0.7
            in smooth bundled styles and 1.15 in detailed ones; renders are refused based on the lower value.
        segment: muxer of the segments: one that supports the codec and stores exact times.
    """

    encoder: str
    pixel_format: str = "yuv420p"
    quality: float | None = None
    quality_option: str = "crf"
    qualities: tuple[float, float] = (0, 51)
    preset: str | None = None
    preset_option: str = "preset"
    presets: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    bits_per_pixel: float = 0.7
    segment: str = "mp4"


_NVENC = Codec(
    "h264_nvenc",
    quality=19,
    quality_option="cq",
    preset="p5",
    presets=("p1", "p2", "p3", "p4", "p5", "p6", "p7"),
    options={"rc": "vbr"},
)

CODECS: dict[str, Codec] = {
    "h264": Codec("libx264", quality=18, preset="medium", presets=_X264_PRESETS),
    "hevc": Codec(
        "libx265",
        quality=20,
        preset="medium",
        presets=_X264_PRESETS,
        options={"x265-params": "log-level=error"},
    ),
    "av1": Codec("libsvtav1", quality=28, qualities=(1, 63), preset="8", presets=tuple(map(str, range(11)))),
    "vp9": Codec(
        "libvpx-vp9",
        quality=24,
        qualities=(0, 63),
        preset="4",
        preset_option="cpu-used",
        presets=tuple(map(str, range(9))),
        options={"row-mt": "1", "deadline": "good"},
    ),
    "prores": Codec(
        "prores_ks",
        pixel_format="yuv422p10le",
        preset="hq",
        preset_option="profile",
        presets=("proxy", "lt", "standard", "hq", "4444", "4444xq"),
        bits_per_pixel=6,
        segment="mov",
    ),
    "ffv1": Codec(
        "ffv1", pixel_format="bgr0", options={"level": "3", "slicecrc": "1"}, bits_per_pixel=14, segment="nut"
    ),
    "h264_nvenc": _NVENC,
    "hevc_nvenc": replace(_NVENC, encoder="hevc_nvenc", quality=21),
    "av1_nvenc": replace(_NVENC, encoder="av1_nvenc", quality=24),
    # For frames that are decoded again before the output is finished, as for a GIF.
    "lossless_rgb": Codec(
        "libx264rgb",
        pixel_format="rgb24",
        quality=0,
        preset="ultrafast",
        presets=_X264_PRESETS,
        bits_per_pixel=14,
    ),
}

_H26X = ("h264", "hevc", "av1", "h264_nvenc", "hevc_nvenc", "av1_nvenc")


@dataclass(frozen=True)
class ContainerFormat:
    """A file format for videos.

    Attributes:
        muxer: FFmpeg's name.
        codecs: supported video codecs, the default first.
        audio: encoder for audio that cannot be copied; None if the format has no audio.
        subtitle: encoder for text subtitles that cannot be copied; None if the format has no subtitles.
        copied: codecs of other tracks that can be copied, for muxers that accept what no player can read;
            empty where the muxer knows.
        options: muxer options of a finished file.
    """

    muxer: str
    codecs: tuple[str, ...]
    audio: str | None = "aac"
    subtitle: str | None = None
    copied: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict)


_FASTSTART = {"movflags": "+faststart"}
_MP4 = ContainerFormat("mp4", (*_H26X, "vp9"), "aac", "mov_text", options=_FASTSTART)

CONTAINERS: dict[str, ContainerFormat] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": ContainerFormat("mov", (*_H26X, "prores"), "aac", "mov_text", options=_FASTSTART),
    ".mkv": ContainerFormat("matroska", (*_H26X, "vp9", "prores", "ffv1"), "aac", "subrip"),
    ".webm": ContainerFormat("webm", ("vp9", "av1", "av1_nvenc"), "libopus", "webvtt"),
    ".avi": ContainerFormat("avi", ("h264", "ffv1"), "libmp3lame", None),
    ".gif": ContainerFormat("gif", ("lossless_rgb",), None, None),
}


@dataclass(frozen=True)
class EncodeOptions:
    """Encoder options set by the user; None stands for the codec's default.

    Attributes:
        codec: name in CODECS, or "auto".
        quality: `--crf`.
        preset: `--preset`.
        pixel_format: `--pix-fmt`.
        bit_rate: bits per second; replaces `quality`.
        low_delay: output every frame immediately, with frequent keyframes, so that a receiver can join and a
            file can be cut off at any time; H.264 only.
        threads: number of encoder threads. It is fixed, as x264's output depends on it.
    """

    codec: str = "auto"
    quality: float | None = None
    preset: str | None = None
    pixel_format: str | None = None
    bit_rate: int | None = None
    threads: int = min(usable_cores(), 8)
    low_delay: bool = False


def container_format(path: str | Path) -> ContainerFormat:
    """The container format for a file name.

    Raises:
        UsageError: no format with its suffix can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in CONTAINERS:
        raise UsageError(
            f"{path}: cannot write {suffix or 'a file without a suffix'}; videos: {' '.join(CONTAINERS)}"
        )
    return CONTAINERS[suffix]


def choose_codec(container: ContainerFormat, options: EncodeOptions, where: str) -> tuple[str, Codec]:
    """The (name, codec) for a container, with the options checked.

    "auto" selects NVENC for H.264 if it is available, else the container's default.

    Args:
        container: of the output.
        options: set by the user.
        where: name of the output or its format, for messages.

    Raises:
        UsageError: the codec is unknown, not available or not supported by the container, or an option is
            invalid for the codec.
    """
    name = options.codec
    if name == "auto":
        name = container.codecs[0]
        if name == "h264" and works("h264_nvenc"):
            name = "h264_nvenc"
    if name not in CODECS:
        meant = ALSO_CALLED.get(name.lower(), name)
        hint = did_you_mean(meant, container.codecs)
        raise UsageError(f"--codec {name}: unknown{hint}; known: auto {' '.join(container.codecs)}")
    if name not in container.codecs:
        raise UsageError(f"--codec {name}: not supported by {where}; supported: {' '.join(container.codecs)}")
    codec = CODECS[name]
    if name.endswith("_nvenc") and not works(name):
        raise UsageError(f"--codec {name}: no NVIDIA encoder is available on this machine")
    _check(name, codec, options)
    return name, codec


def _check(name: str, codec: Codec, options: EncodeOptions) -> None:
    if options.quality is not None:
        low, high = codec.qualities
        if codec.quality is None:
            raise UsageError(f"--crf {options.quality:g}: codec {name} has no such option")
        if not low <= options.quality <= high:
            raise UsageError(f"--crf {options.quality:g}: codec {name} takes {low:g} to {high:g}")
    if options.preset is not None and options.preset not in codec.presets:
        known = " ".join(codec.presets) or "none"
        hint = did_you_mean(options.preset, codec.presets)
        raise UsageError(f"--preset {options.preset}: codec {name} takes {known}{hint}")
    if options.pixel_format is not None:
        formats = [f.name for f in av.Codec(codec.encoder, "w").video_formats or ()]
        if options.pixel_format not in formats:
            hint = did_you_mean(options.pixel_format, formats)
            raise UsageError(
                f"--pix-fmt {options.pixel_format}: codec {name} takes {' '.join(formats)}{hint}"
            )


@cache
def works(name: str) -> bool:
    """Whether the encoder can be opened here: a driver may be missing, or the GPU has no encoder."""
    codec = CODECS[name]
    context = cast(VideoCodecContext, av.CodecContext.create(codec.encoder, "w"))
    context.width, context.height, context.pix_fmt = 256, 256, codec.pixel_format
    context.time_base = Fraction(1, 25)
    context.options = encoder_options(codec, EncodeOptions())
    try:
        context.open()
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return True


def expected_bits_per_pixel(codec: Codec, options: EncodeOptions) -> float:
    """Expected bits per pixel, to estimate disk space. Six steps of quality halve the bits, as in H.264."""
    if codec.quality is None or options.quality is None:
        return codec.bits_per_pixel
    return codec.bits_per_pixel * 2 ** ((codec.quality - options.quality) / 6)


def encoder_options(codec: Codec, options: EncodeOptions) -> dict[str, str]:
    """The options as FFmpeg's encoder expects them."""
    chosen = dict(codec.options)
    preset = options.preset or codec.preset
    if preset is not None:
        chosen[codec.preset_option] = preset
    if options.bit_rate is None and codec.quality is not None:
        quality = codec.quality if options.quality is None else options.quality
        chosen[codec.quality_option] = f"{quality:g}"
    if codec.encoder.startswith("libx264") and cv2.checkHardwareSupport(_CPU_AVX_512F):
        # With its macroblock tree (default presets) the AVX-512 code is not deterministic, so a resumed video
        # would differ from an uninterrupted one; the AVX2 code is.
        chosen["x264-params"] = "asm=avx2"
    if options.low_delay and codec.encoder == "libx264":
        chosen["tune"] = "zerolatency"
    if options.low_delay and codec.encoder == "h264_nvenc":
        chosen |= {"tune": "ull", "zerolatency": "1", "bf": "0", "forced-idr": "1"}
    if codec.encoder == "libx265":
        chosen["x265-params"] += f":pools={options.threads}"
    if codec.encoder == "libsvtav1":
        chosen["svtav1-params"] = f"lp={options.threads}"
        os.environ.setdefault("SVT_LOG", "1")  # errors only; the library logs by itself
    return chosen

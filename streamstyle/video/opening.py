"""Opens videos in such a way that only the named input is read.

FFmpeg follows references: a playlist, concat script or SDP file, whatever its name, makes it open other files
and network connections. Two whitelists, of protocols and of formats, exclude all of these.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from streamstyle.errors import InputError
from streamstyle.video.completeness import has_no_index
from streamstyle.video.spooling import download, readable_in_one_pass

URL_SCHEMES = ("http", "https", "rtsp", "rtmp", "rtmps", "udp", "tcp")

# Self-contained formats: containers and raw streams that cannot refer to other files.
_FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,gif,apng,nut,mxf,dv,"
    "h264,hevc,vvc,av1,obu,ivf,m4v,h261,h263,mjpeg,vc1,yuv4mpegpipe,rm,swf,y4m,wtv,gxf,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,gif_pipe,webp"
)
_AUDIO_FORMATS = _FILE_FORMATS + ",wav,w64,mp3,flac,aac,ac3,eac3,aiff,caf,wv,tta,amr"
_URL_FORMATS = _FILE_FORMATS + ",live_flv,rtsp,sdp,rtp,hls,mpjpeg"
_URL_PROTOCOLS = "http,https,httpproxy,tls,tcp,udp,rtp,rtmp,rtmps,rtmpt,crypto"

_TIMEOUT_SECONDS = (20.0, 20.0)  # to open and to read, as a server may never respond
_SHORT_TIMEOUT_SECONDS = (5.0, 3.0)
# RTSP over TCP: a lost UDP packet corrupts the frames up to the next keyframe.
_LOW_DELAY = {"fflags": "nobuffer", "flags": "low_delay", "rtsp_transport": "tcp"}

# What PyAV raises on damaged files: its own errors, and others for metadata, sizes and missing decoders.
DAMAGE = (av.error.FFmpegError, ValueError, EOFError, IndexError, OverflowError, NotImplementedError)


def is_url(name: str) -> bool:
    """Whether `name` is a URL with an allowed scheme."""
    return "://" in name and urlsplit(name).scheme.lower() in URL_SCHEMES


def reason(error: BaseException) -> str:
    """The cause of a PyAV error as one line of text, without the file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def open_input(name: str, *, low_delay: bool = False, hwaccel: HWAccel | None = None) -> InputContainer:
    """Open a video: a path, a URL or "-" for stdin.

    Args:
        name: what to open.
        low_delay: for URLs: no buffering, and short timeouts.
        hwaccel: decodes on a device.

    Raises:
        InputError: the input is missing, not a regular file, not readable, or not a known video format.
    """
    if name == "-":
        if sys.stdin is None:
            raise InputError("-: stdin is closed")
        # Unbuffered: Python locks a buffer, and could not exit while a thread is blocked reading from it.
        pipe = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
        return _open(readable_in_one_pass(pipe, name), name, _FILE_FORMATS, "pipe,file", hwaccel=hwaccel)
    if is_url(name):
        if low_delay:
            return _open(name, name, _URL_FORMATS, _URL_PROTOCOLS, _SHORT_TIMEOUT_SECONDS, _LOW_DELAY)
        return _open(name, name, _URL_FORMATS, _URL_PROTOCOLS, _TIMEOUT_SECONDS, hwaccel=hwaccel)
    if "://" in name and not os.path.exists(name):
        allowed = ", ".join(URL_SCHEMES)
        raise InputError(f"{name}: this kind of URL is not supported; use {allowed}")
    path = regular_file(name)
    try:
        return _open(str(path), name, _FILE_FORMATS, "file", hwaccel=hwaccel)
    except InputError as error:
        with suppress(OSError):
            if has_no_index(path):
                raise InputError(
                    f"{name}: has no index (moov), because its recording or download did not end properly"
                ) from error
        raise


def open_downloaded(name: str, *, hwaccel: HWAccel | None = None) -> InputContainer | None:
    """Open an MP4 from a web server that cannot seek, by storing it in a temporary file.

    Returns:
        The video; None if `name` is not such a file.

    Raises:
        InputError: it cannot be downloaded, or is not a video.
    """
    if not name.lower().startswith(("http://", "https://")):
        return None
    file = download(name)
    return None if file is None else _open(file, name, _FILE_FORMATS, "file", hwaccel=hwaccel)


def close_input(container: InputContainer, reading: Generator[Any, None, None]) -> None:
    """Close a container, unless another thread is reading from it.

    Closing a container frees it in FFmpeg, but PyAV does not stop reads from the freed memory. A read in
    another thread, one that a suspended generator starts later, and the use of the container's streams as
    templates then crash the process. Packets, frames and codec contexts stay valid.
    So all reads of a container belong in one generator, and the container is closed here. If a thread is
    inside the generator, for example blocked on a pipe, the container stays open.

    Args:
        container: to close.
        reading: the generator that reads from the container, in any thread.
    """
    try:
        reading.close()  # it cannot read any more after this
    except ValueError:  # it is executing in another thread
        return
    container.close()


def open_audio(name: str) -> InputContainer:
    """Open a video or audio file.

    Raises:
        InputError: as `open_input`.
    """
    return _open(str(regular_file(name)), name, _AUDIO_FORMATS, "file")


def regular_file(name: str | Path) -> Path:
    """The absolute path of a readable regular file.

    Raises:
        InputError: the file is missing, empty, not a regular file, or not readable.
    """
    path = Path(name).absolute()
    try:
        if not os.path.exists(path):
            raise InputError(f"{name}: no such file")
        if not path.is_file():
            raise InputError(f"{name}: not a regular file")
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({reason(error)})") from error
    if empty:
        raise InputError(f"{name}: the file is empty")
    return path


def _open(
    file: Any,
    name: str,
    formats: str,
    protocols: str,
    timeout: Any = None,
    more: Mapping[str, str] | None = None,
    hwaccel: HWAccel | None = None,
) -> InputContainer:
    options = {"format_whitelist": formats, "protocol_whitelist": protocols, **(more or {})}
    try:
        container: InputContainer = av.open(
            file,
            "r",
            container_options=options,
            metadata_errors="replace",
            timeout=timeout,
            hwaccel=hwaccel,
        )
    except MemoryError as error:
        raise InputError(f"{name}: its damaged header requires more memory than there is") from error
    except (*DAMAGE, OSError) as error:
        if timeout:
            raise InputError(f"{name}: cannot be opened ({reason(error)})") from error
        other = "an audio file" if formats == _AUDIO_FORMATS else "an image"
        why = "" if isinstance(error, av.error.InvalidDataError) else f" ({reason(error)})"
        raise InputError(f"{name}: not a video or {other} that can be read{why}") from error
    return container

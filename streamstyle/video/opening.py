"""Opens videos so that nothing is read but what the user named.

FFmpeg follows references: a playlist, a concat script or an SDP file, under whatever name, makes it open
other files and network connections. Two whitelists, of protocols and of formats, refuse all of these.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from streamstyle.errors import InputError

URL_SCHEMES = ("http", "https", "rtsp", "rtmp", "rtmps", "udp", "tcp")

# Containers and raw streams that hold images themselves; none of them names another file.
_FILE_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,gif,apng,nut,mxf,dv,"
    "h264,hevc,vvc,av1,obu,ivf,m4v,h261,h263,mjpeg,vc1,yuv4mpegpipe,rm,swf,y4m,wtv,gxf,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,gif_pipe,webp"
)
_SOUND_FORMATS = _FILE_FORMATS + ",wav,w64,mp3,flac,aac,ac3,eac3,aiff,caf,wv,tta,amr"
_URL_FORMATS = _FILE_FORMATS + ",live_flv,rtsp,sdp,rtp,hls,mpjpeg"
_URL_PROTOCOLS = "http,https,httpproxy,tls,tcp,udp,rtp,rtmp,rtmps,rtmpt,crypto"

_TIMEOUT_SECONDS = (20.0, 20.0)  # open, read; for what may never answer
_SHORT_TIMEOUT_SECONDS = (5.0, 3.0)
# RTSP over TCP: a lost UDP packet smears the image until the next key frame.
_LOW_DELAY = {"fflags": "nobuffer", "flags": "low_delay", "rtsp_transport": "tcp"}

# What PyAV raises on damaged files besides its own errors (metadata, sizes, missing decoders).
DAMAGE = (av.error.FFmpegError, ValueError, EOFError, IndexError, OverflowError, NotImplementedError)


def is_url(name: str) -> bool:
    """Whether `name` is a URL of a scheme that may be opened."""
    return "://" in name and urlsplit(name).scheme.lower() in URL_SCHEMES


def reason(error: BaseException) -> str:
    """The cause of a PyAV error in words, on one line, without the file name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def open_input(name: str, *, low_delay: bool = False) -> InputContainer:
    """Open a video: a path, a URL or "-" for stdin.

    Args:
        name: what to open.
        low_delay: of URLs: nothing is buffered, and what falls silent is given up soon.

    Raises:
        InputError: the file is missing, no regular file, not readable, or holds no known video.
    """
    if name == "-":
        # Without a buffer, which Python locks: it could not exit while a thread reads from a silent pipe.
        pipe = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
        return _open(pipe, name, _FILE_FORMATS, "pipe,file")
    if is_url(name):
        if low_delay:
            return _open(name, name, _URL_FORMATS, _URL_PROTOCOLS, _SHORT_TIMEOUT_SECONDS, _LOW_DELAY)
        return _open(name, name, _URL_FORMATS, _URL_PROTOCOLS, _TIMEOUT_SECONDS)
    if "://" in name and not Path(name).exists():
        allowed = ", ".join(URL_SCHEMES)
        raise InputError(f"{name}: this kind of URL is not opened; allowed are {allowed}")
    path = regular_file(name)
    return _open(str(path), name, _FILE_FORMATS, "file")


def close_input(container: InputContainer, reading: Generator[Any, None, None]) -> None:
    """Close a container, once nothing reads from it any more.

    FFmpeg frees a container when it is closed, and PyAV lets a read go on in the freed memory: both a read
    under way in another thread and one that a suspended generator begins later crash the process. So do the
    container's streams as templates. Packets, frames and codec contexts live on.
    The rule for all who read: do it in one generator, and close the container here. If a thread is within
    the generator, as in a read of a silent pipe, the container stays open; that thread may return any time.

    Args:
        reading: the generator that reads from the container, in whatever thread.
    """
    try:
        reading.close()  # from now on it reads no more
    except ValueError:  # it is executing, in another thread
        return
    container.close()


def open_sound(name: str) -> InputContainer:
    """Open a video or a sound file.

    Raises:
        InputError: as `open_input`.
    """
    return _open(str(regular_file(name)), name, _SOUND_FORMATS, "file")


def regular_file(name: str | Path) -> Path:
    """The absolute path of a readable regular file.

    Raises:
        InputError: it is missing, is not a regular file, or may not be read.
    """
    path = Path(name).absolute()
    try:
        if not path.exists():
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
) -> InputContainer:
    options = {"format_whitelist": formats, "protocol_whitelist": protocols, **(more or {})}
    try:
        container: InputContainer = av.open(
            file, "r", container_options=options, metadata_errors="replace", timeout=timeout
        )
    except MemoryError as error:
        raise InputError(f"{name}: a damaged header asks for more memory than there is") from error
    except (*DAMAGE, OSError) as error:
        kind = "video or sound" if formats == _SOUND_FORMATS else "video"
        what = "cannot be opened" if timeout else f"not a {kind} that can be read"
        raise InputError(f"{name}: {what} ({reason(error)})") from error
    return container

"""Where frames go. A new kind of sink is one file and one line in SINKS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamstyle.errors import OutputError, UsageError
from streamstyle.frames import Sink, StreamInfo
from streamstyle.sinks.images import FORMATS, FolderSink, StillSink
from streamstyle.sinks.memory import MemorySink
from streamstyle.sinks.pipe import PipeSink
from streamstyle.sinks.recording import RecordingSink
from streamstyle.sinks.video import VideoSink
from streamstyle.sinks.virtual_camera import VirtualCameraSink
from streamstyle.sinks.window import WindowSink
from streamstyle.video.codecs import EncodeOptions
from streamstyle.video.opening import is_url

SINKS: dict[str, Callable[..., Sink]] = {
    "video": VideoSink,
    "still": StillSink,
    "folder": FolderSink,
    "pipe": PipeSink,
    "memory": MemorySink,
    "recording": RecordingSink,
    "window": WindowSink,
    "virtual_camera": VirtualCameraSink,
}


def sink_kind(name: str | Path) -> str:
    """Which of SINKS writes `name`.

    Raises:
        OutputError: the name cannot be used.
    """
    name = str(name)
    if name == "-" or is_url(name):
        return "pipe"
    path = Path(name)
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise OutputError(f"{name}: cannot be written ({error.strerror or error})") from error
    if is_folder or name.endswith(("/", "\\")) or not path.suffix:
        return "folder"
    return "still" if path.suffix.lower() in FORMATS else "video"


def open_sink(
    name: str | Path,
    info: StreamInfo,
    options: EncodeOptions | None = None,
    *,
    audio: str = "copy",
    overwrite: bool = False,
    quality: int = 95,
    format: str | None = None,
) -> Sink:
    """Open a film, picture, folder, URL, or "-" for stdout, by its name.

    Args:
        name: a folder is one that exists, ends in a slash, or has no ending.
        info: of the source.
        options: for the encoder of films.
        audio: "copy" or "none".
        overwrite: replace what is there.
        quality: of JPEG and WebP pictures, 1 to 100.
        format: container for pipes and URLs.

    Raises:
        UsageError: it exists and is not to be overwritten, or the ending or the options do not fit.
        OutputError: it cannot be written.
    """
    kind, path = sink_kind(name), Path(name)
    if kind == "pipe":
        return PipeSink(str(name), info, options, audio=audio, format=format)
    if kind == "folder":
        return FolderSink(path, overwrite=overwrite, quality=quality, recipe=info.recipe)
    if kind == "still":
        if path.exists() and not overwrite:
            raise UsageError(f"{path}: exists; -y overwrites it")
        return StillSink(path, quality=quality, recipe=info.recipe)
    return VideoSink(path, info, options, audio=audio, overwrite=overwrite)

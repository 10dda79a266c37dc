"""What `doctor` looks at: each check says what it found and, if that is not as it should be, what to do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from streamstyle import __version__
from streamstyle.apps.cli.opencv import REMEDY, load_failure
from streamstyle.cores import usable_cores

PACKAGES = ("torch", "torchvision", "av", "opencv-python", "numpy", "pillow")
EXTRAS = {"web": "starlette", "vcam": "pyvirtualcam", "export": "onnxscript", "cluster": "ray"}
LITTLE_MEMORY = 2e9  # bytes; a video of 320x180 takes 0.9 GB, larger ones more
LITTLE_SPACE = 1e9  # bytes
DEVICES = Path("/dev")
LOOPBACK = Path("/sys/module/v4l2loopback")
REINSTALL = "install it again: pip install --force-reinstall --no-deps streamstyle"
_WITHOUT_OPENCV = "unknown without OpenCV"


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        text: one line.
        to_do: what to do about it; "" if it is as it should be.
    """

    text: str
    to_do: str = ""


def _version() -> Finding:
    return Finding(__version__)


def _system() -> Finding:
    return Finding(f"{platform.platform()}, Python {platform.python_version()}")


def _packages() -> Finding:
    versions = {name: _installed(name) for name in PACKAGES}
    if versions["opencv-python"] is None:  # the one without windows serves as well
        del versions["opencv-python"]
        versions["opencv-python-headless"] = _installed("opencv-python-headless")
    missing = [name for name, version in versions.items() if version is None]
    text = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    return Finding(text, f"pip install {' '.join(missing)}" if missing else "")


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _weights() -> Finding:
    from streamstyle.weights import WEIGHTS

    bad = [
        entry.path.name
        for entry in WEIGHTS.values()
        if not entry.path.is_file() or entry.path.stat().st_size != entry.bytes
    ]
    if bad:
        return Finding(f"missing or damaged: {', '.join(bad)}", REINSTALL)
    return Finding(f"{len(WEIGHTS)} files are complete")


def _opencv() -> Finding:
    try:
        import cv2
    except ImportError as error:
        failed = load_failure(error) or f"OpenCV cannot be loaded ({error}); "
        return Finding(failed.removesuffix(f"; {REMEDY}"), REMEDY)
    toolkit = cv2.currentUIFramework()
    if toolkit:
        return Finding(f"{cv2.__version__}, opens windows with {toolkit}")
    return Finding(f"{cv2.__version__}, opens no windows (opencv-python-headless)")


def _ffmpeg() -> Finding:
    if "cv2" not in sys.modules:  # importing it again would print to stdout
        return Finding(_WITHOUT_OPENCV)
    try:
        from streamstyle.video.libraries import libraries
    except (ImportError, OSError) as error:
        reason = str(error).partition("\n")[0]
        return Finding(
            f"PyAV cannot be loaded ({reason})", "pip install --force-reinstall --only-binary av av"
        )
    return Finding(libraries())


def _encoders() -> Finding:
    if "cv2" not in sys.modules:
        return Finding(_WITHOUT_OPENCV)
    from streamstyle.video.codecs import CODECS, works

    working = [name for name in CODECS if works(name)]
    lacks = "" if "h264" in working else "PyAV's FFmpeg lacks x264; install the wheel of PyPI: pip install av"
    return Finding(" ".join(working), lacks)


def _nvdec() -> Finding:
    if "cv2" not in sys.modules:
        return Finding(_WITHOUT_OPENCV)
    from streamstyle.video.nvdec import works

    return Finding("decodes" if works() else "none: no card, driver or decoder that can be opened")


def _devices() -> Finding:
    import torch

    from streamstyle.device import choose, name_of, why_no_cuda

    trouble = why_no_cuda()
    if trouble is None:
        return Finding(name_of(choose()))
    return Finding(f"{name_of(torch.device('cpu'))}; the NVIDIA card is not used: {trouble[0]}", trouble[1])


def _processor() -> Finding:
    import torch

    name = platform.machine()
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith("model name"):
            name = line.partition(":")[2].strip()
            break
    instructions = torch.backends.cpu.get_cpu_capability()
    slow = instructions in ("DEFAULT", "NO AVX") and platform.machine().lower() in ("x86_64", "amd64")
    text = f"{name}, computes with {instructions}"
    return Finding(
        text, "without AVX2 everything is several times as slow; try --config draft" if slow else ""
    )


def _threads() -> Finding:
    import torch

    return Finding(
        f"{usable_cores()} of {os.cpu_count()} cores may be used, torch uses {torch.get_num_threads()}"
    )


def _memory() -> Finding:
    from streamstyle.batch.memory import available_bytes

    free = available_bytes()
    if not free:
        return Finding("unknown on this system")
    little = "close other programs, or use --max-size 480" if free < LITTLE_MEMORY else ""
    return Finding(f"{free / 1e9:.1f} GB are free", little)


def _runner() -> Finding:
    from streamstyle.device import choose
    from streamstyle.inference import described, installed_runners

    text = f"{described('auto', choose())}; installed: {' '.join(installed_runners())}"
    usual = sys.platform in ("linux", "win32") and platform.machine().lower() in ("x86_64", "amd64")
    if usual and "openvino" not in installed_runners():
        return Finding(text, "pip install openvino: it runs the networks more than twice as fast on a CPU")
    return Finding(text)


def _cache() -> Finding:
    from streamstyle.weights.downloads import URLS, downloaded, torchvision_cache

    folder = torchvision_cache()
    found = [name for name in URLS if downloaded(name)]
    text = f"{folder}: {', '.join(found) if found else 'empty; the bundled networks need no download'}"
    closed = _not_writable(folder)
    return Finding(text, f"{closed} cannot be written; set TORCH_HOME to a folder of yours" if closed else "")


def _state() -> Finding:
    from streamstyle.apps.web.key import state_folder

    folder = state_folder()
    closed = _not_writable(folder)
    lost = f"{closed} cannot be written, so that the page has a new link each time; give it a --token"
    return Finding(f"{folder}", lost if closed else "")


def _not_writable(folder: Path) -> Path | None:
    """The folder, or the one above it in which it would be made, if that cannot be written."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return None if there.is_dir() and os.access(there, os.W_OK) else there


def _temporary() -> Finding:
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        return Finding("no temporary folder can be written", "set TMPDIR to a folder of yours")
    free = shutil.disk_usage(folder).free
    little = f"free space in {folder}, or set TMPDIR to a larger folder" if free < LITTLE_SPACE else ""
    return Finding(f"{folder}, {free / 1e9:.1f} GB are free", little)


def _cameras() -> Finding:
    if "cv2" not in sys.modules:
        return Finding(_WITHOUT_OPENCV)
    from streamstyle.sources.camera import list_cameras

    cameras = list_cameras()
    if not cameras:
        return Finding("none; `live --camera FILE` plays a video as one")
    text = ", ".join(f"{number} ({name})" for number, name in cameras.items())
    nodes = [DEVICES / f"video{number}" for number in cameras if number.isdecimal()]
    if platform.system() != "Linux":
        return Finding(text)
    if missing := [str(node) for node in nodes if not node.exists()]:
        return Finding(text, f"a container needs them, too: docker run --device {missing[0]}")
    if closed := [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]:
        group = closed[0].group()
        return Finding(text, f"{closed[0]}: no permission; sudo usermod -aG {group} $USER, then log in again")
    return Finding(text)


def _display() -> Finding:
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not named:
        return Finding(
            "none: neither DISPLAY nor WAYLAND_DISPLAY is set; `live --web` and `studio` need none"
        )
    text = named or "the system's"
    if "cv2" in sys.modules and not sys.modules["cv2"].currentUIFramework():
        return Finding(
            text, "for the window of `live`: pip install --force-reinstall --no-deps opencv-python"
        )
    return Finding(text)


def _extras() -> Finding:
    missing = [extra for extra, module in EXTRAS.items() if find_spec(module) is None]
    text = ", ".join(extra for extra in EXTRAS if extra not in missing) or "none"
    if missing:
        text += f"; not installed: {', '.join(missing)} (pip install 'streamstyle[{missing[0]}]')"
    if "vcam" not in missing and sys.platform == "linux" and not LOOPBACK.exists():
        return Finding(text, "--virtual-camera needs a kernel module: sudo modprobe v4l2loopback")
    return Finding(text)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


CHECKS: dict[str, Callable[[], Finding]] = {  # by topic; OpenCV before all that need it
    "streamstyle": _version,
    "system": _system,
    "packages": _packages,
    "weights": _weights,
    "opencv": _opencv,
    "ffmpeg": _ffmpeg,
    "encoders": _encoders,
    "nvdec": _nvdec,
    "devices": _devices,
    "processor": _processor,
    "threads": _threads,
    "memory": _memory,
    "runner": _runner,
    "downloads": _cache,
    "state": _state,
    "temporary": _temporary,
    "cameras": _cameras,
    "display": _display,
    "extras": _extras,
}

"""A virtual camera for other programs, such as video calls and OBS. Needs the optional pyvirtualcam."""

from __future__ import annotations

from typing import Any

from streamstyle.errors import UsageError
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo

RATE = 30.0  # reported to other programs if the stream has no rate


class VirtualCameraSink(Sink):
    """Sends frames to a virtual camera.

    Args:
        info: of the stream, for its size and rate.

    Attributes:
        device: name of the camera in other programs.

    Raises:
        UsageError: pyvirtualcam or the device is missing.
    """

    def __init__(self, info: StreamInfo) -> None:
        pyvirtualcam = loaded()
        try:
            self._camera: Any = pyvirtualcam.Camera(info.width, info.height, float(info.rate or RATE))
        except (RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"--virtual-camera: no virtual camera device ({reason}); on Linux load the kernel module "
                "v4l2loopback, elsewhere install OBS"
            ) from error
        self.device = str(self._camera.device)
        self._done = False

    def write(self, item: SinkItem) -> None:
        """Show a frame to other programs."""
        if isinstance(item, Frame) and not self._done:
            self._camera.send(item.pixels)

    def close(self) -> None:
        """Close the camera; may be called twice."""
        if not self._done:
            self._done = True
            self._camera.close()

    def abort(self) -> None:
        """Close the camera."""
        self.close()


def loaded() -> Any:
    """The module pyvirtualcam.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyvirtualcam
    except ImportError as error:
        raise UsageError("--virtual-camera needs pyvirtualcam: pip install 'streamstyle[vcam]'") from error
    return pyvirtualcam

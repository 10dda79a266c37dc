"""A camera that other programs see: video calls, OBS. Through pyvirtualcam, an extra."""

from __future__ import annotations

from typing import Any

from streamstyle.errors import UsageError
from streamstyle.frames import Frame, Sink, SinkItem, StreamInfo

RATE = 30.0  # what is told to programs that ask


class VirtualCameraSink(Sink):
    """Gives frames to a virtual camera.

    Args:
        info: of the stream: its size.

    Attributes:
        device: how other programs see it.

    Raises:
        UsageError: pyvirtualcam or the device is missing.
    """

    checkpoint_seconds: float | None = None

    def __init__(self, info: StreamInfo) -> None:
        pyvirtualcam = loaded()
        try:
            self._camera: Any = pyvirtualcam.Camera(info.width, info.height, float(info.rate or RATE))
        except (RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"--virtual-camera: there is no device for it ({reason}); on Linux load the kernel module "
                "v4l2loopback, elsewhere install OBS"
            ) from error
        self.device = str(self._camera.device)
        self._done = False

    def write(self, item: SinkItem) -> None:
        """Show a frame to other programs."""
        if isinstance(item, Frame) and not self._done:
            self._camera.send(item.pixels)

    def close(self) -> None:
        """Take the camera away; may be called twice."""
        if not self._done:
            self._done = True
            self._camera.close()

    def abort(self) -> None:
        """Take the camera away."""
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

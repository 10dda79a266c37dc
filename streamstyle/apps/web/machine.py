"""This machine's own camera, as the page shows it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from streamstyle.apps.live.controls import Controls


class Machine(Protocol):
    """A camera of this machine that is stylized whether or not anybody watches."""

    @property
    def controls(self) -> Controls:
        """Its controls as they are set now."""
        ...

    def newest(self, after: int, timeout: float) -> tuple[int, np.ndarray, np.ndarray] | None:
        """The newest result, if it is newer than the one with that number.

        Returns:
            Its number, source and result, both (H, W, 3) uint8 RGB; None if none came in `timeout` seconds.
        """
        ...

    def change(self, **values: object) -> Controls:
        """Change the controls; raises UsageError, which changes nothing."""
        ...

    def status(self) -> dict[str, float | int | str]:
        """Figures of the session, by name."""
        ...


class Broadcast:
    """The results of the camera for several viewers; each is encoded once."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._lock = threading.Lock()
        self._number = 0
        self._pictures = b"", b""

    def newest(self, after: int, timeout: float) -> tuple[int, bytes, bytes] | None:
        """The newest result after that number: number, source and result as JPEG; None after the timeout."""
        from streamstyle.apps.web.jpeg import write_jpeg

        found = self.machine.newest(after, timeout)
        if found is None:
            return None
        number, source, result = found
        with self._lock:
            if number > self._number:
                self._number, self._pictures = number, (write_jpeg(source), write_jpeg(result))
            return self._number, *self._pictures

"""The server's own camera, as the page shows it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from streamstyle.apps.live.controls import Controls


class Machine(Protocol):
    """A live session of the server's camera, which runs even if nobody watches; see `Live`."""

    @property
    def controls(self) -> Controls:
        """The current controls."""
        ...

    def newest(self, after: int, timeout: float) -> tuple[int, np.ndarray, np.ndarray] | None:
        """The newest result, if its number is higher than `after`.

        Returns:
            Its number, source and result, both (H, W, 3) uint8 RGB; None after `timeout` seconds.
        """
        ...

    def change(self, **values: object) -> Controls:
        """Change the controls; raises UsageError if a value is not allowed, then nothing changes."""
        ...

    def status(self) -> dict[str, float | int | str]:
        """Statistics of the session, by name."""
        ...


class Broadcast:
    """Distributes the results of the camera to several viewers, each encoded only once."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._lock = threading.Lock()
        self._number = 0
        self._encoded = b"", b""

    def newest(self, after: int, timeout: float) -> tuple[int, bytes, bytes] | None:
        """The newest result: number, source and result as JPEG; None after `timeout` seconds."""
        from streamstyle.apps.web.jpeg import write_jpeg

        found = self.machine.newest(after, timeout)
        if found is None:
            return None
        number, source, result = found
        with self._lock:
            if number > self._number:
                self._number, self._encoded = number, (write_jpeg(source), write_jpeg(result))
            return self._number, *self._encoded

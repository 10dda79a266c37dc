"""A camera, stylized live: capture, stylizing and outputs, each in threads of its own.

reader (newest frame) -> step -> newest result, for the window and the page
                              -> writers (drop what they have no time for), for recordings and streams

The newest frame wins everywhere, so nothing grows when something is slow; drops are counted. The network
may have all cores: on two of them, with one left to the other threads, a frame of 640x480 took 45 ms, not 24.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from streamstyle import device as devices
from streamstyle.apps.live.capture import LOST, Capture
from streamstyle.apps.live.output import Output
from streamstyle.apps.live.rate import Pace
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.errors import StreamstyleError
from streamstyle.sources.camera import Camera

WINDOW_SECONDS = 5.0  # over which rate and latency are measured
PAUSED = "paused"
_POLL = 0.25  # seconds

Picture = tuple[int, np.ndarray, np.ndarray]


class Live:
    """A camera, stylized live. A context manager; it runs within.

    Args:
        open: opens the camera.
        painter: stylizes the frames; nobody else may call it meanwhile.
        outputs: get every stylized frame that they have time for.

    Attributes:
        capture: of the camera.
        paused: no new frames are stylized.
        frames: number of stylized frames.
    """

    def __init__(
        self, open: Callable[[], Camera], stylizer: Stylizer, outputs: Sequence[Output] = ()
    ) -> None:
        self.capture, self.stylizer = Capture(open), stylizer
        self.paused = False
        self._pace = None if stylizer.fps is None else Pace(stylizer.fps)
        self.frames = 0
        self._outputs = list(outputs)
        self._all = list(outputs)  # also those that were taken away
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._picture: Picture | None = None
        self._taken: deque[tuple[int, float]] = deque(
            maxlen=64
        )  # number and capture time of the last results
        self._times: deque[float] = deque()  # when frames were stylized
        self._latencies: dict[bool, deque[tuple[float, float]]] = {False: deque(), True: deque()}
        self._stop = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._stylize, name="stylizing", daemon=True)

    def __enter__(self) -> Self:
        self.capture.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End all threads and finish the outputs; may be called twice."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self.capture.close()
        self._thread.join()
        for output in self._all:
            output.close()

    @property
    def wanted(self) -> Controls:
        """The controls as they are set now."""
        return self.stylizer.wanted

    @property
    def styles(self) -> list[str]:
        """Which styles can be chosen."""
        return self.stylizer.styles

    def change(self, **values: object) -> Controls:
        """Change the controls; see `Stylizer.change`."""
        return self.stylizer.change(**values)

    def newest(self, after: int, timeout: float) -> Picture | None:
        """The newest result, if it is newer than `after`; waits for one.

        Args:
            after: number of the last result that was seen; 0 for none.
            timeout: seconds to wait.

        Returns:
            Its number, the source and the result, (H, W, 3) uint8 RGB both, not to be changed; None where
            nothing newer comes.

        Raises:
            StreamstyleError: a frame could not be stylized.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_newer(after) or self._stop or self._error, timeout)
            if self._error is not None:
                raise self._error
            return self._picture if self._is_newer(after) else None

    def _is_newer(self, after: int) -> bool:
        return self._picture is not None and self._picture[0] > after

    def shown(self, number: int) -> float:
        """A result has been handed to a display. Gives its latency in seconds, 0 if it is long past."""
        now = time.monotonic()
        with self._lock:
            for known, taken in self._taken:
                if known == number:
                    note(self._latencies[True], now, now - taken)
                    return now - taken
        return 0.0

    def add(self, output: Output) -> None:
        """Write to another output as well."""
        with self._lock:
            self._outputs.append(output)
            self._all.append(output)

    def remove(self, output: Output) -> None:
        """Let an output finish while everything else goes on; see `Output.ended`."""
        with self._lock:
            self._outputs.remove(output)
        output.end()

    @property
    def state(self) -> str:
        """That of the capture, or PAUSED."""
        state = self.capture.state
        return PAUSED if self.paused and state != LOST else state

    @property
    def is_written(self) -> bool:
        """Whether any output still takes frames."""
        return any(output.error is None or output.again for output in self._all)

    def failures(self) -> list[StreamstyleError]:
        """What ended outputs for good."""
        return [output.error for output in self._all if output.error is not None and not output.again]

    def status(self) -> dict[str, float | int | str]:
        """Figures of the session.

        Returns:
            fps and fps_in over the last seconds; latency_ms and latency_p95_ms from capture to display, or to
            the result where nothing is displayed; drops: frames that were not stylized; device; state:
            "starting", "live", "lost" or "paused"; reason, where it is lost; size of the camera's frames;
            skipped: results given again, since nothing had moved; coarseness of the strokes, where a rate
            is held.
        """
        now = time.monotonic()
        with self._lock:
            fps = rate(self._times, now)
            shown = recent(self._latencies[True], now) or recent(self._latencies[False], now)
        width, height = self.capture.size
        return {
            "fps": round(fps, 1),
            "fps_in": round(self.capture.rate, 1),
            "latency_ms": round(1000 * percentile(shown, 50), 1),
            "latency_p95_ms": round(1000 * percentile(shown, 95), 1),
            "drops": self.capture.drops,
            "device": devices.name_of(self.stylizer.device),
            "state": self.state,
            "reason": self.capture.reason,
            "size": f"{width}x{height}",
            "skipped": self.stylizer.skipped,
            "coarseness": round(self.stylizer.coarseness, 2),
        }

    def _stylize(self) -> None:
        try:
            while not self._stop:
                frame = self.capture.newest(_POLL)
                if frame is None or self.paused:
                    continue
                if self._pace is not None and not self._pace(frame.seconds):
                    continue
                result = self.stylizer(frame.pixels, frame.seconds)
                source = self.stylizer.source
                assert source is not None
                self._publish(frame.seconds, source, result)
                with self._lock:
                    outputs = list(self._outputs)
                for output in outputs:
                    output.put(replace(frame, pixels=result))
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _publish(self, taken: float, source: np.ndarray, result: np.ndarray) -> None:
        now = time.monotonic()
        with self._lock:
            self._times.append(now)
            note(self._latencies[False], now, now - taken)
            self._taken.append((self.frames + 1, taken))
        with self._changed:
            self.frames += 1
            self._picture = self.frames, source, result
            self._changed.notify_all()


def note(latencies: deque[tuple[float, float]], now: float, latency: float) -> None:
    """Keep a latency, and forget those that are old."""
    latencies.append((now, latency))
    while now - latencies[0][0] > WINDOW_SECONDS:
        latencies.popleft()


def recent(latencies: deque[tuple[float, float]], now: float) -> list[float]:
    """The latencies of the last seconds."""
    return [latency for when, latency in latencies if now - when <= WINDOW_SECONDS]


def rate(times: deque[float], now: float) -> float:
    """Events a second over the last ones; forgets those that are old."""
    while times and now - times[0] > WINDOW_SECONDS:
        times.popleft()
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 2 and times[-1] > times[0] else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """0 where there are none."""
    return float(np.percentile(values, share)) if values else 0.0

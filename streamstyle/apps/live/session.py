"""A camera, stylized live: capture, stylizing and outputs, each in threads of its own.

reader (newest frame) -> stylizer -> newest result, for the window and the page
                                  -> writers (drop frames when slow), for recordings and streams

Only the newest frame is kept everywhere, so queues do not grow when something is slow; drops are counted. The
network may use all cores: on a machine with two, leaving one to the other threads made a 640x480 frame take
45 ms instead of 24.
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
from streamstyle.apps.live.rate import RateLimit
from streamstyle.apps.live.stylizer import Controls, Stylizer
from streamstyle.errors import StreamstyleError
from streamstyle.sources.camera import Camera

WINDOW_SECONDS = 5.0  # over which frame rate and latency are measured
AIM_SECONDS = 1.0  # between two looks at the camera's rate
PAUSED = "paused"
_POLL_SECONDS = 0.25  # seconds

LiveFrame = tuple[int, np.ndarray, np.ndarray]  # number, source and result, (H, W, 3) uint8 RGB both


class Live:
    """A live session: stylizes a camera and feeds outputs. A context manager; it runs while entered.

    Args:
        open: opens the camera.
        stylizer: stylizes the frames; must not be called from elsewhere meanwhile.
        outputs: receive the stylized frames, except those that come too fast for them.
        fps: stylize no more frames per second than this.

    Attributes:
        capture: reads the camera.
        stylizer: as given.
        paused: while true, no new frames are stylized.
        frames: number of stylized frames.
    """

    def __init__(
        self,
        open: Callable[[], Camera],
        stylizer: Stylizer,
        outputs: Sequence[Output] = (),
        *,
        fps: float | None = None,
    ) -> None:
        self.capture, self.stylizer = Capture(open), stylizer
        self.paused = False
        self._rate_limit = None if fps is None else RateLimit(fps)
        self._aimed = 0.0  # when the target was adapted to the camera's rate
        self.frames = 0
        self._outputs = list(outputs)
        self._all_outputs = list(outputs)  # including removed ones
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._newest: LiveFrame | None = None
        # Number and capture time of the last results.
        self._capture_times: deque[tuple[int, float]] = deque(maxlen=64)
        self._times: deque[float] = deque()  # when frames were stylized
        # (time, latency) up to the result (False) and up to the display (True).
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
        for output in self._all_outputs:
            output.close()

    @property
    def controls(self) -> Controls:
        """The current controls."""
        return self.stylizer.controls

    @property
    def styles(self) -> list[str]:
        """The styles to choose from."""
        return self.stylizer.styles

    def change(self, **values: object) -> Controls:
        """Change the controls; see `Stylizer.change`."""
        return self.stylizer.change(**values)

    def add_style(self, name: str) -> None:
        """Load another style; see `Stylizer.add_style`."""
        self.stylizer.add_style(name)

    def newest(self, after: int, timeout: float) -> LiveFrame | None:
        """The newest result, if it is newer than `after`; waits for one.

        Args:
            after: number of the last result that was seen; 0 for none.
            timeout: seconds to wait.

        Returns:
            Its number, the source and the result, both (H, W, 3) uint8 RGB and read-only; None after the
            timeout.

        Raises:
            StreamstyleError: a frame could not be stylized.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_newer(after) or self._stop or self._error, timeout)
            if self._error is not None:
                raise self._error
            return self._newest if self._is_newer(after) else None

    def _is_newer(self, after: int) -> bool:
        return self._newest is not None and self._newest[0] > after

    def shown(self, number: int) -> float:
        """Record that a result was displayed; returns its latency in seconds, 0 if it is no longer known."""
        now = time.monotonic()
        with self._lock:
            for known, captured in self._capture_times:
                if known == number:
                    record_latency(self._latencies[True], now, now - captured)
                    return now - captured
        return 0.0

    def add(self, output: Output) -> None:
        """Start writing to another output."""
        with self._lock:
            self._outputs.append(output)
            self._all_outputs.append(output)

    def remove(self, output: Output) -> None:
        """Stop writing to an output; it finishes in the background, see `Output.ended`."""
        with self._lock:
            self._outputs.remove(output)
        output.end()

    @property
    def state(self) -> str:
        """The state of the capture, or PAUSED."""
        state = self.capture.state
        return PAUSED if self.paused and state != LOST else state

    @property
    def has_outputs(self) -> bool:
        """Whether any output still accepts frames."""
        return any(output.error is None or output.again for output in self._all_outputs)

    def failures(self) -> list[StreamstyleError]:
        """The errors that ended outputs for good."""
        return [output.error for output in self._all_outputs if output.error is not None and not output.again]

    def status(self) -> dict[str, float | int | str]:
        """Statistics of the session.

        Returns:
            fps of the results and fps_in of the camera, over the last seconds; latency_ms (median) and
            latency_p95_ms, from capture to display, or to the result if nothing is displayed; drops: camera
            frames that were not stylized; device; state: "starting", "live", "lost" or "paused"; reason, if
            the camera is lost; size of the camera's frames; skipped: results that were repeated, as nothing
            had moved; target: frames per second to hold, 0 if none; lowered: what is lowered for it, in
            words, "" if nothing is, and in figures coarseness and every, see `Quality`.
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
            "target": round(self.stylizer.target or 0.0, 1),
            "lowered": self.stylizer.lowered,
            "coarseness": round(self.stylizer.quality.coarseness, 2),
            "every": self.stylizer.quality.every,
        }

    def _stylize(self) -> None:
        try:
            while not self._stop:
                frame = self.capture.newest(_POLL_SECONDS)
                if frame is None or self.paused:
                    continue
                if self._rate_limit is not None and not self._rate_limit(frame.seconds):
                    continue
                begin = time.perf_counter()
                self._aim()
                result = self.stylizer(frame.pixels, frame.seconds)
                source = self.stylizer.source
                assert source is not None
                self._publish(frame.seconds, source, result)
                with self._lock:
                    outputs = list(self._outputs)
                for output in outputs:
                    output.put(replace(frame, picture=result))
                self.stylizer.took(time.perf_counter() - begin)
        except BaseException as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _aim(self) -> None:
        """Adapt the target to the camera's rate, which may change with the light."""
        now = time.monotonic()
        if now - self._aimed >= AIM_SECONDS and (measured := self.capture.rate) > 0:
            self._aimed = now
            self.stylizer.aim(measured)

    def _publish(self, captured: float, source: np.ndarray, result: np.ndarray) -> None:
        now = time.monotonic()
        with self._lock:
            self._times.append(now)
            record_latency(self._latencies[False], now, now - captured)
            self._capture_times.append((self.frames + 1, captured))
        with self._changed:
            self.frames += 1
            self._newest = self.frames, source, result
            self._changed.notify_all()


def record_latency(latencies: deque[tuple[float, float]], now: float, latency: float) -> None:
    """Add a latency measured at `now`, and remove old ones."""
    latencies.append((now, latency))
    while now - latencies[0][0] > WINDOW_SECONDS:
        latencies.popleft()


def recent(latencies: deque[tuple[float, float]], now: float) -> list[float]:
    """The latencies of the last WINDOW_SECONDS."""
    return [latency for when, latency in latencies if now - when <= WINDOW_SECONDS]


def rate(times: deque[float], now: float) -> float:
    """Events per second over the last WINDOW_SECONDS; removes older ones."""
    while times and now - times[0] > WINDOW_SECONDS:
        times.popleft()
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 2 and times[-1] > times[0] else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """A percentile of values; 0 if there are none."""
    return float(np.percentile(values, percent)) if values else 0.0

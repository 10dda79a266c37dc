"""What the tests of the page share: a studio with a quick painter, images, and a way to talk to it."""

from __future__ import annotations

import http.client
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from streamstyle.apps.live.controls import Controls
from streamstyle.apps.web.studio import Studio
from streamstyle.apps.web.visits import IMAGE_HEADER

connect = pytest.importorskip("websockets.sync.client").connect  # without it all tests of the page skip
InvalidStatus = pytest.importorskip("websockets.exceptions").InvalidStatus
TOKEN = "a-token-of-the-tests"
COLORS = {"great_wave": (20, 40, 200), "ink": (200, 30, 20)}
OTHER = (30, 180, 60)  # of paintings


class Tint:
    """A painter that fills the image with the color of the style, mixed by strength."""

    def __init__(self) -> None:
        self.controls = Controls(style="great_wave")
        self.seen: list[np.ndarray] = []
        self.target: float | None = 24.0
        self.lowered = ""
        self.durations: list[float] = []
        self.added: list[str] = []

    def aim(self, fps: float) -> None:
        self.target = min(fps, 24.0) or None

    def took(self, seconds: float) -> None:
        self.durations.append(seconds)

    def change(self, **values: object) -> Controls:
        self.controls = self.controls.updated(**values)
        return self.controls

    def add_style(self, name: str, loaded: object) -> None:
        self.added.append(name)

    def remove_style(self, name: str) -> None:
        assert name not in self.controls.mixture
        self.added.remove(name)

    def __call__(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        self.seen.append(pixels)
        color = sum(
            share * np.array(COLORS.get(name, OTHER)) for name, share in self.controls.mixture.items()
        )
        mixed = self.controls.strength * color + (1 - self.controls.strength) * pixels
        return np.broadcast_to(mixed, pixels.shape).astype(np.uint8)


class Camera:
    """A machine whose camera shows image after image, as often as anybody asks."""

    def __init__(self) -> None:
        self.number = 0
        self.sleeps = False
        self.state = "live"
        self.error: Exception | None = None
        self.tint = Tint()

    @property
    def controls(self) -> Controls:
        return self.tint.controls

    def change(self, **values: object) -> Controls:
        return self.tint.change(**values)

    def newest(self, after: int, timeout: float) -> tuple[int, np.ndarray, np.ndarray] | None:
        if self.error is not None:
            raise self.error
        if self.sleeps:
            time.sleep(timeout)
            return None
        self.number = max(self.number, after + 1)
        source = np.full((24, 32, 3), 90, np.uint8)
        return self.number, source, self.tint(source, 0.0)

    def status(self) -> dict[str, float | int | str]:
        return {
            "state": self.state,
            "fps": 25.0,
            "latency_ms": 40.0,
            "drops": 3,
            "camera": "/dev/video0",
            "coarseness": float("nan"),
            "device": "cpu",
        }


def picture(color: tuple[int, int, int] = (90, 90, 90), size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG of one color, (width, height)."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "JPEG")
    return file.getvalue()


class Visitor:
    """A browser without a page: has come in, and talks to the server."""

    def __init__(self, studio: Studio, **headers: str) -> None:
        self.address = f"127.0.0.1:{studio.port}"
        self._connection = connect(
            f"ws://{self.address}/paint?token={TOKEN}",
            origin=f"http://{self.address}",
            compression=None,
            max_size=None,
            additional_headers=headers,
        )

    def __enter__(self) -> Self:
        self.socket = self._connection.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.__exit__(None, None, None)

    def say(self, **message: object) -> None:
        self.socket.send(json.dumps(message))

    def hear(self, name: str) -> Any:
        """What the next text message of that name says; what comes before is passed over."""
        for _ in range(50):
            message = self.socket.recv(timeout=20)
            if isinstance(message, str) and name in (read := json.loads(message)):
                return read[name]
        raise AssertionError(f"no {name} came")

    def see(self) -> tuple[np.ndarray | None, np.ndarray]:
        """Source, if it is sent, and result of the next image."""
        while isinstance(data := self.socket.recv(timeout=20), str):
            pass
        length, _ = IMAGE_HEADER.unpack_from(data)
        parts = data[IMAGE_HEADER.size :][:length], data[IMAGE_HEADER.size + length :]
        source, result = (np.array(Image.open(io.BytesIO(part))) if part else None for part in parts)
        assert result is not None
        return source, result

    def paint(self, jpeg: bytes) -> np.ndarray:
        """What becomes of an image."""
        self.socket.send(jpeg)
        return self.see()[1]

    def upload(self, data: bytes, visit: str | None = None, to: str = "clips") -> tuple[int, Any]:
        """Status and answer."""
        name = visit if visit is not None else self.hear("welcome")["visit"]
        origin = f"http://{self.address}"
        status, _, body = ask(origin, "POST", f"/{to}?visit={name}&token={TOKEN}", data, origin=origin)
        return status, json.loads(body)


@contextmanager
def studio(
    machine: Camera | None = None, stylizer: Callable[[], Any] = Tint, **options: Any
) -> Iterator[Studio]:
    """The page, with a quick painter."""
    made = Studio(port=0, token=TOKEN, machine=machine, styles=list(COLORS), device="cpu", **options)
    made._gallery.stylizer = stylizer  # type: ignore[method-assign,assignment]
    with made:
        yield made


def ask(
    url: str, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (small letters) and body of a request as it stands, to a studio that serves."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    if body:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    try:
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()

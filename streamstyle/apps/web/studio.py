"""The server of the web page."""

from __future__ import annotations

import errno
import logging
import secrets
import socket
import tempfile
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from streamstyle.errors import UsageError

if TYPE_CHECKING:
    import uvicorn

    from streamstyle.apps.web.machine import Machine
    from streamstyle.effects import RenderSettings

_log = logging.getLogger("streamstyle")

HOST, PORT = "127.0.0.1", 8787
NEEDED = ("starlette", "uvicorn", "websockets")
START_SECONDS, STOP_SECONDS = 20.0, 5.0
_LARGEST_MESSAGE = 4_000_000  # bytes; between jpeg.MAX_BYTES and this, images are refused with a message
_NEXT_PORTS = 20  # tried when looking for a free port
_EVERYWHERE = ("", "0.0.0.0", "::")


class Studio:
    """Serves the page from a thread of its own. A context manager.

    Args:
        host: address to listen on; anything but a loopback address such as 127.0.0.1 accepts other machines.
        port: to listen on; 0 picks a free one.
        token: the key in the link; by default a random one.
        machine: the server's own camera, as an additional input and as /stream.mjpg.
        styles: names and files to offer; by default the effect's own choices, such as all bundled styles.
        device: "auto", "cpu", "cuda" or "cuda:N".
        names: further host names to accept, such as that of an https proxy.
        effect: what to apply; `stylize` by default.
        fps: frame rate to hold for each visitor; None: the best quality at whatever rate.
        most_visitors: maximum number of visitors and stream viewers together.
        most_clip_bytes: maximum size of an upload.

    Raises:
        UsageError: packages are missing, the address is in use or unknown, or a style or device is unknown.
        InputError: weights cannot be read.
    """

    def __init__(
        self,
        host: str = HOST,
        port: int = PORT,
        token: str | None = None,
        machine: Machine | None = None,
        styles: Sequence[str] = (),
        device: str = "auto",
        names: Sequence[str] = (),
        *,
        effect: RenderSettings | None = None,
        fps: float | None = None,
        most_visitors: int = 8,
        most_clip_bytes: int = 200_000_000,
    ) -> None:
        missing = [name for name in NEEDED if find_spec(name) is None]
        if missing:
            raise UsageError(f"the page needs {', '.join(missing)}: pip install 'streamstyle[web]'")
        if not 0 <= port <= 65535:
            raise UsageError(f"port is {port}, expected 0 to 65535")
        from streamstyle.apps.web.key import LEAST_CHARACTERS

        if token is not None and len(token) < LEAST_CHARACTERS:
            raise UsageError(f"token: expected at least {LEAST_CHARACTERS} characters")
        from streamstyle.apps.web.gallery import Gallery
        from streamstyle.effects import StylizeSettings

        self.token = token or secrets.token_urlsafe(16)
        self._machine, self._names = machine, names
        self._most = most_visitors, most_clip_bytes
        effect = effect or StylizeSettings()
        self._gallery = Gallery(styles or effect.choices() or [effect.mixture], device, effect, fps)
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        # In place of Thread.join: if a signal interrupts that, Python 3.11 takes the thread for ended.
        self._ended = threading.Event()

    @property
    def url(self) -> str:
        """The link to the page, with its key."""
        return self._link("/")

    @property
    def stream_url(self) -> str:
        """The link to the server's camera as a stream of JPEG images, for OBS, VLC and the like."""
        return self._link("/stream.mjpg")

    def _link(self, path: str) -> str:
        host = self.host
        if host in _EVERYWHERE:
            host = _own_address()
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{path}?token={quote(self.token)}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving in a thread."""
        self._warn()
        begun = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(begun,), name="page", daemon=True)
        self._thread.start()
        if not begun.wait(START_SECONDS):
            raise UsageError(f"the page did not start within {START_SECONDS:g} seconds")

    def stop(self) -> None:
        """Stop serving and delete clips; may be called twice."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._ended.wait(STOP_SECONDS)
            self._thread.join(STOP_SECONDS)
        self._socket.close()

    def wait(self) -> None:
        """Block while the page is served, or until a signal handler raises an exception."""
        while self._thread is not None and not self._ended.wait(0.5):
            pass

    def _serve(self, begun: threading.Event) -> None:
        try:
            self._run(begun)
        finally:
            self._ended.set()

    def _run(self, begun: threading.Event) -> None:
        import uvicorn

        from streamstyle.apps.web.access import Access
        from streamstyle.apps.web.site import Site

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                begun.set()

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                site.stopping.set()
                await super().shutdown(sockets)

        with tempfile.TemporaryDirectory(prefix="streamstyle-", ignore_cleanup_errors=True) as folder:
            site = Site(self._gallery, self._machine, folder, *self._most)
            local = _is_local(self.host)
            app = Access(
                site.app,
                token=self.token,
                port=self.port,
                names=[*self._names, *(() if self.host in _EVERYWHERE else (self.host,)), *_names(local)],
                addresses=not local,
            )
            self._server = Server(
                uvicorn.Config(
                    app,
                    log_level="error",
                    access_log=False,
                    lifespan="off",
                    server_header=False,
                    proxy_headers=False,
                    ws_max_size=_LARGEST_MESSAGE,
                    ws_per_message_deflate=False,  # JPEG does not compress further
                    timeout_graceful_shutdown=1,
                )
            )
            try:
                self._server.run(sockets=[self._socket])
            finally:
                site.close()

    def _warn(self) -> None:
        if not _is_local(self.host):
            _log.warning(
                "everyone on the network who has the link can use the page; "
                "browsers allow it their camera only over https or on this machine"
            )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket at an address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"host {host!r}: no such address") from error
    bound = socket.socket(family, kind, protocol)
    try:
        # On Windows, SO_REUSEADDR would let two programs share the port.
        if hasattr(socket, "SO_REUSEPORT"):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        if isinstance(error, PermissionError):
            raise UsageError(f"port {port} is not permitted; use one from 1024 on") from error
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} is in use{_free_port_hint(host, port)}") from error
        raise UsageError(f"host {host!r}: this machine has no such address") from error
    return bound


def _free_port_hint(host: str, port: int) -> str:
    for other in range(port + 1, min(port + 1 + _NEXT_PORTS, 65536)):
        with socket.socket() as tried:
            try:
                tried.bind((host if host not in _EVERYWHERE else "", other))
            except OSError:
                continue
            return f"; --port {other} is free"
    return "; choose another with --port"


def _is_local(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _names(local: bool) -> list[str]:
    """Host names of this machine on its network."""
    if local:
        return []
    name = socket.gethostname()
    return [name, socket.getfqdn(name), f"{name}.local"]


def _own_address() -> str:
    """This machine's address on its network; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
        except OSError:
            return HOST
        return str(probe.getsockname()[0])

"""Access control of the page: token, host names, origin, and security headers.

A server on this machine can be reached by every other web page that the browser shows. The token keeps
strangers out; checking the host name stops DNS rebinding, where another page's name is made to point here;
checking the origin stops other pages from using the browser's cookie.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'"
)
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class Access:
    """ASGI middleware that passes on permitted requests and answers others with 401 or 403.

    Args:
        app: the protected application.
        token: grants access, in the query or as the cookie that it is exchanged for.
        port: where it is served; keeps the cookies of several ports apart.
        names: host names to accept in the Host header, besides those of the loopback interface.
        addresses: accept every IP address in the Host header; DNS rebinding needs a name.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, port: int, names: Collection[str], addresses: bool = False
    ) -> None:
        self._app = app
        self._token = token.encode()
        self._names = {name.lower().strip("[]") for name in (*LOOPBACK, *names)}
        self._addresses = addresses
        self._cookie = f"streamstyle-{port}"
        # The cookie is not the token, so that a link cannot be made from it.
        self._key = hmac.new(self._token, b"cookie", hashlib.sha256).hexdigest().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        by_token = self._has_token(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                self._add_headers(
                    MutableHeaders(scope=message), headers, by_token and message["status"] < 400
                )
            await send(message)

        refusal = self._refusal(scope, headers, by_token)
        if refusal is None:
            await self._app(scope, receive, with_headers)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, with_headers).send_denial_response(refusal)
        else:
            await refusal(scope, receive, with_headers)

    def _refusal(self, scope: Scope, headers: Headers, by_token: bool) -> Response | None:
        host = headers.get("host", "")
        if not self._is_known(host):
            return _answer(403, "This page is not served under this host name.")
        if not (by_token or self._has_cookie(headers)):
            return _answer(401, "Open the link that the program printed: it contains the key to this page.")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and not _is_own(headers.get("origin", ""), host):
            return _answer(403, "Only this page itself may send this request.")
        return None

    def _is_known(self, host: str) -> bool:
        if not _HOST.fullmatch(host):
            return False
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._names:
                return True
            return bool(self._addresses and ipaddress.ip_address(name))
        except ValueError:
            return False

    def _has_token(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
        return hmac.compare_digest(given.encode(), self._token)

    def _has_cookie(self, headers: Headers) -> bool:
        # A lenient parser: the header also has cookies of other programs on this machine, perhaps malformed.
        given = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        return hmac.compare_digest(given.encode(), self._key)

    def _add_headers(self, answer: MutableHeaders, request: Headers, give_cookie: bool) -> None:
        for name, value in HEADERS.items():
            answer[name] = value
        host = request.get("host", "")
        # In some browsers 'self' does not include WebSockets.
        sockets = f" ws://{host} wss://{host}" if self._is_known(host) else ""
        answer["Content-Security-Policy"] = POLICY + sockets
        if give_cookie:
            key = self._key.decode()
            answer.append("Set-Cookie", f"{self._cookie}={key}; HttpOnly; SameSite=Strict; Path=/")


def _is_own(origin: str, host: str) -> bool:
    """Whether an Origin header matches the Host header."""
    scheme, _, rest = origin.partition("://")
    return scheme in ("http", "https") and rest.lower() == host.lower()


def _answer(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)

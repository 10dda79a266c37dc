"""Who may use the page: the token, the names it is served under, and what answers tell a browser to forbid.

A page that listens on this machine can be reached by every other page the browser shows. The token keeps
strangers out; the names keep out pages whose own name was made to point here (DNS rebinding); the origin
keeps out pages that use the browser's cookie.
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
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
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
    """Lets requests through to an application (ASGI) if they may; answers 401 and 403 otherwise.

    Args:
        app: what is guarded.
        token: who has it, in the query or exchanged for the cookie, may come in.
        port: where it is served; the cookies of several ports are kept apart.
        names: of this machine, as the Host header may have them.
        addresses: whether every numeric address will do: such a name cannot be made to point elsewhere.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, port: int, names: Collection[str], addresses: bool = False
    ) -> None:
        self._app = app
        self._token = token.encode()
        self._names = {name.lower().strip("[]") for name in (*LOOPBACK, *names)}
        self._addresses = addresses
        self._cookie = f"streamstyle-{port}"
        # The cookie is not the token: who reads it cannot make a link of it.
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
            return _answer(403, "This page is not served under that name.")
        if not (by_token or self._has_cookie(headers)):
            return _answer(401, "Open the link that the program printed: it carries the key to this page.")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and not _is_own(headers.get("origin", ""), host):
            return _answer(403, "Only this page itself may ask for that.")
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
        # Read one by one: other programs of this machine share the header, and their cookies may be odd.
        given = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        return hmac.compare_digest(given.encode(), self._key)

    def _add_headers(self, answer: MutableHeaders, request: Headers, give_cookie: bool) -> None:
        for name, value in HEADERS.items():
            answer[name] = value
        host = request.get("host", "")
        # Not every browser counts WebSockets among 'self'.
        sockets = f" ws://{host} wss://{host}" if self._is_known(host) else ""
        answer["Content-Security-Policy"] = POLICY + sockets
        if give_cookie:
            key = self._key.decode()
            answer.append("Set-Cookie", f"{self._cookie}={key}; HttpOnly; SameSite=Strict; Path=/")


def _is_own(origin: str, host: str) -> bool:
    """Whether an Origin header names the page of a Host header."""
    scheme, _, rest = origin.partition("://")
    return scheme in ("http", "https") and rest.lower() == host.lower()


def _answer(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)

"""Who may see what is served on 127.0.0.1, which every user of this machine can connect to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE = "braket_etl"
#: Nothing but the page itself, its style and its form; no frame, no script, no copy in a cache.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Guard:
    """Lets through who asks this host, by GET, with the token; others learn nothing.

    The token stands in the address that is printed, or after `Authorization: Bearer`. A browser gets a cookie for it, which
    is no token. It is bound to the path of the pages, which nobody knows who does not see their address: a cookie goes
    to every port of a host.
    """

    app: ASGIApp
    token: str
    port: int
    refused: Callable[[int, str, str], Response]
    """Makes a page of a status, a title and a message."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have it answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, cookie = Request(scope), ""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if cookie:
                    headers["Set-Cookie"] = cookie
            await send(message)

        answer: ASGIApp | None = self._refusal(request)
        if answer is None:
            answer = self.app
            if "token" in request.query_params:
                cookie = f"{_COOKIE}={self.cookie}; Path={path_of(self.token)}; HttpOnly; SameSite=Strict"
                if (
                    request.headers.get("sec-fetch-mode") == "navigate"
                ):  # so that the address can be shown and shared
                    answer = RedirectResponse(str(request.url.remove_query_params("token")), 303)
        await answer(scope, receive, send_guarded)

    @property
    def cookie(self) -> str:
        """What a browser shows in place of the token."""
        return _derived(self.token, "cookie")

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host") not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return self.refused(421, "Not this host", f"Only http://127.0.0.1:{self.port} is answered.")
        if request.method not in ("GET", "HEAD"):
            return self.refused(405, "Not allowed", "Pages are read, nothing is changed.")
        if not self._is_known(request):
            return self.refused(
                403,
                "Who are you?",
                "Open the address that `braket-etl dashboard` printed, with its token. "
                "If you have, and followed a link from elsewhere, load the page again.",
            )
        return None

    def _is_known(self, request: Request) -> bool:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        return any(
            given and hmac.compare_digest(given.encode(), wanted.encode())
            for given, wanted in (
                (request.query_params.get("token", ""), self.token),
                (bearer if scheme.lower() == "bearer" else "", self.token),
                (request.cookies.get(_COOKIE, ""), self.cookie),
            )
        )


def path_of(token: str) -> str:
    """Where the pages lie, known to whoever knows the token or an address of theirs."""
    return f"/{_derived(token, 'path')[:12]}/"


def _derived(token: str, use: str) -> str:
    return hmac.digest(token.encode(), use.encode(), hashlib.sha256).hex()

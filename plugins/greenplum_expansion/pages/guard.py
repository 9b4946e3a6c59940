"""Around the whole app: what every answer carries, and how much is read before anybody asks who sends it.

A rule that each route had to remember would be forgotten by one. And the answers that no route gives (a failure, a
wrong method, an address that is none) come past here, too.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greenplum_expansion.pages.rendering import HEADERS

LARGEST_BODY = 512 * 1024  # bytes; a request with 1,000 hosts has a tenth of it


class Guard:
    """Adds HEADERS where an answer does not say otherwise, and refuses bodies that are large, or do not say how large.

    The framework reads a body whole before it asks for the login.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["method"] not in ("GET", "HEAD") and not _is_small(Headers(scope=scope)):
            words = f"the request must say its length, at most {LARGEST_BODY} bytes"
            await PlainTextResponse(words, 413)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


def _is_small(headers: Headers) -> bool:
    """A body that comes in chunks has no length, whatever is said beside it."""
    length = headers.get("content-length", "0")
    chunked = "transfer-encoding" in headers
    return not chunked and length.isascii() and length.isdigit() and int(length) <= LARGEST_BODY

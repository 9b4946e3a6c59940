"""From a template to an answer, with what every page carries: where it is, who looks, its token, and the task bar."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from greenplum_expansion.pages import words
from greenplum_expansion.pages.access import make_token
from greenplum_expansion.pages.bar import CLOSED_COOKIE
from greenplum_expansion.pages.runbooks import KINDS

PREFIX = "/greenplum"
"""Where the pages are mounted, below Airflow's own root."""

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer; only files that never change under their name say otherwise of the cache."""

_environment = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    inline=words.inline,
    block=words.block,
    moment=words.moment,
    clock=words.clock,
    iso=words.iso,
    short=words.short,
    duration=words.duration,
    size=words.size,
    in_path=words.in_path,
    css_word=words.css_word,
    many=words.many,
    grouped=words.grouped,
)


def _version() -> str:
    digest = sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


STATIC_VERSION = _version()
"""In the address of static files, so that a browser may keep them until they change."""


def root_of(request: Request) -> str:
    """The path of our pages, as the browser sees it."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def airflow_root_of(request: Request) -> str:
    """The path of Airflow's own UI; empty if it is the host's root."""
    return root_of(request).removesuffix(PREFIX)


def page(request: Request, template: str, user: Any, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A whole page."""
    return HTMLResponse(
        _render(request, template, {**values, "token": make_token(user), "user": user.get_name()}), status, HEADERS
    )


def fragment(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A part of a page, for htmx."""
    return HTMLResponse(_render(request, template, values), status, {**HEADERS, **(headers or {})})


def text(template: str, values: Mapping[str, Any]) -> str:
    """A file to be kept: it stands by itself, without the pages around."""
    return _environment.get_template(template).render(**values)


def _render(request: Request, template: str, values: Mapping[str, Any]) -> str:
    return _environment.get_template(template).render(
        root=root_of(request),
        airflow=airflow_root_of(request),
        version=STATIC_VERSION,
        kinds=KINDS,
        closed=request.cookies.get(CLOSED_COOKIE, "").split("."),
        **values,
    )

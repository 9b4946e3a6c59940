"""The app that Airflow's API server mounts under /greenplum."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from greenplum_expansion.pages.guard import Guard
from greenplum_expansion.pages.legible import Illegible
from greenplum_expansion.pages.rendering import HEADERS, airflow_root_of, fragment
from greenplum_expansion.pages.routes import clusters, expansion, static, steering, wizard


class _Guarded(FastAPI):
    """Everything that goes in and out comes past the guard, failures too, which ordinary middleware does not see."""

    def build_middleware_stack(self) -> ASGIApp:
        return Guard(super().build_middleware_stack())


def make_app() -> FastAPI:
    """All routes; each router brings the rule by which Airflow lets people in."""
    # An address that only lacks a slash is none: the redirect would go wherever the Host header says.
    app = _Guarded(title="Greenplum expansion", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for routes in (static, clusters, expansion, steering, wizard):
        for router in routes.ROUTERS:
            app.include_router(router)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_form)
    app.add_exception_handler(Illegible, _tell)
    app.add_exception_handler(Exception, _fail)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """In a page for who looks at one, in a sentence for a script; never more than Airflow itself would say."""
    assert isinstance(error, HTTPException)
    answer = _answer(request, error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


async def _tell(request: Request, error: Exception) -> Response:
    """A part of a page that cannot be shown; the page around it stands."""
    if "hx-request" not in request.headers:
        return _answer(request, 422, str(error))
    answer: HTMLResponse = fragment(request, "illegible.html", {"illegible": [error]})
    return answer


async def _fail(request: Request, error: Exception) -> Response:
    """A mistake of ours; whoever runs Airflow finds it in the log of the API server, where it is raised again."""
    return _answer(request, 500, "Something went wrong here; the log of Airflow's API server tells what")


async def _refuse_form(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, part['loc'][1:]))}: {part['msg']}" for part in error.errors())
    return _answer(request, 422, f"This cannot be understood: {said}")


def _answer(request: Request, status: int, words: str) -> Response:
    wants_page = "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers
    if request.method != "GET" or not wants_page:
        return PlainTextResponse(words, status, HEADERS)
    answer: HTMLResponse = fragment(
        request, "refused.html", {"status": status, "words": words, "login": _login(request)}, status=status
    )
    return answer


def _login(request: Request) -> str:
    """Airflow's own, whatever lets people in there; it judges itself whether it may come back to this page."""
    here = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return f"{airflow_root_of(request)}/api/v2/auth/login?{urlencode({'next': here})}"

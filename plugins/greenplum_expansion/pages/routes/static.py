"""Style sheet and scripts: exactly the files that belong to the pages, for users who are logged in."""

from __future__ import annotations

from airflow.api_fastapi.core_api.security import get_user
from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import Response

from greenplum_expansion.pages.rendering import HEADERS, STATIC

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES = {path.name: path for path in STATIC.iterdir() if path.suffix in _TYPES}
_A_WEEK = "private, max-age=604800, immutable"

router = APIRouter(prefix="/static", dependencies=[Depends(get_user)])


@router.get("/{name}")
def file(name: str) -> Response:
    """One file; its address changes with its content."""
    if name not in _FILES:
        raise HTTPException(404, "there is no such file")
    path = _FILES[name]
    headers = {**HEADERS, "Cache-Control": _A_WEEK}
    return Response(path.read_bytes(), media_type=_TYPES[path.suffix], headers=headers)


ROUTERS = (router,)

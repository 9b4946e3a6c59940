"""The pages' app with Airflow's own login and a metadata database of its own, without an API server around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from greenplum_expansion.pages.rendering import PREFIX
from tests.pages.seeding import Seeds


@pytest.fixture(scope="session")
def database() -> None:
    """Airflow's tables, made once; in the home directory that tests/conftest.py has set."""
    from airflow import settings
    from airflow.utils import db
    from sqlalchemy import event

    # Nobody needs these rows after a crash: a commit need not wait for the disk.
    @event.listens_for(settings.engine, "connect")
    def _do_not_wait(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    db.initdb()


@pytest.fixture(scope="session")
def auth_manager(database: None) -> Any:
    """Airflow's SimpleAuthManager, with its roles."""
    from airflow.api_fastapi.app import init_auth_manager

    return init_auth_manager()


@pytest.fixture
def seeds(database: None) -> Iterator[Seeds]:
    """An Airflow that is alive, without runs and connections, to be filled."""
    sown = Seeds()
    sown.clear()
    sown.alive()
    yield sown
    sown.clear()


@pytest.fixture
def airflow() -> Any:
    """What the pages ask of Airflow's REST API."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    class Asked:
        refusal: tuple[int, Any] | None = None

        def __init__(self) -> None:
            self.requests: list[tuple[str, str, Any]] = []
            self.cookies: list[str] = []
            self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["POST", "PATCH"])])
            self.app.root_path = ""  # type: ignore[attr-defined]

        async def _answer(self, request: Request) -> JSONResponse:
            self.requests.append((request.method, request.url.path, await request.json()))
            self.cookies.append(request.headers.get("cookie", ""))
            if self.refusal:
                return JSONResponse({"detail": self.refusal[1]}, self.refusal[0])
            return JSONResponse({"dag_run_id": "manual__1", "task_instances": [{"task_id": "a"}, {"task_id": "b"}]})

    return Asked()


@pytest.fixture(scope="session")
def pages() -> FastAPI:
    """All routes."""
    from greenplum_expansion.pages.app import make_app

    return make_app()


@pytest.fixture
def client_of(auth_manager: Any, seeds: Seeds, airflow: Any, pages: FastAPI) -> Any:
    """A browser by role of its user; None: nobody is logged in."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from greenplum_expansion.pages.airflow_api import airflow_app

    pages.dependency_overrides[airflow_app] = lambda: airflow.app
    outer = FastAPI()
    outer.mount(PREFIX, pages)

    def make(role: str | None, *, below: str = "") -> TestClient:
        client = TestClient(outer, base_url="http://testserver", root_path=below, follow_redirects=False)
        if role is not None:
            user = SimpleAuthManagerUser(username=f"a-{role}", role=role)
            client.cookies.set("_token", auth_manager.generate_jwt(user))
        return client

    return make

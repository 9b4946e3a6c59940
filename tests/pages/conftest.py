"""The pages' app with Airflow's own login and a metadata database of its own, without an API server around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from greenplum_expansion.pages.rendering import PREFIX
from tests.pages.run_page import sow_moving
from tests.pages.seeding import BEGAN, Seeds
from tests.pages.wizarding import WORKLOAD, finding
from tests.unit.clusters import cluster


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
def forbid(auth_manager, monkeypatch):
    """Take the right to some DAGs or connections from everybody; by method, or whatever is done."""
    as_before = type(auth_manager).is_authorized_dag, type(auth_manager).is_authorized_connection

    def forbid(*ids: str, methods: tuple[str, ...] = ("GET", "POST", "PUT", "DELETE")) -> None:
        def dag(self: Any, *, method: str, user: Any, access_entity: Any = None, details: Any = None) -> bool:
            names = (getattr(details, "id", None), getattr(access_entity, "name", None))
            wanted = not (set(names) & set(ids) and method in methods)
            return wanted and as_before[0](self, method=method, user=user, access_entity=access_entity, details=details)

        def connection(self: Any, *, method: str, user: Any, details: Any = None) -> bool:
            return getattr(details, "conn_id", None) not in ids and as_before[1](
                self, method=method, user=user, details=details
            )

        monkeypatch.setattr(type(auth_manager), "is_authorized_dag", dag)
        monkeypatch.setattr(type(auth_manager), "is_authorized_connection", connection)

    return forbid


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


@pytest.fixture
def looked_at(seeds: Seeds) -> Seeds:
    """A cluster that was looked at, with one of two new hosts that does not fit."""
    from greenplum_expansion.pages.access import DAGS

    seeds.dag(*DAGS)
    seeds.connection("dwh")
    seeds.run("greenplum_look", "look1", "success", minutes=1, new_hosts=["sdw3", "sdw4=10.0.0.4"])
    of_look = {"dag_id": "greenplum_look", "run_id": "look1"}
    seen = {
        "at": BEGAN.timestamp(), "version": "Greenplum 6 (6.24.3)", "instances": cluster().to_rows(),
        "databases": [{"name": "dwh", "bytes": 5 * 2**30}], "state": "idle", "because": "nothing is there",
    }  # fmt: skip
    seeds.left("cluster", "cluster", seen, **of_look)
    seeds.left("cluster", "findings", [], **of_look)
    for index, (name, findings) in enumerate(
        {"sdw3": [], "sdw4": [finding("new host sdw4", "memory is 4 GiB", "add 60 GiB")]}.items()
    ):
        seeds.task("host", "success", map_index=index, label=name, **of_look)
        seeds.left("host", "findings", findings, map_index=index, **of_look)
    return seeds


@pytest.fixture
def measured(looked_at: Seeds) -> Seeds:
    """Its tables, too."""
    looked_at.run("greenplum_look", "look2", "success", minutes=1, with_tables=True)
    looked_at.left("workload", "workload", WORKLOAD.to_dict(), dag_id="greenplum_look", run_id="look2")
    return looked_at


@pytest.fixture
def step(client_of: Any, looked_at: Seeds) -> Any:
    """What a page of the wizard sends, as a user."""
    from tests.pages.test_access import token_of, url

    client = client_of("USER")
    token = token_of(client)

    def go(path: str = "/wizard/step", **body: Any) -> Any:
        return client.post(
            url(path), json=body, headers={"X-Greenplum-Token": token, "Sec-Fetch-Site": "same-origin"}
        )  # fmt: skip

    return go


@pytest.fixture
def moving(seeds):
    """A run in which tables are being moved."""
    sow_moving(seeds)
    return seeds

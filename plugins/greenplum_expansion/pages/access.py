"""Who may do what: Airflow's login and its permissions on our DAGs, for every route.

An app that a plugin mounts inherits no authentication. So each router depends on one of the rules below, and a test
walks all routes. A page that acts needs more than the cookie, which any page of this origin sends along: JSON, sent by
a page of this origin, with a token that was given to this user.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

EXPAND, LOOK, ROLL_BACK = "greenplum_expand", "greenplum_look", "greenplum_rollback"
REDISTRIBUTE, STEER = "greenplum_redistribute", "greenplum_steer"
DAGS = (EXPAND, LOOK, ROLL_BACK, REDISTRIBUTE, STEER)
"""The DAGs the pages know; nothing of any other is ever shown."""

READABLE = "greenplum_expansion.readable"
"""Under this name a session's `info` holds the DAGs whose runs may be read: `reading` sets it, `records` heeds it."""

TOKEN_HEADER = "X-Greenplum-Token"
TOKEN_SECONDS = 12 * 60 * 60


def known_dag(request: Request) -> None:
    """Only our own DAGs: a page for others would have nothing to say, and less to hide."""
    dag_id = request.path_params.get("dag_id")
    if dag_id is not None and dag_id not in DAGS:
        raise HTTPException(404, f"{dag_id} is none of the DAGs that these pages show")


def _allowed(method: Any, entity: DagAccessEntity, dag_id: str | None) -> Any:
    return Depends(requires_access_dag(method, entity, dag_id))


def limit(session: SessionDep, user: GetUserDep) -> None:
    """Pages show runs of several DAGs: what this user may not read is not found, whatever a route looks for."""
    session.info[READABLE] = get_auth_manager().filter_authorized_dag_ids(dag_ids=set(DAGS), user=user, method="GET")


def reading(dag_id: str | None = None) -> list[Any]:
    """To look: runs, their tasks, and what these left. `dag_id` None: the one in the path."""
    wanted = (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
    return [Depends(known_dag), *(_allowed("GET", entity, dag_id) for entity in wanted), Depends(limit)]


def asked() -> list[Any]:
    """To read what the run in the path asks a person."""
    return [_allowed("GET", DagAccessEntity.HITL_DETAIL, None)]


def starting(dag_id: str) -> list[Any]:
    """To start a run of `dag_id`."""
    return [*reading(dag_id), _allowed("POST", DagAccessEntity.RUN, dag_id)]


def retrying() -> list[Any]:
    """To clear tasks of the run in the path."""
    return [*reading(), _allowed("PUT", DagAccessEntity.TASK_INSTANCE, None)]


def may_steer(user: Any, dag_id: str) -> bool:
    """Whether somebody may pause moves of a run of `dag_id`: it is a change of that run, by starting another one.

    The route demands it, and the page shows the buttons to whom it lets.
    """
    ask = get_auth_manager().is_authorized_dag
    wanted: tuple[tuple[Any, DagAccessEntity, str], ...] = (
        ("PUT", DagAccessEntity.TASK_INSTANCE, dag_id),
        ("POST", DagAccessEntity.RUN, STEER),
    )
    return all(
        ask(method=method, access_entity=entity, details=DagDetails(id=name), user=user)
        for method, entity, name in wanted
    )


def _require_steer(dag_id: str, user: GetUserDep) -> None:
    if not may_steer(user, dag_id):
        raise HTTPException(403, "Forbidden")


def steering() -> list[Any]:
    """To pause and resume the moves of the run in the path."""
    return [*reading(), Depends(_require_steer)]


def answering() -> list[Any]:
    """To answer what the run in the path asks a person."""
    return [*reading(), _allowed("PUT", DagAccessEntity.HITL_DETAIL, None)]


def make_token(user: Any) -> str:
    """For the pages given to this user; good for twelve hours."""
    return _signer().dumps(user.get_id())


async def acting(request: Request, user: GetUserDep) -> None:
    """What every route that changes something asks for, beside the permission."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "only JSON is accepted here")
    if not _is_same_origin(request):
        raise HTTPException(403, "this was sent by a page of another site")
    try:
        holder = _signer().loads(request.headers.get(TOKEN_HEADER, ""), max_age=TOKEN_SECONDS)
    except SignatureExpired:
        raise HTTPException(403, "this page is too old; reload it and try again") from None
    except BadSignature:
        raise HTTPException(403, "the page's token is missing or wrong; reload the page and try again") from None
    if holder != user.get_id():
        raise HTTPException(403, "the page was given to another user; reload it and try again")


Acting = Annotated[None, Depends(acting)]


def _is_same_origin(request: Request) -> bool:
    """Browsers say themselves whether a page of the same origin sends; older ones only say which."""
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    origin = request.headers.get("origin")
    if origin is None:
        return True  # no browser: another site's page cannot make one leave both out
    known = {request.headers.get("host"), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    return urlsplit(origin).netloc in known - {None, ""}


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(conf.get_mandatory_value("api", "secret_key"), salt="greenplum_expansion.pages")

"""The clusters, and the task bar that stands on every page."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from greenplum_expansion.pages.access import EXPAND, LOOK, TOKEN_HEADER, Acting, make_token, reading, starting
from greenplum_expansion.pages.airflow_api import AirflowApiDep
from greenplum_expansion.pages.bar import read_all, read_bar
from greenplum_expansion.pages.clusters import read_clusters
from greenplum_expansion.pages.health import read_troubles
from greenplum_expansion.pages.records import Records
from greenplum_expansion.pages.rendering import HEADERS, fragment, page, root_of

router = APIRouter(dependencies=reading(EXPAND))
looking = APIRouter(dependencies=starting(LOOK))


def visible_connections(records: Records, user: Any) -> dict[str, str]:
    """Those to clusters that this user may see, of each by itself; of others only what runs name is seen."""
    known = records.connections()
    allowed = get_auth_manager().filter_authorized_connections(conn_ids=set(known), user=user, method="GET")
    return {conn_id: description for conn_id, description in known.items() if conn_id in allowed}


def may_start(user: Any, dag_id: str = EXPAND) -> bool:
    """Whether the page offers what the route would refuse otherwise."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
    )


@router.get("/")
def home(request: Request) -> Response:
    """The clusters are where everything begins."""
    return RedirectResponse(f"{root_of(request)}/clusters", headers=HEADERS)


@router.get("/clusters")
def clusters(request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """All clusters somebody may see."""
    return page(request, "clusters.html", user, {**_clusters(session, user), **read_all(Records(session))})


@router.get("/clusters/list")
def clusters_list(request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """The list alone, which looks again every five seconds."""
    return fragment(request, "clusters_list.html", _clusters(session, user))


@router.get("/bar")
def bar(request: Request, session: SessionDep, beside: Annotated[str, Query(max_length=600)] = "") -> Response:
    """What works on any cluster now.

    :param beside: the run of the page it stands on (``dag_id/run_id``), which is left out
    """
    return fragment(request, "bar.html", {"bar": read_bar(Records(session), beside)})


@router.get("/trouble")
def trouble(request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """What stands still in Airflow itself; with it comes a token that is young, for pages that are open for days."""
    headers = {TOKEN_HEADER: make_token(user)}
    return fragment(request, "trouble.html", {"troubles": read_troubles(Records(session))}, headers=headers)


class LookRequest(BaseModel):
    """Which cluster is to be looked at."""

    greenplum_conn_id: str = Field(min_length=1, max_length=250)


@looking.post("/clusters/look")
def look(asked: LookRequest, _: Acting, api: AirflowApiDep) -> dict[str, str]:
    """Start a look at a cluster; it is seen in the list when it is there."""
    conf = {"greenplum_conn_id": asked.greenplum_conn_id}
    return {"run_id": api.trigger(LOOK, conf, "a look, from the page of the clusters")}


def _clusters(session: Any, user: Any) -> dict[str, Any]:
    records = Records(session)
    found = read_clusters(records, visible_connections(records, user))
    return {"clusters": found, "may_expand": may_start(user), "may_look": may_start(user, LOOK)}


ROUTERS = (router, looking)

"""One run: its phases, its tables, what it found, and its report."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from greenplum_expansion.pages.access import STEER, asked, may_steer, reading
from greenplum_expansion.pages.ahead import read_ahead
from greenplum_expansion.pages.bar import key_of, read_all
from greenplum_expansion.pages.expansion import MOVE, Live, read_found, read_live, read_tables
from greenplum_expansion.pages.legible import Illegible
from greenplum_expansion.pages.phases import AT_WORK
from greenplum_expansion.pages.records import Records, Run
from greenplum_expansion.pages.related import read_related
from greenplum_expansion.pages.rendering import HEADERS, STATIC, fragment, page, text
from greenplum_expansion.pages.reports import Told, read_report
from greenplum_expansion.pages.routes.clusters import may_start
from greenplum_expansion.pages.tables import SORTS, WORDS, Wanted, select

router = APIRouter(prefix="/runs/{dag_id}/{run_id}", dependencies=reading())

_STOP_ASKING = 286  # htmx: swap, and do not ask again


def require_run(records: Records, dag_id: str, run_id: str) -> Run:
    """:raises HTTPException: 404, there is none"""
    run = records.run(dag_id, run_id)
    if run is None:
        raise HTTPException(404, f"there is no run {run_id} of {dag_id}")
    return run


def may_change(user: Any, dag_id: str, entity: DagAccessEntity) -> bool:
    """Whether the page offers what the route would refuse otherwise."""
    return get_auth_manager().is_authorized_dag(
        method="PUT", access_entity=entity, details=DagDetails(id=dag_id), user=user
    )


@router.get("")
def expansion(dag_id: str, run_id: str, request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """The page; what is large on it is asked for by itself when the page stands."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    values = {**_live(records, run, user), "may_expand": may_start(user), **read_all(records, key_of(run))}
    return page(request, "expansion.html", user, values)


@router.get("/live")
def live(
    dag_id: str,
    run_id: str,
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    asks: str = "",
    over: int = -1,
    version: str = "",
) -> Response:
    """What changes; with it the news on which the other parts of the page look again.

    :param asks, over, version: what the page has seen already
    """
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    values = _live(records, run, user)
    now: Live = values["live"]
    news = [
        *(["question"] if now.asks != asks else []),
        *(["found"] if now.over != over else []),
        *(["tables"] if now.version != version else []),
    ]
    status = _STOP_ASKING if now.is_over else 200
    headers = {"HX-Trigger-After-Swap": json.dumps(dict.fromkeys(news, True))} if news else {}
    return fragment(request, "live.html", values, status=status, headers=headers)


@router.get("/tables")
def tables(
    dag_id: str,
    run_id: str,
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    search: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=1)] = "",
    sort: Literal["order", "name", "size", "smallest", "seconds", "failures"] = "order",
    number: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Response:
    """One page of the list of tables."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    wanted = Wanted(search, state, sort, number)
    found = select(read_tables(records, run), wanted)
    values = {"run": run, "found": found, "wanted": wanted, "words": WORDS}
    if found.counts["f"]:
        moves = {task.task_id: task.state for task in records.tasks(dag_id, run_id)}.get(MOVE)
        may_retry = may_change(user, dag_id, DagAccessEntity.TASK_INSTANCE)
        values |= {
            "move_task": MOVE,
            "has_failed": moves == "failed",
            "at_work": moves in AT_WORK,
            "may_retry": may_retry,
        }
    return fragment(request, "tables.html", values)


@router.get("/ahead")
def ahead(dag_id: str, run_id: str, request: Request, session: SessionDep) -> Response:
    """What the plan forecasts, until tables move."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    return fragment(request, "ahead.html", {"run": run, "ahead": read_ahead(records, run)})


@router.get("/related")
def related(dag_id: str, run_id: str, request: Request, session: SessionDep) -> Response:
    """Runs that belong to this one, and what a rollback has found."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    return fragment(request, "related.html", {"run": run, "related": read_related(records, run)})


@router.get("/found")
def found(dag_id: str, run_id: str, request: Request, session: SessionDep) -> Response:
    """Findings, plan, what the steps told, and the report."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    found = read_found(records, run)
    report, illegible = None, list(found.illegible)
    try:
        report = read_report(records, run)
    except Illegible as error:
        illegible.append(error)
    values = {"run": run, "found": found, "report": report, "illegible": illegible}
    return fragment(request, "found.html", values)


@router.get("/question", dependencies=asked())
def question(dag_id: str, run_id: str, request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """What the run asks a person now, with the existing layout beside it."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    open_one = records.question(dag_id, run_id)
    values = {
        "run": run,
        "asked": open_one,
        "fields": [] if open_one is None else [_field(name, entry) for name, entry in open_one.params.items()],
        "plan": read_found(records, run).plan if open_one else None,
        "may_answer": may_change(user, dag_id, DagAccessEntity.HITL_DETAIL),
    }
    return fragment(request, "question.html", values)


@router.get("/report.json")
def report_json(dag_id: str, run_id: str, session: SessionDep) -> Response:
    """The report, as the task `report` left it."""
    _, report = _require_report(session, dag_id, run_id)
    body = json.dumps(report.data, indent=1, ensure_ascii=False)
    return Response(body, media_type="application/json", headers={**HEADERS, **_kept(report, "json")})


@router.get("/report.html")
def report_html(dag_id: str, run_id: str, session: SessionDep) -> Response:
    """The report, to be kept: one file that needs no other."""
    run, report = _require_report(session, dag_id, run_id)
    style = (STATIC / "pages.css").read_text(encoding="utf-8")
    body = text("report.html", {"run": run, "report": report, "style": style})
    return Response(body, media_type="text/html", headers={**HEADERS, **_kept(report, "html")})


def _require_report(session: Any, dag_id: str, run_id: str) -> tuple[Run, Told]:
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    report = read_report(records, run)
    if report is None:
        raise HTTPException(404, f"run {run_id} has no report (yet)")
    return run, report


def _kept(report: Told, suffix: str) -> dict[str, str]:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{report.kind.lower()}-{report.connection}-{report.name}")
    return {"Content-Disposition": f'attachment; filename="{name}.{suffix}"'}


def _field(name: str, entry: Any) -> dict[str, str]:
    """A field of the question's form: with its schema, or only its value."""
    if isinstance(entry, dict) and "value" in entry:
        schema = entry.get("schema") or {}
        return {"name": name, "value": str(entry["value"] or ""), "title": str(schema.get("title") or name)}
    return {"name": name, "value": str(entry or ""), "title": name}


def _live(records: Records, run: Run, user: Any) -> dict[str, Any]:
    now = read_live(records, run)
    return {
        "run": run,
        "live": now,
        "words": WORDS,
        "sorts": SORTS,
        "may_retry": may_change(user, run.dag_id, DagAccessEntity.TASK_INSTANCE),
        "may_steer": now.moving is not None and may_steer(user, run.dag_id) and STEER in records.installed((STEER,)),
    }


ROUTERS = (router,)

"""The wizard: judges a draft step by step, and starts what it comes to."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.pages.access import EXPAND, LOOK, Acting, starting
from greenplum_expansion.pages.airflow_api import AirflowApiDep
from greenplum_expansion.pages.bar import read_all
from greenplum_expansion.pages.clusters import Cluster, read_clusters, read_host_looks
from greenplum_expansion.pages.explained import explain, say_span
from greenplum_expansion.pages.foresight import foresee
from greenplum_expansion.pages.records import Records
from greenplum_expansion.pages.rendering import fragment, page, root_of
from greenplum_expansion.pages.routes.clusters import may_start, visible_connections
from greenplum_expansion.pages.wizard import (
    CONNECTION,
    HOSTS,
    STEPS,
    Judged,
    Step,
    add_hosts,
    ask,
    conf_of,
    first_hosts,
    first_wrong,
    host_lines,
    judge,
    known,
    look_conf,
    members,
    next_windows,
    picture,
    unknown,
)
from greenplum_expansion.pages.words import in_path
from greenplum_expansion.pages.workloads import read_measured
from greenplum_expansion.planning import limits
from greenplum_expansion.request import ExpansionRequest

router = APIRouter(prefix="/wizard", dependencies=starting(EXPAND))
looking = APIRouter(prefix="/wizard", dependencies=[*starting(EXPAND), *starting(LOOK)])

_MOST_HOSTS = 1000
_WITH_FORECAST = ("tables", "review")  # steps


class Asked(BaseModel):
    """A draft, and what is to be done with it.

    :param step: where the page stands
    :param go: stay there, or go on to the next one if this one is right, back, or to one by its key
    :param add, remove: hosts, as they are typed
    """

    model_config = ConfigDict(extra="forbid")

    step: str
    go: str = "stay"
    draft: dict[str, Any]
    add: str = Field(default="", max_length=100_000)
    remove: str = Field(default="", max_length=600)


@router.get("")
def wizard(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    conn: Annotated[str, Query(max_length=250)] = "",
    run: Annotated[str, Query(max_length=250)] = "",
) -> Response:
    """The page around the steps; the browser brings the draft it has kept, and gets its step.

    :param conn: the cluster whose draft is wanted
    :param run: of greenplum_expand, whose request is taken for a draft
    """
    records = Records(session)
    known_run = records.run(EXPAND, run) if run else None
    again = {CONNECTION: known_run.connection, **known(known_run.conf)} if known_run else None
    return page(request, "wizard.html", user, {"conn": conn, "again": again, "steps": STEPS, **read_all(records)})


@router.post("/step")
def step(request: Request, asked: Asked, session: SessionDep, user: GetUserDep, _: Acting) -> Response:
    """Judge the draft, and show the step that comes next."""
    draft, gone, here = _draft(asked), unknown(asked.draft), _step(asked.step)
    wrong = Judged()
    problems = add_hosts(draft, asked.add, _seen(_cluster(Records(session), user, draft))) if asked.add else []
    if asked.remove:
        draft[HOSTS] = [line for line in host_lines(draft) if line != asked.remove]
    if asked.go == "next":
        wrong = judge(here, draft)
        if not wrong and here is not STEPS[-1]:
            here = STEPS[STEPS.index(here) + 1]
    elif asked.go == "back":
        here = STEPS[max(0, STEPS.index(here) - 1)]
    elif asked.go != "stay":
        target = _step(asked.go)
        here = first_wrong(draft, target) or target
        wrong = judge(here, draft) if here is not target else wrong
    return fragment(request, "wizard_step.html", _show(session, user, here, draft, wrong, problems, gone))


@router.post("/preview")
def preview(request: Request, asked: Asked, session: SessionDep, user: GetUserDep, _: Acting) -> Response:
    """What the draft comes to, as one types: errors, windows, forecast, hosts before and after, the request itself."""
    draft, here = _draft(asked), _step(asked.step)
    values = {**_show(session, user, here, draft, judge(here, draft), []), "previewing": True}
    return fragment(request, "wizard_preview.html", values)


@looking.post("/look")
def look(asked: Asked, session: SessionDep, _: Acting, api: AirflowApiDep) -> dict[str, str]:
    """Look at the draft's cluster and hosts, as the preparation that is asked for would find them.

    Its tables are measured beside it where the forecast is shown, else only if nobody has lately: it loads the cluster.
    """
    draft, here = _draft(asked), _step(asked.step)
    measured = read_measured(Records(session), str(draft.get(CONNECTION, "")))
    is_forecast = here.key in _WITH_FORECAST
    measure = not measured.measuring and (is_forecast or not measured.is_fresh(datetime.now(UTC)))
    try:
        conf = look_conf(draft, with_hosts=here.key != "tables", with_tables=measure)
    except ValidationError as error:
        raise HTTPException(422, f"The look cannot be asked for: {_said(error)}") from None
    return {"run_id": api.trigger(LOOK, conf, "a look, from the wizard")}


class Expand(BaseModel):
    """The draft, to be carried out, or only to be checked (`dry_run`)."""

    model_config = ConfigDict(extra="forbid")

    draft: dict[str, Any]
    kind: Literal["expand", "dry run"]


@router.post("/expand")
def expand(
    request: Request, asked: Expand, session: SessionDep, user: GetUserDep, _: Acting, api: AirflowApiDep
) -> dict[str, str]:
    """Start greenplum_expand as the user who is logged in; returns where it is watched."""
    if more := unknown(asked.draft):
        raise HTTPException(422, f"The request is not right: what it says of {', '.join(more)} is not known here")
    draft = {**known(asked.draft), "dry_run": asked.kind == "dry run"}
    conf = _require_conf(draft)
    records = Records(session)
    cluster = _cluster(records, user, conf)
    topology = _seen(cluster)
    if cluster and cluster.refusal:
        raise HTTPException(409, f"No expansion of {conf[CONNECTION]} can begin: {cluster.refusal}")
    if topology and asked.kind == "expand" and (reason := picture(conf, topology).reason):
        raise HTTPException(409, f"As the cluster was last seen, its hosts cannot be placed: {reason}")
    run_id = api.trigger(EXPAND, conf, "from the wizard")
    return {"run_id": run_id, "page": f"{root_of(request)}/runs/{EXPAND}/{in_path(run_id)}"}


def _require_conf(draft: dict[str, Any]) -> dict[str, Any]:
    try:
        return conf_of(draft)
    except ValidationError as error:
        raise HTTPException(422, f"The request is not right: {_said(error)}") from None


def _said(error: ValidationError) -> str:
    """In the words of the form."""
    said = []
    for detail in error.errors():
        message = detail["msg"].removeprefix("Value error, ")
        field = ExpansionRequest.model_fields.get(str(detail["loc"][0])) if detail["loc"] else None
        said.append(f"{field.title}: {message}" if field and field.title else message)
    return "; ".join(said)


def _draft(asked: Asked) -> dict[str, Any]:
    """What of it can be shown; counted before anything is made of it.

    :raises HTTPException: 422, it would be too many hosts
    """
    draft = known(asked.draft)
    if len(host_lines(draft)) + len(asked.add.replace(",", " ").replace(";", " ").split()) > _MOST_HOSTS:
        raise HTTPException(422, f"more than {_MOST_HOSTS} hosts cannot be added at once")
    return draft


def _step(key: str) -> Step:
    found = next((step for step in STEPS if step.key == key), None)
    if found is None:
        raise HTTPException(422, f"the wizard has no step {key!r}")
    return found


def _cluster(records: Records, user: Any, draft: Mapping[str, Any]) -> Cluster | None:
    clusters = read_clusters(records, visible_connections(records, user))
    return next((cluster for cluster in clusters if cluster.conn_id == draft.get(CONNECTION)), None)


def _seen(cluster: Cluster | None) -> Topology | None:
    return cluster.look.topology if cluster and cluster.look else None


def _show(
    session: Any,
    user: Any,
    here: Step,
    draft: dict[str, Any],
    wrong: Judged,
    problems: list[str],
    gone: Sequence[str] = (),
) -> dict[str, Any]:
    records = Records(session)
    clusters = read_clusters(records, visible_connections(records, user))
    if CONNECTION not in draft and clusters:
        draft[CONNECTION] = clusters[0].conn_id
    cluster = next((entry for entry in clusters if entry.conn_id == draft.get(CONNECTION)), None)
    shown, more = ask(here, draft, wrong)
    values: dict[str, Any] = {
        "steps": STEPS,
        "step": here,
        "draft": draft,
        "controls": shown,
        "more": more,
        "wrong": wrong,
        "problems": problems,
        "clusters": clusters,
        "cluster": cluster,
        "hosts": host_lines(draft),
        "looks": None,
        "looks_shown": [],
        "picture": None,
        "ahead": None,
        "foresight": None,
        "previewing": False,
        "members": [],
        "gone": gone,
        "conf": "",
        "command": "",
        "may_look": may_start(user, LOOK),
    }
    if here.key == "hosts" or here.key == "review":
        looks = values["looks"] = read_host_looks(records, str(draft.get(CONNECTION)), values["hosts"])
        values["looks_shown"] = first_hosts(looks.hosts)
    topology = _seen(cluster)
    if here.key == "meaning":
        values |= {"explained": explain(draft), "tries": limits.RETRIES + 1, "delay": say_span(limits.RETRY_DELAY)}
    if here.key == "hosts" and topology:
        values["members"] = members(topology)
    if here.key in ("places", *_WITH_FORECAST) and topology:
        values["picture"] = picture(draft, topology)
    if here.key in _WITH_FORECAST:
        values["ahead"] = next_windows(draft)
        new = values["picture"].new if values["picture"] else ()
        measured = read_measured(records, str(draft.get(CONNECTION)))
        values["foresight"] = foresee(draft, topology, new, measured)
    if here.key == "review":
        if not wrong:
            wrong = values["wrong"] = judge(here, draft)
        if not wrong:
            conf = conf_of(draft)
            values["conf"] = json.dumps(conf, indent=2, ensure_ascii=False)
            values["command"] = f"airflow dags trigger {EXPAND} --conf {shlex.quote(json.dumps(conf))}"
        values["chosen"] = [
            control
            for every in STEPS
            for control in (*ask(every, draft, wrong)[0], *ask(every, draft, wrong)[1])
            if not control.is_default and control.name not in (CONNECTION, HOSTS)
        ]
    return values


ROUTERS = (router, looking)

"""What a person does with a run that is under way: answer, try again, pause, resume, move more or fewer at a time."""

from __future__ import annotations

from typing import Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from greenplum_expansion.pages.access import EXPAND, REDISTRIBUTE, STEER, Acting, answering, retrying, steering
from greenplum_expansion.pages.airflow_api import AirflowApiDep
from greenplum_expansion.pages.expansion import MOVE, tasks_to_clear
from greenplum_expansion.pages.phases import AT_WORK
from greenplum_expansion.pages.records import Records
from greenplum_expansion.pages.routes.expansion import require_run

_RUN = "/runs/{dag_id}/{run_id}"
answers = APIRouter(prefix=_RUN, dependencies=answering())
retries = APIRouter(prefix=_RUN, dependencies=retrying())
steers = APIRouter(prefix=_RUN, dependencies=steering())


class Body(BaseModel):
    """What is sent is all that is meant."""

    model_config = ConfigDict(extra="forbid")


class Answer(Body):
    """To what a task asks.

    :param mark: of the question that was seen, so that no other one is answered
    """

    mark: str = Field(max_length=300)
    option: str = Field(max_length=100)
    inputs: dict[str, str] = Field(default_factory=dict)


@answers.post("/answer")
def answer(
    dag_id: str, run_id: str, given: Answer, session: SessionDep, _: Acting, api: AirflowApiDep
) -> dict[str, str]:
    """Answer as the user who is logged in; Airflow notes who it was."""
    records = Records(session)
    asked = records.question(dag_id, require_run(records, dag_id, run_id).run_id)
    if asked is None or asked.mark != given.mark:
        raise HTTPException(409, "this was answered meanwhile, or is asked otherwise now; look at it again")
    if given.option not in asked.options:
        raise HTTPException(422, f"{given.option!r} is none of the answers: {', '.join(asked.options)}")
    inputs: dict[str, Any] = {name: given.inputs[name] for name in asked.params if name in given.inputs}
    api.answer(dag_id, run_id, asked.task_id, asked.map_index, given.option, inputs)
    return {"done": f"{given.option} was answered"}


class Retry(Body):
    """Which task is to run again, with all that follows."""

    task_id: str = Field(max_length=250)


@retries.post("/retry")
def retry(dag_id: str, run_id: str, asked: Retry, session: SessionDep, _: Acting, api: AirflowApiDep) -> dict[str, str]:
    """Clear a failed task; it looks what is still to be done, and does that."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    tasks = records.tasks(dag_id, run.run_id)
    failed = {task.task_id for task in tasks if task.state == "failed"}
    if asked.task_id not in failed:
        raise HTTPException(409, f"task {asked.task_id} has not failed (any more); look again")
    cleared = api.clear(dag_id, run_id, tasks_to_clear(asked.task_id, tasks))
    return {"done": f"{len(cleared)} tasks run again, from {asked.task_id} on"}


class Steer(Body):
    """As the request of greenplum_steer, which judges it once more."""

    action: Literal["pause", "resume", "sessions"]
    sessions: int | None = Field(default=None, ge=1, le=96)


@steers.post("/steer")
def steer(dag_id: str, run_id: str, asked: Steer, session: SessionDep, _: Acting, api: AirflowApiDep) -> dict[str, str]:
    """Start greenplum_steer; it takes effect with the next move."""
    records = Records(session)
    run = require_run(records, dag_id, run_id)
    moves = any(task.task_id == MOVE and task.state in AT_WORK for task in records.tasks(dag_id, run_id))
    if not (run.is_active and dag_id in (EXPAND, REDISTRIBUTE) and moves):
        raise HTTPException(409, f"run {run_id} moves no tables now; nothing of it can be steered")
    if (asked.action == "sessions") != (asked.sessions is not None):
        raise HTTPException(422, "a number of tables at a time goes with 'sessions', and only with it")
    conf = {"greenplum_conn_id": run.connection, **asked.model_dump(exclude_none=True)}
    api.trigger(STEER, conf, f"from the page of {run_id}")
    what = {"pause": "no further table begins", "resume": "tables begin again"}
    return {"done": f"{what.get(asked.action, f'{asked.sessions} tables at a time')}, within some seconds"}


ROUTERS = (answers, retries, steers)

"""One expansion as a task sees it: its request, its cluster, its directory and its claim."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from airflow.sdk import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowRuntimeError

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.errors import (
    ActionRefused,
    ChecksFailed,
    InvalidRequest,
    ProofFailed,
    StepFailed,
)
from greenplum_expansion.hooks.busy import BUSY
from greenplum_expansion.hooks.claim import Claim, ClusterClaim
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.section import Section
from greenplum_expansion.planning.windows import Calendar
from greenplum_expansion.request import ExpansionRequest, MovedBy, parse_request
from greenplum_expansion.request.windows import WindowsSection
from greenplum_expansion.schedule import foreseen

# What a retry cannot change; only an unreachable host or database is worth another try.
_FINAL = (ActionRefused, ChecksFailed, InvalidRequest, ProofFailed, StepFailed)

STEP_KEY = "step"
SECTION_KEY = "section"
FINDINGS_KEY = "findings"


class ExpansionRun:
    """The expansion of the DAG run in `context`."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        request = parse_request(ExpansionRequest, dict(context["params"]))
        self._begin(context, request, GreenplumHook(request.greenplum_conn_id), expansion_id(context["dag_run"].run_id))

    def _begin(self, context: Mapping[str, Any], request: ExpansionRequest, hook: GreenplumHook, name: str) -> None:
        self.context = context
        self.request = request
        self.hook = hook
        self.expansion_id = name
        self.directory = ExpansionDirectory(hook, name)

    @cached_property
    def claim(self) -> ClusterClaim:
        """Made when it is first needed: where it lies is asked by SQL, and the cluster may be down."""
        return ClusterClaim(self.hook)

    @property
    def subject(self) -> str:
        """How errors call this expansion."""
        return f"Expansion {self.expansion_id} of connection {self.request.greenplum_conn_id}"

    @property
    def waits_for_schedule(self) -> bool:
        """Its tables are moved by greenplum_redistribute."""
        return self.request.moved_by is MovedBy.SCHEDULE

    def calendar(self) -> Calendar:
        """When it may move tables."""
        return self.request.calendar()

    def longest_window(self, now: datetime) -> float:
        """Seconds of the longest window still to come, as seen from `now`: what needs more fits none."""
        return self.calendar().longest_seconds(now)

    def foreseen(self) -> WindowsSection:
        """The windows that forecasts go by: the request's, or those of the schedule that moves its tables."""
        return foreseen(self.request)

    def ends(self) -> datetime | None:
        """When this run stops moving tables, whatever is left; None if it goes on until nothing is."""
        return None

    def my_claim(self) -> Claim:
        dag_run = self.context["dag_run"]
        return Claim(
            expansion_id=self.expansion_id,
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            airflow=this_airflow(),
        )

    def require_claim(self) -> None:
        """:raises ActionRefused: a later expansion has taken over."""
        self.claim.require(self.expansion_id)

    def close(self) -> None:
        self.hook.close()


@contextmanager
def open_run(context: Mapping[str, Any]) -> Iterator[ExpansionRun]:
    """The run of this task, its connections closed at the end; errors come through as they are."""
    run = ExpansionRun(context)
    try:
        yield run
    finally:
        run.close()


@contextmanager
def expansion_run(context: Mapping[str, Any]) -> Iterator[ExpansionRun]:
    """Like `open_run`, for tasks that act: errors that no retry mends end the task at once."""
    with final_errors(), open_run(context) as run:
        yield run


@contextmanager
def final_errors() -> Iterator[None]:
    """Turn errors that no retry can mend into AirflowFailException, with the same words."""
    try:
        yield
    except _FINAL as error:
        raise AirflowFailException(str(error)) from error


def this_airflow() -> str:
    """How this Airflow is told from others that may know the cluster: by the URL of its UI."""
    return conf.get("api", "base_url", fallback="") or "http://localhost:8080"


def run_is_active(ti: Any, dag_id: str, run_id: str) -> bool:
    """Whether that run of this Airflow is queued or running; one that was deleted is not."""
    try:
        return ti.get_dagrun_state(dag_id, run_id) in ("queued", "running")
    except AirflowRuntimeError as error:
        if "not found" in str(error).lower().replace("_", " "):
            return False
        raise


def started_now() -> float:
    """Seconds since 1970, handed through a deferral so that a step's time includes it."""
    return time.time()


def record_step(context: Mapping[str, Any], started: float, outcome: str) -> None:
    """Leave for the report how long this step took, what came of it, and when it was busy with the cluster."""
    context["ti"].xcom_push(
        key=STEP_KEY,
        value={
            "task_id": context["ti"].task_id,
            "started": started,
            "seconds": round(time.time() - started, 1),
            "outcome": outcome,
            "busy": BUSY.take(),
        },
    )


def note_followed(event: Mapping[str, Any]) -> None:
    """Count as busy the time in which a trigger followed something for this task (``event["busy"]``)."""
    for start, end in event.get("busy") or ():
        BUSY.note(start, end)


def record_section(context: Mapping[str, Any], section: Section) -> None:
    """Leave a section for the report: what this step has found out, beyond its outcome in a line."""
    value = {"task_id": context["ti"].task_id, **section.to_dict()}
    context["ti"].xcom_push(key=SECTION_KEY, value=value)

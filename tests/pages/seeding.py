"""Rows of Airflow's tables, as tasks and people would have made them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.jobs.job import Job
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk.serde import serialize
from airflow.utils.session import create_session
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

BEGAN = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
RUN = "manual__2026-11-20T20:00:00+00:00"


class Seeds:
    """Everything is written at once, so that routes see it.

    :param sessions: makes a session whose end commits; that of this process's Airflow, or of another's database
    :param began: when every run begins
    """

    def __init__(
        self, sessions: Callable[[], AbstractContextManager[Session]] = create_session, began: datetime = BEGAN
    ) -> None:
        self.session = sessions
        self.began = began

    def clear(self) -> None:
        """Take away what tests have made."""
        with self.session() as session:
            for model in (HITLDetail, XComModel, TaskInstance, DagRun, DagModel, Connection, Job):
                session.execute(delete(model))

    def bundle(self, name: str) -> None:
        """Where DAGs come from."""
        with self.session() as session:
            if session.get(DagBundleModel, name) is None:
                session.add(DagBundleModel(name=name))

    def dag(self, *dag_ids: str) -> None:
        """DAGs that are known and not paused."""
        self.bundle("test")
        with self.session() as session:
            for dag_id in dag_ids:
                if session.get(DagModel, dag_id) is None:
                    session.add(DagModel(dag_id=dag_id, bundle_name="test", is_stale=False, is_paused=False))

    def alive(self, *, scheduler: float = 86400.0, triggerer: float = 86400.0) -> None:
        """Components of Airflow that have been heard of, so many seconds from now; in the past, if negative."""
        with self.session() as session:
            session.execute(delete(Job))
            for job_type, seconds in (("SchedulerJob", scheduler), ("TriggererJob", triggerer)):
                heard = datetime.now(UTC) + timedelta(seconds=seconds)
                session.execute(insert(Job).values(job_type=job_type, state="running", latest_heartbeat=heard))

    def connection(self, conn_id: str, conn_type: str = "greenplum", **values: Any) -> None:
        """One connection."""
        with self.session() as session:
            session.add(Connection(conn_id=conn_id, conn_type=conn_type, **values))

    def run(
        self,
        dag_id: str = "greenplum_expand",
        run_id: str = RUN,
        state: str = "running",
        *,
        minutes: int | None = None,
        **conf: Any,
    ) -> None:
        """One run; `minutes` it took, if it is over."""
        self.dag(dag_id)
        with self.session() as session:
            values = {
                "dag_id": dag_id,
                "run_id": run_id,
                "state": state,
                "run_type": "manual",
                "run_after": self.began,
                "start_date": self.began,
                "end_date": None if minutes is None else self.began + timedelta(minutes=minutes),
                "conf": {"greenplum_conn_id": "dwh", **conf},
                "clear_number": 0,
                "triggering_user_name": "a-user",
            }
            session.execute(insert(DagRun).values(**values))

    def task(
        self,
        task_id: str,
        state: str | None,
        *,
        dag_id: str = "greenplum_expand",
        run_id: str = RUN,
        map_index: int = -1,
        label: str | None = None,
        begin: int = 0,
        minutes: int = 1,
    ) -> uuid.UUID:
        """One task instance; times only if its state has some."""
        started = None if state in (None, "upstream_failed", "skipped") else self.began + timedelta(minutes=begin)
        over = started is not None and state in ("success", "failed")
        key = uuid.uuid4()
        values = {
            "id": key,
            "task_id": task_id,
            "dag_id": dag_id,
            "run_id": run_id,
            "map_index": map_index,
            "state": state,
            "start_date": started,
            "end_date": started + timedelta(minutes=minutes) if started and over else None,
            "try_number": 1,
            "max_tries": 1,
            "pool": "default_pool",
            "pool_slots": 1,
            "rendered_map_index": label,
        }
        with self.session() as session:
            session.execute(insert(TaskInstance.__table__).values(**values))
        return key

    def left(
        self,
        task_id: str,
        key: str,
        value: Any,
        *,
        dag_id: str = "greenplum_expand",
        run_id: str = RUN,
        map_index: int = -1,
    ) -> None:
        """What a task left under a key, as a worker writes it; the task is made if there is none."""
        with self.session() as session:
            wanted = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
            wanted = (*wanted, TaskInstance.task_id == task_id, TaskInstance.map_index == map_index)
            known = session.scalar(select(TaskInstance.task_id).where(*wanted))
        if known is None:
            self.task(task_id, "success", dag_id=dag_id, run_id=run_id, map_index=map_index)
        with self.session() as session:
            XComModel.set(
                key=key, value=serialize(value), task_id=task_id, dag_id=dag_id, run_id=run_id, map_index=map_index,
                session=session, serialize=False,
            )  # fmt: skip

    def question(
        self,
        task_id: str = "approve_plan",
        params: Mapping[str, Any] | None = None,
        body: str = "Grow it?",
        run_id: str = RUN,
    ) -> None:
        """A task that waits for a person."""
        key = self.task(task_id, "awaiting_input", run_id=run_id)
        with self.session() as session:
            session.add(
                HITLDetail(
                    ti_id=key,
                    options=["Approve", "Reject"],
                    subject="Approve the expansion of dwh",
                    body=body,
                    defaults=None,
                    multiple=False,
                    params=dict(params or {}),
                    assignees=None,
                )
            )

"""Rows of Airflow's tables, as tasks and people would have made them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import delete, insert, select

BEGAN = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
RUN = "manual__2026-11-20T20:00:00+00:00"


class Seeds:
    """Everything is written at once, so that routes see it."""

    def clear(self) -> None:
        """Take away what tests have made."""
        with create_session() as session:
            for model in (HITLDetail, XComModel, TaskInstance, DagRun, DagModel, Connection):
                session.execute(delete(model))

    def dag(self, *dag_ids: str) -> None:
        """DAGs that are known and not paused."""
        with create_session() as session:
            if session.get(DagBundleModel, "test") is None:
                session.add(DagBundleModel(name="test"))
                session.flush()
            for dag_id in dag_ids:
                if session.get(DagModel, dag_id) is None:
                    session.add(DagModel(dag_id=dag_id, bundle_name="test", is_stale=False, is_paused=False))

    def connection(self, conn_id: str, conn_type: str = "greenplum", **values: Any) -> None:
        """One connection."""
        with create_session() as session:
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
        with create_session() as session:
            values = {
                "dag_id": dag_id,
                "run_id": run_id,
                "state": state,
                "run_type": "manual",
                "run_after": BEGAN,
                "start_date": BEGAN,
                "end_date": None if minutes is None else BEGAN + timedelta(minutes=minutes),
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
        started = None if state in (None, "upstream_failed", "skipped") else BEGAN + timedelta(minutes=begin)
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
        with create_session() as session:
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
        """What a task left under a key; the task is made if there is none."""
        with create_session() as session:
            wanted = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
            wanted = (*wanted, TaskInstance.task_id == task_id, TaskInstance.map_index == map_index)
            known = session.scalar(select(TaskInstance.task_id).where(*wanted))
        if known is None:
            self.task(task_id, "success", dag_id=dag_id, run_id=run_id, map_index=map_index)
        with create_session() as session:
            XComModel.set(
                key=key, value=value, task_id=task_id, dag_id=dag_id, run_id=run_id, map_index=map_index,
                session=session,
            )  # fmt: skip

    def question(
        self, task_id: str = "approve_plan", params: Mapping[str, Any] | None = None, body: str = "Grow it?"
    ) -> None:
        """A task that waits for a person."""
        key = self.task(task_id, "awaiting_input")
        with create_session() as session:
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

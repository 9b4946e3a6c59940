"""What Airflow knows: the one module of the pages that reads Airflow's tables.

Reads only, one statement a question. Values are as their task pushed them: nothing here knows what they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.jobs.job import Job
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from greenplum_expansion.pages.access import READABLE, REDISTRIBUTE, STEER
from greenplum_expansion.pages.rows import Found as Found
from greenplum_expansion.pages.rows import Left as Left
from greenplum_expansion.pages.rows import Question as Question
from greenplum_expansion.pages.rows import Schedule as Schedule
from greenplum_expansion.pages.rows import Task as Task
from greenplum_expansion.provider_info import CONNECTION_TYPE
from greenplum_expansion.schedule import DEFAULT_CONNECTION, read_schedule

RECENT = 200  # runs that are looked through; far more than have something to tell


@dataclass(frozen=True)
class Run:
    """A DAG run.

    :param conf: what was asked for; where many runs are read, only as much of it as lists of runs need (`_SHORT`)
    """

    dag_id: str
    run_id: str
    state: str
    conf: Mapping[str, Any]
    started: datetime | None
    ended: datetime | None
    asked_by: str

    @property
    def is_active(self) -> bool:
        return self.state in _ACTIVE

    @property
    def connection(self) -> str:
        """As asked for; a run that the schedule begins is for the connection of the deployment."""
        default = read_schedule().connection if self.dag_id in (REDISTRIBUTE, STEER) else DEFAULT_CONNECTION
        return str(self.conf.get("greenplum_conn_id") or default)

    @property
    def is_dry(self) -> bool:
        """It changes nothing; `true` and no other word says so, as for Airflow's own check of what is asked for."""
        return self.conf.get("dry_run") is True


@dataclass(frozen=True)
class Work:
    """A run that is under way, or has ended lately.

    :param tasks: ids of those at work, that ask, or that have failed, with the state that matters most of each
    :param progress: what was left last under the key of that name; None if nothing was
    """

    run: Run
    tasks: dict[str, str]
    progress: Mapping[str, Any] | None


class Records:
    """Airflow's tables, as far as the pages need them, and as far as whoever asks may read them.

    :param session: without `READABLE` in its `info`, no run of any DAG is found
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._readable: frozenset[str] = frozenset(session.info.get(READABLE, ()))

    def _known(self, dag_ids: Iterable[str]) -> list[str]:
        return [dag_id for dag_id in dag_ids if dag_id in self._readable]

    def busy(self, dag_ids: Iterable[str]) -> set[str]:
        """Connections to clusters that a run works on which may not be read: nothing else is told of it."""
        hidden = [dag_id for dag_id in dag_ids if dag_id not in self._readable]
        if not hidden:
            return set()
        statement = select(*_LISTED).where(DagRun.dag_id.in_(hidden), DagRun.state.in_(_ACTIVE))
        return {_run(row).connection for row in self._session.execute(statement)}

    def connections(self) -> dict[str, str]:
        """Ids of the connections to clusters, with their descriptions; nothing else of them leaves this method."""
        statement = select(Connection.conn_id, Connection.description).where(Connection.conn_type == CONNECTION_TYPE)
        return {conn_id: description or "" for conn_id, description in self._session.execute(statement)}

    def installed(self, dag_ids: Iterable[str]) -> set[str]:
        """Those of the DAGs that can be started: known, and not paused."""
        statement = select(DagModel.dag_id).where(
            DagModel.dag_id.in_(list(dag_ids)), DagModel.is_stale.is_(False), DagModel.is_paused.is_(False)
        )
        return set(self._session.scalars(statement))

    def switched_off(self, dag_ids: Iterable[str]) -> set[str]:
        """Those of the DAGs that are known, and paused: runs of them are made, and wait."""
        statement = select(DagModel.dag_id).where(
            DagModel.dag_id.in_(list(dag_ids)), DagModel.is_stale.is_(False), DagModel.is_paused.is_(True)
        )
        return set(self._session.scalars(statement))

    def schedule(self, dag_id: str) -> Schedule | None:
        """When a DAG runs next by itself; None if it is not known."""
        statement = select(DagModel.is_paused, DagModel.next_dagrun_create_after).where(DagModel.dag_id == dag_id)
        row = self._session.execute(statement).one_or_none()
        return None if row is None else Schedule(row[0], row[1])

    def heartbeats(self, jobs: Iterable[str]) -> dict[str, datetime]:
        """When components of Airflow have been heard of last, by the names of their jobs."""
        statement = (
            select(Job.job_type, func.max(Job.latest_heartbeat))
            .where(Job.job_type.in_(list(jobs)), Job.state == "running")
            .group_by(Job.job_type)
        )
        return {str(row[0]): row[1] for row in self._session.execute(statement) if row[1] is not None}

    def runs(self, dag_ids: Sequence[str], *, active: bool = False, whole: bool = False, of: str = "") -> list[Run]:
        """The newest runs first.

        :param active: those that are not over, all of them
        :param whole: with all of what was asked for: hundreds of hosts a run, maybe
        :param of: only those that were asked for with this connection; not for DAGs that a schedule begins
        """
        columns = _RUN if whole else _LISTED
        statement = select(*columns).where(DagRun.dag_id.in_(self._known(dag_ids))).order_by(DagRun.id.desc())
        statement = statement.where(DagRun.state.in_(_ACTIVE)) if active else statement.limit(RECENT)
        if of:
            asked = func.nullif(DagRun.conf["greenplum_conn_id"].as_string(), "")
            statement = statement.where(func.coalesce(asked, DEFAULT_CONNECTION) == of)
        return [_run(row) for row in self._session.execute(statement)]

    def last_runs(self, dag_ids: Sequence[str]) -> list[Run]:
        """Of each DAG and cluster the run that was asked for last, and the one that ended last; dry runs apart.

        However many runs of other clusters are newer. The newest first.
        """
        of_each = [DagRun.dag_id, *_OF_EACH]
        begun = func.row_number().over(partition_by=of_each, order_by=DagRun.id.desc())
        is_open = case((DagRun.end_date.is_(None), 1), else_=0)
        ended = func.row_number().over(partition_by=of_each, order_by=(is_open, DagRun.end_date.desc()))
        ranked = (
            select(DagRun.id, begun.label("begun"), ended.label("ended"))
            .where(DagRun.dag_id.in_(self._known(dag_ids)))
            .subquery()
        )
        statement = (
            select(*_LISTED)
            .join(ranked, ranked.c.id == DagRun.id)
            .where(or_(ranked.c.begun == 1, ranked.c.ended == 1))
            .order_by(DagRun.id.desc())
        )
        return [_run(row) for row in self._session.execute(statement)]

    def left_last(self, dag_id: str, task_id: str, keys: Iterable[str]) -> list[tuple[Run, Left]]:
        """What this task left last under each of these keys, for each cluster, in the newest two thousand runs."""
        x = XComModel
        newest = (
            select(DagRun.id, DagRun.conf)
            .where(DagRun.dag_id.in_(self._known([dag_id])))
            .order_by(DagRun.id.desc())
            .limit(_FAR)
            .subquery()
        )
        rank = func.row_number().over(
            partition_by=(newest.c.conf["greenplum_conn_id"], x.key), order_by=newest.c.id.desc()
        )
        ranked = (
            select(newest.c.id, x.key, rank.label("place"))
            .join(x, x.dag_run_id == newest.c.id)
            .where(x.task_id == task_id, x.key.in_(list(keys)), x.map_index == -1)
            .subquery()
        )
        statement = (
            select(*_LISTED, x.task_id, x.map_index, x.key, x.value, x.timestamp)
            .join(ranked, and_(ranked.c.id == DagRun.id, ranked.c.place == 1))
            .join(x, and_(x.dag_run_id == DagRun.id, x.task_id == task_id, x.map_index == -1, x.key == ranked.c.key))
            .order_by(DagRun.id.desc())
        )
        return [
            (_run(row), Left(row.task_id, row.map_index, row.key, _value(row), row.timestamp))
            for row in self._session.execute(statement)
        ]

    def work(self, dag_ids: Sequence[str], since: datetime, progress_key: str, most: int = 60) -> list[Work]:
        """What is under way, and of each DAG and cluster the last run, if it has ended since, in one statement.

        What is under way first, then the newest; no window that ended well, as there is one every night.
        """
        ti, x = TaskInstance, XComModel
        active: Any = case((DagRun.state.in_(_ACTIVE), 1), else_=0)
        place = func.row_number().over(partition_by=[DagRun.dag_id, _OF_EACH[0]], order_by=DagRun.id.desc())
        lately = (
            select(DagRun.id, DagRun.dag_id, DagRun.state, active.label("active"), place.label("place"))
            .where(DagRun.dag_id.in_(self._known(dag_ids)), or_(DagRun.state.in_(_ACTIVE), DagRun.end_date >= since))
            .subquery()
        )
        told = lately.c
        newest = (
            select(told.id, told.active)
            .where(
                or_(
                    told.active == 1, and_(told.place == 1, ~and_(told.dag_id == REDISTRIBUTE, told.state == "success"))
                )
            )
            .order_by(told.active.desc(), told.id.desc())
            .limit(most)
            .subquery()
        )
        left: Any = (
            select(x.value)
            .where(x.dag_run_id == DagRun.id, x.key == progress_key)
            .order_by(x.timestamp.desc())
            .limit(1)
            .correlate(DagRun)
            .scalar_subquery()
        )
        matters: Any = func.max(case((ti.state == "awaiting_input", 2), (ti.state == "failed", 1), else_=0))
        statement = (
            select(*_LISTED, ti.task_id.label("task_id"), matters.label("matters"), left.label("value"))
            .join(newest, newest.c.id == DagRun.id)
            .outerjoin(ti, and_(ti.dag_id == DagRun.dag_id, ti.run_id == DagRun.run_id, ti.state.in_(_TOLD)))
            .group_by(DagRun.id, newest.c.active, ti.task_id)
            .order_by(newest.c.active.desc(), DagRun.id.desc(), func.min(ti.start_date))
        )
        found: dict[tuple[str, str], Work] = {}
        for row in self._session.execute(statement):
            progress = None if row.value is None else _value(row)
            work = found.setdefault((row.dag_id, row.run_id), Work(_run(row), {}, progress))
            if row.task_id is not None:
                work.tasks[row.task_id] = ("running", "failed", "awaiting_input")[row.matters]
        return list(found.values())

    def run(self, dag_id: str, run_id: str) -> Run | None:
        """One run; None if there is none."""
        row = self._session.execute(
            select(*_RUN).where(DagRun.dag_id.in_(self._known([dag_id])), DagRun.run_id == run_id)
        ).one_or_none()
        return None if row is None else _run(row)

    def tasks(self, dag_id: str, run_id: str) -> list[Task]:
        """All task instances of a run."""
        ti = TaskInstance
        label: Any = ti.rendered_map_index  # an expression of SQL here, which its annotation does not say
        columns = (ti.task_id, ti.map_index, ti.state, ti.start_date, ti.end_date, ti.try_number, label, ti.queued_dttm)
        statement: Any = select(*columns).where(ti.dag_id.in_(self._known([dag_id])), ti.run_id == run_id)
        return [
            Task(row[0], row[1], row[2], row[3], row[4], row[5], str(row[6] or ""), row[7])
            for row in self._session.execute(statement)
        ]

    def left(
        self,
        dag_id: str,
        run_ids: str | Iterable[str],
        *,
        keys: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        task_id: str | None = None,
        since: datetime | None = None,
    ) -> list[tuple[str, Left]]:
        """What tasks of these runs, or one task, left under these keys, the oldest first, with the run each is of."""
        x = XComModel
        wanted = [x.key.in_(list(keys)), *(x.key.startswith(prefix, autoescape=True) for prefix in prefixes)]
        runs = [run_ids] if isinstance(run_ids, str) else list(run_ids)
        statement = (
            select(x.run_id, x.task_id, x.map_index, x.key, x.value, x.timestamp)
            .where(x.dag_id.in_(self._known([dag_id])), x.run_id.in_(runs), or_(*wanted))
            .order_by(x.timestamp)
        )
        if task_id is not None:
            statement = statement.where(x.task_id == task_id)
        if since is not None:
            statement = statement.where(x.timestamp >= since)
        found = self._session.execute(statement)
        return [(row.run_id, Left(row.task_id, row.map_index, row.key, _value(row), row.timestamp)) for row in found]

    def newest(self, dag_id: str, run_ids: Iterable[str], task_id: str, key: str) -> Found | None:
        """The last that this task left under this key in any of these runs; None if there is none."""
        x = XComModel
        statement = (
            select(x.run_id, x.task_id, x.map_index, x.key, x.value, x.timestamp)
            .where(x.dag_id.in_(self._known([dag_id])), x.run_id.in_(list(run_ids)), x.task_id == task_id, x.key == key)
            .order_by(x.timestamp.desc())
            .limit(1)
        )
        row = self._session.execute(statement).one_or_none()
        return None if row is None else Found(row.run_id, _value(row))

    def stamps(self, dag_id: str, run_id: str, prefixes: Iterable[str]) -> datetime | None:
        """When the newest of these was left, without reading any."""
        x = XComModel
        wanted = [x.key.startswith(prefix, autoescape=True) for prefix in prefixes]
        newest: datetime | None = self._session.scalar(
            select(func.max(x.timestamp)).where(x.dag_id.in_(self._known([dag_id])), x.run_id == run_id, or_(*wanted))
        )
        return newest

    def question(self, dag_id: str, run_id: str) -> Question | None:
        """What the run asks a person now; the oldest if there are several."""
        ti, asked = TaskInstance, HITLDetail
        statement = (
            select(ti.task_id, ti.map_index, asked.subject, asked.body, asked.options, asked.params, asked.created_at)
            .join(ti, ti.id == asked.ti_id)
            .where(ti.dag_id.in_(self._known([dag_id])), ti.run_id == run_id, asked.responded_at.is_(None))
            .where(ti.state.in_(("awaiting_input", "deferred")))
            .order_by(asked.created_at)
            .limit(1)
        )
        row = self._session.execute(statement).one_or_none()
        if row is None:
            return None
        return Question(row[0], row[1], row[2], row[3] or "", tuple(row[4]), row[5] or {}, row[6])


_ACTIVE = ("queued", "running")
_TOLD = ("running", "deferred", "up_for_retry", "awaiting_input", "failed")
_FAR = 2000
"""Looks among which the last at each cluster is looked for: in the wizard every host that is typed begins one."""
_SHORT = ("greenplum_conn_id", "dry_run", "expansion_id", "with_tables")
"""What of a request lists of runs need; a whole one may name a thousand hosts, and lists are read every few seconds."""
_OF_EACH = tuple(DagRun.conf[name] for name in _SHORT[:2])
_RUN = (
    DagRun.dag_id,
    DagRun.run_id,
    DagRun.state,
    DagRun.start_date,
    DagRun.end_date,
    DagRun.triggering_user_name,
    DagRun.conf,
)
_LISTED = (*_RUN[:-1], *(DagRun.conf[name].label(f"conf_{name}") for name in _SHORT))


def _value(row: Any) -> Any:
    """As its task pushed it, with lists for tuples: Airflow writes those down with the name of their class."""
    return _plain(XComModel.deserialize_value(row))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        if value.get(_CLASS) in _SEVERAL:
            return _plain(value.get("__data__"))
        return {name: _plain(one) for name, one in value.items()}
    return value


_CLASS, _SEVERAL = "__classname__", ("builtins.tuple", "builtins.set", "builtins.frozenset")


def _run(row: Any) -> Run:
    found = row._mapping
    if "conf" in found:
        conf = found["conf"] if isinstance(found["conf"], dict) else {}
    else:
        conf = {name: found[f"conf_{name}"] for name in _SHORT if found[f"conf_{name}"] is not None}
        # SQLite extracts `true` as 1.
        conf = {name: bool(value) if isinstance(value, int) else value for name, value in conf.items()}
    state, asked_by = str(row.state), row.triggering_user_name or ""
    return Run(row.dag_id, row.run_id, state, conf, row.start_date, row.end_date, asked_by)

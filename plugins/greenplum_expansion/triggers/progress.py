"""How far a redistribution is: beside a job's log, or beside the task that moves tables."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.planning.record import MOVES_KEY
from greenplum_expansion.redistribution.engine import read_progress
from greenplum_expansion.redistribution.recording import Recorder
from greenplum_expansion.redistribution.watching import Seen, Watched, Watcher
from greenplum_expansion.triggers.jobs import RemoteJobTrigger

PROGRESS_KEY = "progress"
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
"""States in which a task does nothing more, unless it is cleared."""


class RedistributionTrigger(RemoteJobTrigger):
    """A RemoteJobTrigger that also logs a line of progress whenever there is some.

    :param progress_interval: seconds between two looks at ``gpexpand.status_detail``; each costs two short queries
    """

    def __init__(self, greenplum_conn_id: str, job_dir: str, progress_interval: float = 5.0, **kwargs: Any) -> None:
        super().__init__(greenplum_conn_id, job_dir, **kwargs)
        self.progress_interval = progress_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As RemoteJobTrigger."""
        path, arguments = super().serialize()
        return path, {**arguments, "progress_interval": self.progress_interval}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Report progress beside following the job."""
        reporter = asyncio.create_task(self._report())
        try:
            async for event in super().run():
                yield event
        finally:
            reporter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reporter

    async def _report(self) -> None:
        reporter = _Reporter(self.greenplum_conn_id, self.log)
        while True:
            await reporter.look()
            await asyncio.sleep(self.progress_interval)


class ProgressTrigger(BaseTrigger):
    """Logs a line of progress whenever there is some, and fires when another task of the run has ended.

    :param moving_task_id: of the task that moves tables, in that run of that DAG (Airflow's own names are taken)
    :param progress_interval: seconds between two looks at ``gpexpand.status_detail``; each costs two short queries
    :param initial_delay: seconds before the event at the earliest, as in RemoteJobTrigger
    :param watched: ``Watched.to_dict``, of the expansion that is looked at; with it a line tells when it may be done,
        and XComs of the task that waits hold the figures, the sessions and the list of tables for the pages
    """

    def __init__(
        self,
        greenplum_conn_id: str,
        moving_dag_id: str,
        moving_run_id: str,
        moving_task_id: str,
        progress_interval: float = 5.0,
        initial_delay: float = 10.0,
        watched: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.greenplum_conn_id = greenplum_conn_id
        self.moving_dag_id = moving_dag_id
        self.moving_run_id = moving_run_id
        self.moving_task_id = moving_task_id
        self.progress_interval = progress_interval
        self.initial_delay = initial_delay
        self.watched = watched

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids, numbers, windows and rates only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "greenplum_conn_id": self.greenplum_conn_id,
                "moving_dag_id": self.moving_dag_id,
                "moving_run_id": self.moving_run_id,
                "moving_task_id": self.moving_task_id,
                "progress_interval": self.progress_interval,
                "initial_delay": self.initial_delay,
                "watched": self.watched,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, say, sleep, until that task has ended."""
        clock = asyncio.get_running_loop().time
        earliest = clock() + self.initial_delay
        beside = None if self.watched is None else Watched.from_dict(self.watched)
        reporter = _Reporter(self.greenplum_conn_id, self.log, beside)
        recorder = None if beside is None else Recorder(beside.expansion_id, await self._points(), beside.calendar())
        while (state := await self._state()) not in ENDED:
            await self._look(reporter, recorder)
            await asyncio.sleep(self.progress_interval)
        await self._look(reporter, recorder)  # what the last moves came to
        await asyncio.sleep(max(0.0, earliest - clock()))
        yield TriggerEvent({"state": state})

    async def _look(self, reporter: _Reporter, recorder: Recorder | None) -> None:
        told = await reporter.look()
        if told is not None:
            await self._leave(PROGRESS_KEY, told)
        if recorder is None or self.task_instance is None:
            return
        try:
            left = await asyncio.to_thread(self._record, recorder)
        except ExpansionError as error:
            self.log.debug("The tables cannot be read: %s", error)
            return
        for key, value in left:
            await self._leave(key, value)

    def _record(self, recorder: Recorder) -> list[tuple[str, Any]]:
        return recorder.look(GreenplumHook(self.greenplum_conn_id), datetime.now(UTC))

    async def _leave(self, key: str, value: Any) -> None:
        """For pages, under the sensor's own XCom; outside of Airflow there is none, and without it nothing is lost."""
        if self.task_instance is None:
            return
        try:
            await XCom.aset(key=key, value=value, **self._mine(self.task_instance.task_id))
        except Exception as error:  # noqa: BLE001 - whatever Airflow says: looking goes on
            self.log.warning("%s could not be left for the pages: %s", key, error)

    async def _points(self) -> list[list[float]]:
        """The line of bytes moved so far, if another triggerer has drawn it before."""
        if self.task_instance is None:
            return []
        try:
            moves = await XCom.aget_one(key=MOVES_KEY, **self._mine(self.task_instance.task_id))
        except Exception as error:  # noqa: BLE001 - whatever Airflow says: the line begins anew
            self.log.debug("What was left before could not be read: %s", error)
            return []
        points: list[list[float]] = (moves or {}).get("points", [])
        return points

    def _mine(self, task_id: str) -> dict[str, str]:
        return {"dag_id": self.moving_dag_id, "task_id": task_id, "run_id": self.moving_run_id}

    async def _state(self) -> str:
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=self.moving_dag_id, task_ids=[self.moving_task_id], run_ids=[self.moving_run_id]
        )
        state = states.get(self.moving_run_id, {}).get(self.moving_task_id)
        return str(state)


class _Reporter:
    """Says how far it is, when that has changed.

    :param beside: with it, also when it may be done, by storage class
    """

    def __init__(self, greenplum_conn_id: str, log: Any, beside: Watched | None = None) -> None:
        self._greenplum_conn_id = greenplum_conn_id
        self._log = log
        self._watcher = Watcher(beside) if beside is not None else None
        self._first: Progress | None = None
        self._said: Any = None
        self._began = 0.0

    async def look(self) -> dict[str, Any] | None:
        """What there is to be told to pages, if it has changed. Progress is a courtesy: what cannot be read is left
        out."""
        try:
            return await (self._look_ahead() if self._watcher is not None else self._look())
        except ExpansionError as error:
            self._log.debug("Progress cannot be read: %s", error)
            return None

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        now = await asyncio.to_thread(self._read)
        if self._first is None:
            self._first, self._began = now, clock()
        if now != self._said and now.tables_total:
            self._log.info("Progress: %s", now.say(self._first, clock() - self._began))
            self._said = now

    async def _look_ahead(self) -> dict[str, Any] | None:
        assert self._watcher is not None
        seen = await asyncio.to_thread(self._watch)
        if seen is None or seen.news == self._said:
            return None
        self._said = seen.news
        self._log.info("Progress: %s", seen.say())
        return seen.to_dict()

    def _read(self) -> Progress:
        return read_progress(GreenplumHook(self._greenplum_conn_id))

    def _watch(self) -> Seen | None:
        assert self._watcher is not None
        return self._watcher.look(GreenplumHook(self._greenplum_conn_id), datetime.now(UTC))

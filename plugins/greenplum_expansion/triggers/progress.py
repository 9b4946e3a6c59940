"""How far a redistribution is: beside a job's log, or beside the task that moves tables."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.redistribution.engine import read_progress
from greenplum_expansion.triggers.jobs import RemoteJobTrigger

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
    """

    def __init__(
        self,
        greenplum_conn_id: str,
        moving_dag_id: str,
        moving_run_id: str,
        moving_task_id: str,
        progress_interval: float = 5.0,
        initial_delay: float = 10.0,
    ) -> None:
        super().__init__()
        self.greenplum_conn_id = greenplum_conn_id
        self.moving_dag_id = moving_dag_id
        self.moving_run_id = moving_run_id
        self.moving_task_id = moving_task_id
        self.progress_interval = progress_interval
        self.initial_delay = initial_delay

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids and numbers only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "greenplum_conn_id": self.greenplum_conn_id,
                "moving_dag_id": self.moving_dag_id,
                "moving_run_id": self.moving_run_id,
                "moving_task_id": self.moving_task_id,
                "progress_interval": self.progress_interval,
                "initial_delay": self.initial_delay,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, say, sleep, until that task has ended."""
        clock = asyncio.get_running_loop().time
        earliest = clock() + self.initial_delay
        reporter = _Reporter(self.greenplum_conn_id, self.log)
        while (state := await self._state()) not in ENDED:
            await reporter.look()
            await asyncio.sleep(self.progress_interval)
        await asyncio.sleep(max(0.0, earliest - clock()))
        yield TriggerEvent({"state": state})

    async def _state(self) -> str:
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=self.moving_dag_id, task_ids=[self.moving_task_id], run_ids=[self.moving_run_id]
        )
        state = states.get(self.moving_run_id, {}).get(self.moving_task_id)
        return str(state)


class _Reporter:
    """Says how far it is, when that has changed."""

    def __init__(self, greenplum_conn_id: str, log: Any) -> None:
        self._greenplum_conn_id = greenplum_conn_id
        self._log = log
        self._first: Progress | None = None
        self._said: Progress | None = None
        self._began = 0.0

    async def look(self) -> None:
        """Progress is a courtesy: what cannot be read is left out."""
        clock = asyncio.get_running_loop().time
        try:
            now = await asyncio.to_thread(self._read)
        except ExpansionError as error:
            self._log.debug("Progress cannot be read: %s", error)
            return
        if self._first is None:
            self._first, self._began = now, clock()
        if now != self._said and now.tables_total:
            self._log.info("Progress: %s", now.say(self._first, clock() - self._began))
            self._said = now

    def _read(self) -> Progress:
        return read_progress(GreenplumHook(self._greenplum_conn_id))

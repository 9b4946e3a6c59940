"""Follow a redistribution: the job's log and, beside it, how far it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import TriggerEvent

from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.redistribution.engine import read_progress
from greenplum_expansion.triggers.jobs import RemoteJobTrigger


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
        clock = asyncio.get_running_loop().time
        began = clock()
        first: Progress | None = None
        said: Progress | None = None
        while True:
            try:
                now = await asyncio.to_thread(self._read)
            except ExpansionError as error:
                # Progress is a courtesy: the job's end is noticed without it.
                self.log.debug("Progress cannot be read: %s", error)
            else:
                if first is None:
                    first, began = now, clock()
                if now != said and now.tables_total:
                    self.log.info("Progress: %s", now.say(first, clock() - began))
                    said = now
            await asyncio.sleep(self.progress_interval)

    def _read(self) -> Progress:
        return read_progress(GreenplumHook(self.greenplum_conn_id))

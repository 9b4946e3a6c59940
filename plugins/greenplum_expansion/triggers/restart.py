"""Follow a restart of the cluster, which is never interrupted halfway."""

from __future__ import annotations

from greenplum_expansion.triggers.jobs import RemoteJobTrigger


class RestartTrigger(RemoteJobTrigger):
    """A RemoteJobTrigger that leaves the job alone when the task is marked or cleared.

    Interrupted between gpstop and gpstart it would leave the cluster down, which is worse than whatever the person
    wanted to prevent; a cleared task finds the job and follows it.
    """

    async def on_kill(self) -> None:
        """Only say so."""
        self.log.warning("Job %s stops and starts the cluster; it is not interrupted and goes on", self.job_dir)
        await self._disconnect()

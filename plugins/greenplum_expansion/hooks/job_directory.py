"""A directory on the coordinator in which detached jobs run, one after another, found again by whoever comes later."""

from __future__ import annotations

import posixpath
import re

from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import JobState, RemoteJob
from greenplum_expansion.hooks.remote import Script


class JobDirectory:
    """``~/greenplum-expansions/<name>`` of the cluster's user on the coordinator."""

    def __init__(self, hook: GreenplumHook, name: str) -> None:
        self.hook = hook
        self.name = name

    @property
    def path(self) -> str:
        return posixpath.join(self.hook.environment().expansions_directory, self.name)

    def file(self, name: str) -> str:
        return posixpath.join(self.path, name)

    def ensure(self) -> None:
        """Make the directory, readable by the cluster's user only."""
        self.hook.coordinator().make_directory(self.path)

    def newest_job(self, name: str) -> tuple[int, RemoteJob | None]:
        """The job of this name that was started last: its number (0 if there is none) and itself."""
        result = self.hook.coordinator().run(["ls", "-1", "--", self.path], check=False)
        pattern = re.compile(rf"job_{re.escape(name)}_(\d+)\Z")
        numbers = [int(found.group(1)) for found in map(pattern.match, result.stdout.splitlines()) if found]
        if not numbers:
            return 0, None
        return max(numbers), self.hook.job(self._job_path(name, max(numbers)))

    def job_runs(self, name: str) -> bool:
        """Whether the newest job of this name is at work."""
        job = self.newest_job(name)[1]
        return job is not None and job.probe().state is JobState.RUNNING

    def start_job(self, name: str, argv: list[str] | Script) -> RemoteJob:
        """Start the next job of this name in this directory; a job that still runs is returned instead.

        A worker that dies between the start and its record changes nothing: the retry finds the directory.
        """
        self.ensure()
        number, newest = self.newest_job(name)
        if newest is not None and newest.probe().state is JobState.RUNNING:
            return newest
        job = self.hook.utility_job(self._job_path(name, number + 1), argv, cwd=self.path)
        job.ensure_started()
        return job

    def _job_path(self, name: str, number: int) -> str:
        return self.file(f"job_{name}_{number}")

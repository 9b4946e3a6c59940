"""A server and jobs on it for the tests of triggers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import RemoteJob
from greenplum_expansion.hooks.remote import Script
from tests.unit.hooks.sshd import Sshd


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """The coordinator of a test module."""
    server = Sshd(tmp_path_factory.mktemp("mdw")).start()
    yield server
    server.stop()


@pytest.fixture
def start_job(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Sequence[str] | Script], RemoteJob]]:
    """Starts a job; it is killed at the end of the test."""
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", sshd.connection())
    hook = GreenplumHook("cluster")
    jobs: list[RemoteJob] = []

    def start(command: Sequence[str] | Script) -> RemoteJob:
        job = RemoteJob(hook.coordinator(), str(tmp_path / f"job{len(jobs)}"), command)
        jobs.append(job)
        job.ensure_started()
        return job

    yield start
    for job in jobs:
        job.signal("KILL")
    hook.close()

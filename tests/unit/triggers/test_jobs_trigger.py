"""The trigger: every line once, the whole log before the event, the job untouched unless a person ends its task."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from greenplum_expansion.hooks.jobs import JobState, LogChunk, RemoteJob
from greenplum_expansion.hooks.remote import Script
from greenplum_expansion.triggers import jobs as triggers_jobs
from greenplum_expansion.triggers.jobs import RemoteJobTrigger, _Lines
from tests.support.ports import free_port
from tests.unit.hooks.sshd import Sshd

StartJob = Callable[[Sequence[str] | Script], RemoteJob]


class Listener(logging.Handler):
    """Keeps what a trigger logs at INFO."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Quick(RemoteJobTrigger):
    """Looks often and fires at once; keeps what it logs."""

    def __init__(self, job_dir: str, **options: Any) -> None:
        options = {"greenplum_conn_id": "cluster", "poll_interval": 0.05, "initial_delay": 0.0} | options
        super().__init__(job_dir=job_dir, **options)
        self.said = Listener()
        self.said.setLevel(logging.INFO)
        logger = logging.Logger("trigger")  # noqa: LOG001  # not in the tree, so nothing else hears it
        logger.addHandler(self.said)
        self._log = logger

    @property
    def log(self) -> logging.Logger:  # type: ignore[override]
        return self._log


async def event_of(trigger: RemoteJobTrigger) -> dict[str, Any]:
    async with asyncio.timeout(20):
        return (await anext(trigger.run())).payload


async def until(condition: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.02)
    assert condition(), what


@pytest.fixture(autouse=True)
def quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers_jobs, "_backoff", lambda failures: 0.05)


async def test_every_line_then_the_event(start_job: StartJob) -> None:
    job = start_job(["sh", "-c", "seq 3; echo err >&2; printf 'no newline'; exit 4"])
    trigger = Quick(job.job_dir)
    event = await event_of(trigger)
    assert trigger.said.lines == ["1", "2", "3", "err", "no newline"]
    assert (event["state"], event["exit_code"], event["job_dir"]) == ("FINISHED", 4, job.job_dir)
    assert event["log_tail"] == "1\n2\n3\nerr\nno newline"
    assert event["message"] == f"Job {job.job_dir} ended with exit code 4."
    json.dumps(event)


async def test_a_long_log_is_read_to_its_end_before_the_event(start_job: StartJob) -> None:
    job = start_job(["seq", "100000"])
    trigger = Quick(job.job_dir)
    event = await event_of(trigger)
    assert trigger.said.lines == [str(n) for n in range(1, 100001)]
    assert event["state"] == "FINISHED"


async def test_lines_come_while_the_job_runs(start_job: StartJob, tmp_path: Path) -> None:
    job = start_job(Script(f"echo first; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo last"))
    trigger = Quick(job.job_dir)
    waiting = asyncio.create_task(event_of(trigger))
    await until(lambda: trigger.said.lines == ["first"], "the first line is there")
    assert not waiting.done()
    (tmp_path / "go").touch()
    assert (await waiting)["exit_code"] == 0
    assert trigger.said.lines == ["first", "last"]


async def test_a_triggerer_that_takes_over_repeats_nothing(start_job: StartJob, tmp_path: Path) -> None:
    job = start_job(
        Script(f"seq 5; printf 'half a '; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo line; seq 6 8")
    )
    first = Quick(job.job_dir)
    running = asyncio.create_task(event_of(first))
    note = Path(job.job_dir) / "followed" / first.follower
    await until(lambda: note.exists() and note.read_text() == "10\n", "the position is noted")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await first.cleanup()
    assert job.probe().state is JobState.RUNNING, "a triggerer that ends leaves the job alone"
    second = Quick(**{k: v for k, v in first.serialize()[1].items() if k not in ("greenplum_conn_id",)})
    (tmp_path / "go").touch()
    await event_of(second)
    assert [line for line in first.said.lines if "byte" not in line] == ["1", "2", "3", "4", "5"]
    assert second.said.lines == [f"Log of {job.job_dir} goes on at byte 10", "half a line", "6", "7", "8"]


async def test_another_try_gets_the_whole_log(start_job: StartJob) -> None:
    job = start_job(["seq", "3"])
    await event_of(Quick(job.job_dir))
    again = Quick(job.job_dir)
    await event_of(again)
    assert again.said.lines == ["1", "2", "3"]


async def test_a_lost_job_is_told(start_job: StartJob) -> None:
    job = start_job(["sh", "-c", "echo begun; sleep 300"])
    await until(lambda: job.read_log().data, "the job has begun")
    job.signal("KILL")
    trigger = Quick(job.job_dir)
    event = await event_of(trigger)
    assert (event["state"], event["exit_code"]) == ("LOST", None)
    assert "is lost: its process is gone and left no exit code" in event["message"]
    assert trigger.said.lines == ["begun"]


async def test_a_job_that_never_was_is_told(sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", sshd.connection())
    assert (await event_of(Quick(str(tmp_path / "none"))))["state"] == "ABSENT"


async def test_a_cut_connection_is_no_event(start_job: StartJob, sshd: Sshd, tmp_path: Path) -> None:
    job = start_job(Script(f"echo first; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo last"))
    trigger = Quick(job.job_dir)
    waiting = asyncio.create_task(event_of(trigger))
    await until(lambda: "first" in trigger.said.lines, "it follows")
    sshd.cut()
    await until(lambda: any("No answer" in line for line in trigger.said.lines), "it notices")
    (tmp_path / "go").touch()
    assert (await waiting)["state"] == "FINISHED"
    assert [line for line in trigger.said.lines if "No answer" not in line] == ["first", "last"]


async def test_a_connection_airflow_does_not_give_out_is_asked_for_again(
    start_job: StartJob, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start_job(["echo", "hello"])
    monkeypatch.delenv("AIRFLOW_CONN_CLUSTER")
    trigger = Quick(job.job_dir)
    waiting = asyncio.create_task(event_of(trigger))
    await until(lambda: any("did not give it out" in line for line in trigger.said.lines), "it notices")
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", sshd.connection())
    assert (await waiting)["state"] == "FINISHED"


async def test_silence_beyond_patience_is_told_and_the_job_may_still_run(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", sshd.connection(ssh_port=free_port()))
    event = await event_of(Quick(str(tmp_path / "job"), patience=0.2))
    assert event["state"] == "UNREACHABLE"
    assert "may still run" in event["message"]
    assert "SSH to 127.0.0.1 port" in event["message"]


@pytest.mark.parametrize("wrong", ["host_key", "key", "no_host_key"])
async def test_a_wrong_key_is_told_in_words(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str
) -> None:
    from tests.unit.hooks.sshd import make_key

    other = make_key(tmp_path / "other")
    extra: dict[str, Any] = {
        "host_key": {"ssh_host_key": other},
        "key": {"ssh_key_file": str(tmp_path / "other")},
        "no_host_key": {"ssh_host_key": None},
    }[wrong]
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", sshd.connection(**extra))
    event = await event_of(Quick(str(tmp_path / "job"), patience=0.0))
    said = {"host_key": "host key it presented", "key": "refused the key", "no_host_key": "no ssh_host_key"}[wrong]
    assert said in event["message"]


async def test_the_first_event_waits_for_the_deferring_process(start_job: StartJob) -> None:
    job = start_job(["true"])
    trigger = Quick(job.job_dir, initial_delay=0.6)
    begun = time.monotonic()
    await event_of(trigger)
    assert time.monotonic() - begun >= 0.6  # a lower bound that holds on any machine
    assert RemoteJobTrigger("cluster", job.job_dir).initial_delay == 10.0


async def test_a_person_who_ends_the_task_interrupts_the_job(start_job: StartJob) -> None:
    job = start_job(["sh", "-c", "trap 'echo interrupted; exit 1' INT; echo ready; while :; do sleep 0.05; done"])
    await until(lambda: b"ready" in job.read_log().data, "the job is ready")
    await Quick(job.job_dir, kill_grace=5.0).on_kill()
    assert job.probe().state is JobState.FINISHED
    assert "interrupted" in job.read_log().text


async def test_a_job_deaf_to_sigint_gets_sigterm(start_job: StartJob) -> None:
    job = start_job(["sh", "-c", "trap '' INT; echo ready; while :; do sleep 0.05; done"])
    await until(lambda: b"ready" in job.read_log().data, "the job is ready")
    trigger = Quick(job.job_dir, kill_grace=0.3)
    await trigger.on_kill()
    assert (job.probe().state, job.probe().exit_code) == (JobState.FINISHED, 143)
    assert [line.split()[1] for line in trigger.said.lines] == ["SIGINT", "SIGTERM"]


async def test_ending_the_task_of_a_finished_job_does_nothing(start_job: StartJob) -> None:
    job = start_job(["true"])
    await event_of(Quick(job.job_dir))
    trigger = Quick(job.job_dir)
    await trigger.on_kill()
    assert trigger.said.lines == []


def test_only_ids_paths_and_numbers_are_serialised() -> None:
    trigger = RemoteJobTrigger("cluster", "/home/gpadmin/greenplum-expansions/x/jobs/prepare", poll_interval=2)
    path, arguments = trigger.serialize()
    assert path == "greenplum_expansion.triggers.jobs.RemoteJobTrigger"
    assert RemoteJobTrigger(**arguments).serialize() == (path, arguments)
    assert all(isinstance(value, str | int | float) for value in arguments.values())


def test_control_sequences_and_endless_lines_do_not_reach_the_log() -> None:
    lines = _Lines()
    status = None
    assert lines.feed(LogChunk(status, 0, b"\x1b[31mred\x1b[0m\r\nsecond \xff\n\nthi")) == ["red", "second \ufffd", ""]  # type: ignore[arg-type]
    assert lines.pending == 3
    assert lines.feed(LogChunk(status, 0, b"rd")) == []  # type: ignore[arg-type]
    assert lines.rest() == ["third"]
    pieces = lines.feed(LogChunk(status, 0, b"x" * 40_000))  # type: ignore[arg-type]
    assert "".join(pieces) == "x" * 40_000
    assert max(map(len, pieces)) <= 16 * 1024

"""Follow a detached job on the coordinator until it ends, without a worker."""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from greenplum_expansion.errors import ExpansionError, RemoteError
from greenplum_expansion.hooks import job_shell
from greenplum_expansion.hooks.jobs import JobState, JobStatus, LogChunk, check_follower, check_job_dir
from greenplum_expansion.hooks.settings import SshSettings
from greenplum_expansion.hooks.shell import Script

if TYPE_CHECKING:
    import asyncssh

# A job that cannot be asked after is neither finished nor lost.
UNREACHABLE = "UNREACHABLE"

_CHUNK = 256 * 1024  # bytes of log per round trip
_LONGEST_LINE = 16 * 1024  # bytes; a longer one is passed on in pieces
_NOTE_AFTER = 600.0  # seconds of silence after which a sign of life is logged
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class RemoteJobTrigger(BaseTrigger):
    """Passes a job's log on line by line and fires once, when the job has ended and its log was read to the end.

    The event: ``{"state": FINISHED | LOST | ABSENT | UNREACHABLE, "exit_code": int | None, "job_dir": str,
    "seconds": int | None, "busy": when it ran, "message": str, "log_tail": str}``. FINISHED says nothing about success.

    What was passed on is noted beside the job, so a triggerer that takes over goes on where the last one stopped.
    Marking the task failed or success, or clearing it, sends SIGINT to the job's process group, and SIGTERM after a
    grace; a restart of the triggerer and a timeout do not. Secrets are read from the connection when it runs.

    :param greenplum_conn_id: connection of type "greenplum"
    :param job_dir: the job's directory on the coordinator
    :param poll_interval: seconds between two looks
    :param initial_delay: seconds before the event at the earliest: a trigger that fires before the deferring process is
        gone fails the task (apache/airflow#72716)
    :param patience: seconds without an answer from the coordinator before UNREACHABLE is fired; the job runs on
    :param kill_grace: seconds between SIGINT and SIGTERM, less than [triggerer] on_kill_timeout (30)
    :param follower: names who reads the log; a new one reads from the start. Default: a new one for each trigger made
    :param command_timeout: seconds for one look
    """

    def __init__(
        self,
        greenplum_conn_id: str,
        job_dir: str,
        poll_interval: float = 5.0,
        initial_delay: float = 10.0,
        patience: float = 1800.0,
        kill_grace: float = 15.0,
        follower: str | None = None,
        command_timeout: float = 60.0,
    ) -> None:
        super().__init__()
        self.greenplum_conn_id = greenplum_conn_id
        self.job_dir = check_job_dir(job_dir)
        self.poll_interval = poll_interval
        self.initial_delay = initial_delay
        self.patience = patience
        self.kill_grace = kill_grace
        self.follower = check_follower(follower or uuid.uuid4().hex)
        self.command_timeout = command_timeout
        self._settings: SshSettings | None = None
        self._connection: asyncssh.SSHClientConnection | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Ids, paths and numbers only."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "greenplum_conn_id": self.greenplum_conn_id,
                "job_dir": self.job_dir,
                "poll_interval": self.poll_interval,
                "initial_delay": self.initial_delay,
                "patience": self.patience,
                "kill_grace": self.kill_grace,
                "follower": self.follower,
                "command_timeout": self.command_timeout,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, pass on, sleep, until the job has ended."""
        clock = asyncio.get_running_loop().time
        earliest = clock() + self.initial_delay
        answered = noted = clock()
        failures = 0
        lines = _Lines()
        offset = -1
        while True:
            try:
                chunk = await self._look(offset)
                if offset < 0 and chunk.offset:
                    self.log.info("Log of %s goes on at byte %d", self.job_dir, chunk.offset)
                said = lines.feed(chunk)
                self._pass_on(said)
                offset = chunk.next_offset
                if said:
                    await self._note(offset - lines.pending)
                    noted = clock()
            except ExpansionError as error:
                failures += 1
                await self._disconnect()
                if clock() - answered > self.patience:
                    await asyncio.sleep(max(0.0, earliest - clock()))
                    yield self._unreachable(error)
                    return
                delay = _backoff(failures)
                self.log.warning("No answer about %s, next attempt in %.0f s. %s", self.job_dir, delay, error)
                await asyncio.sleep(delay)
                continue
            answered, failures = clock(), 0
            status = chunk.status
            if chunk.next_offset < status.log_size and chunk.data:
                continue
            if status.state is not JobState.RUNNING:
                self._pass_on(lines.rest())
                await self._disconnect()
                await asyncio.sleep(max(0.0, earliest - clock()))
                yield self._event(status, lines.tail)
                return
            if clock() - noted > _NOTE_AFTER:
                self.log.info("Job %s still runs (process %s)", self.job_dir, status.pid)
                noted = clock()
            await asyncio.sleep(self.poll_interval)

    def _pass_on(self, lines: list[str]) -> None:
        for line in lines:
            if self.is_worth_reading(line):
                self.log.info("%s", line)

    def is_worth_reading(self, line: str) -> bool:
        """Whether a line goes into the task's log; the job's own log keeps all of them."""
        return True

    async def cleanup(self) -> None:
        """Close the connection; the job runs on."""
        await self._disconnect()

    async def on_kill(self) -> None:
        """End the job: SIGINT, as a DBA would press Ctrl-C; SIGTERM when that was not enough. Never SIGKILL."""
        await self._disconnect()
        for name, grace in (("INT", self.kill_grace), ("TERM", 5.0)):
            status = JobStatus.parse((await self._run(job_shell.signal(self.job_dir, name), "signal")).decode())
            if status.state is not JobState.RUNNING:
                break
            self.log.warning("Sent SIG%s to job %s (process group %s)", name, self.job_dir, status.pid)
            if await self._ends_within(grace):
                break
        else:
            self.log.error("Job %s still runs after SIGINT and SIGTERM; end it by hand", self.job_dir)
        await self._disconnect()

    async def _ends_within(self, seconds: float) -> bool:
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while clock() < deadline:
            await asyncio.sleep(min(0.3, seconds / 10))
            status = JobStatus.parse((await self._run(job_shell.probe(self.job_dir), "probe")).decode())
            if status.state is not JobState.RUNNING:
                return True
        return False

    async def _look(self, offset: int) -> LogChunk:
        text = job_shell.follow(self.job_dir, offset, _CHUNK, self.follower)
        output = await self._run(text, "follow", _CHUNK + 65536)
        try:
            return LogChunk.parse(output)
        except ValueError as error:
            subject = f"Job {self.job_dir}"
            raise RemoteError(subject, f"its status is unreadable: {error}", "look at its directory") from error

    async def _note(self, offset: int) -> None:
        """Remember what was passed on. A failure costs repeated lines after a restart, so it is not worth a failure."""
        try:
            await self._run(job_shell.note(self.job_dir, self.follower, offset), "note")
        except RemoteError as error:
            self.log.debug("Could not note the log position: %s", error)

    async def _run(self, text: str, verb: str, max_output: int = 65536) -> bytes:
        # asyncssh is a third of what importing a DAG costs, once for each task; only the triggerer needs it.
        from greenplum_expansion.hooks import async_session

        if self._settings is None:
            self._settings = await async_session.read_settings(self.greenplum_conn_id)
        if self._connection is None:
            self._connection = await async_session.connect(self._settings)
        script = Script(text, f"{verb} job {self.job_dir}")
        host = self._settings.host
        raw = await async_session.run(self._connection, script, host, self.command_timeout, max_output)
        if raw.exit_code:
            said = raw.stderr.decode("utf-8", "replace").strip()[-500:] or "without a word"
            raise RemoteError(f"{script.name} on {host}", f"exit code {raw.exit_code}: {said}", "look at its directory")
        return raw.stdout

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._settings = None  # read again: the connection may have been corrected meanwhile
        if connection is not None:
            connection.abort()  # an orderly goodbye can hang on a dead peer

    def _event(self, status: JobStatus, tail: str) -> TriggerEvent:
        what = {
            JobState.FINISHED: f"ended with exit code {status.exit_code}",
            JobState.LOST: f"is lost: {status.why}",
            JobState.ABSENT: "was never started, or its directory was removed",
        }[status.state]
        return TriggerEvent(
            {
                "state": status.state.value,
                "exit_code": status.exit_code,
                "job_dir": self.job_dir,
                "seconds": status.seconds,
                "busy": [[status.started, status.finished]] if status.seconds is not None else [],
                "message": f"Job {self.job_dir} {what}.",
                "log_tail": tail,
            }
        )

    def _unreachable(self, error: ExpansionError) -> TriggerEvent:
        return TriggerEvent(
            {
                "state": UNREACHABLE,
                "exit_code": None,
                "job_dir": self.job_dir,
                "seconds": None,
                "message": f"No answer about job {self.job_dir} for {self.patience:g} s; it may still run. {error}",
                "log_tail": "",
            }
        )


class _Lines:
    """Cuts chunks of a log into whole lines, without control sequences."""

    def __init__(self) -> None:
        self._rest = b""
        self.tail = ""  # the last lines, for the event

    @property
    def pending(self) -> int:
        """Bytes fed but not yet given out: the beginning of a line."""
        return len(self._rest)

    def feed(self, chunk: LogChunk) -> list[str]:
        """The lines that are complete with this chunk."""
        data = self._rest + chunk.data
        end = data.rfind(b"\n") + 1
        if not end and len(data) > _LONGEST_LINE:
            end = len(data)
        self._rest = data[end:]
        return self._clean(data[:end])

    def rest(self) -> list[str]:
        """What is left when nothing more will come."""
        data, self._rest = self._rest, b""
        return self._clean(data)

    def _clean(self, data: bytes) -> list[str]:
        lines = [
            _CONTROL.sub("", part).rstrip()
            for line in data.decode("utf-8", "replace").split("\n")
            for part in (line[i : i + _LONGEST_LINE] for i in range(0, max(1, len(line)), _LONGEST_LINE))
        ]
        if lines and not lines[-1]:  # behind the last newline
            lines.pop()
        self.tail = "\n".join([self.tail, *lines])[-2000:].lstrip("\n")
        return lines


def _backoff(failures: int) -> float:
    """Seconds before the next attempt: 1, 2, 4 … 60, with chance in it so that many triggers do not come at once."""
    return float(min(60.0, 2.0 ** min(failures - 1, 6)) * random.uniform(0.75, 1.25))

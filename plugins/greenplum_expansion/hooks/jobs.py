"""Detached jobs on a host: started once, found again, never guessed about.

A job outlives the SSH session, the task, the worker and the triggerer. It is named by its directory alone, so a retry
that names the same directory finds it, whatever has become of it. How, stands in job_shell.py.
"""

from __future__ import annotations

import logging
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from greenplum_expansion.errors import InvalidRequest, RemoteError
from greenplum_expansion.hooks import job_shell
from greenplum_expansion.hooks.shell import RawResult, RemoteShell, Script

log = logging.getLogger(__name__)

SIGNALS = ("INT", "TERM", "HUP", "KILL")
_PATH = re.compile(r"/[^:\x00-\x1f\x7f]*\Z")
_FOLLOWER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")


class JobState(StrEnum):
    """What can be said of a job with certainty."""

    ABSENT = "ABSENT"  # never started
    RUNNING = "RUNNING"  # its recorded process lives
    FINISHED = "FINISHED"  # it ended and left its exit code
    LOST = "LOST"  # its process is gone without an exit code (killed -9, reboot); how it ended is unknown


@dataclass(frozen=True)
class JobStatus:
    """A job at one moment.

    :param pid: the supervisor's, which is also the number of the process group; None when ABSENT
    :param exit_code: of the command (128 + signal when a signal ended it); only when FINISHED
    :param log_size: bytes
    :param started: seconds since 1970 by the host's clock
    :param finished: the same; only when FINISHED
    :param why: in words, when there is something to say ("the host was restarted meanwhile")
    :param same_command: False when ensure_started found the directory used for another command
    """

    state: JobState
    pid: int | None = None
    exit_code: int | None = None
    log_size: int = 0
    started: int | None = None
    finished: int | None = None
    why: str = ""
    same_command: bool = True

    @property
    def seconds(self) -> int | None:
        """Run time of a finished job."""
        return None if self.started is None or self.finished is None else self.finished - self.started

    @classmethod
    def parse(cls, text: str) -> JobStatus:
        """Read what job_shell's scripts print; :raises ValueError: when it is something else."""
        values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        if "state" not in values:
            raise ValueError(f"no job status in {text[:200]!r}")

        def number(name: str) -> int | None:
            return int(values[name]) if values.get(name) else None

        return cls(
            state=JobState(values["state"]),
            pid=number("pid"),
            exit_code=number("exit_code"),
            log_size=number("log_size") or 0,
            started=number("started"),
            finished=number("finished"),
            why=values.get("why", ""),
            same_command=values.get("same_command", "yes") == "yes",
        )


@dataclass(frozen=True)
class LogChunk:
    """A piece of a job's log: bytes ``offset`` to ``next_offset``, and the status read just before it."""

    status: JobStatus
    offset: int
    data: bytes

    @property
    def next_offset(self) -> int:
        """Where to go on reading."""
        return self.offset + len(self.data)

    @property
    def text(self) -> str:
        """The bytes as text, undecodable ones replaced."""
        return self.data.decode("utf-8", "replace")

    @classmethod
    def parse(cls, output: bytes) -> LogChunk:
        """Read what ``job_shell.follow`` prints."""
        header, blank, data = output.partition(b"\n\n")
        text = header.decode("utf-8", "replace")
        match = re.search(r"^offset=(\d+)$", text, re.MULTILINE)
        if not blank or match is None:
            raise ValueError(f"no log in {text[:200]!r}")
        return cls(JobStatus.parse(text), int(match.group(1)), data)


def check_job_dir(path: str) -> str:
    """The path, if it may name a job.

    :raises InvalidRequest: not absolute, not normal, or with ':' or control characters in it (gpexpand's status file
        splits its lines at ':', and a job directory is the working directory of many commands)
    """
    if not _PATH.match(path) or posixpath.normpath(path) != path or path.count("/") < 2:
        cause = "a job directory is an absolute path without ':', control characters, '..', '//' or an ending '/'"
        raise InvalidRequest(f"Job directory {path!r}", cause, "choose another expansion id")
    return path


def check_follower(name: str) -> str:
    """The name, if it may name a follower (it becomes a file name)."""
    if not _FOLLOWER.match(name):
        raise ValueError(f"not the name of a follower: {name!r}")
    return name


class RemoteJob:
    """One command that runs detached on a host, at most once for its job directory.

    :param host: where it runs
    :param job_dir: absolute path there, without ':'; made with mode 700. Its name is the job's identity
    :param argv: the argument vector (quoted here), or a Script (for which signals end bash, too)
    :param cwd: working directory, which must exist; default job_dir
    :param env: exported for the command
    :param setup: trusted shell lines to run before (``CoordinatorEnvironment.setup``)
    """

    def __init__(
        self,
        host: RemoteShell,
        job_dir: str,
        argv: Sequence[str] | Script = (),
        cwd: str | None = None,
        *,
        env: Mapping[str, str] | None = None,
        setup: str = "",
    ) -> None:
        self.host = host
        self.job_dir = check_job_dir(job_dir)
        self.argv = argv
        self.cwd = cwd or job_dir
        exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in (env or {}).items())
        self.setup = "\n".join(part for part in (setup, exports) if part)

    def ensure_started(self) -> JobStatus:
        """Start the job unless it was ever started; in any case say what it is doing now.

        Safe to repeat at any time and from several places: of all attempts one starts it. A job that is RUNNING,
        FINISHED or LOST is left alone, and so is one with another command (``same_command`` is then False, and logged).

        :raises RemoteError: the directory cannot be made, or the job did not start
        """
        if not self.argv:
            raise ValueError(f"job {self.job_dir} has no command")
        body = self.argv.text if isinstance(self.argv, Script) else f"exec {shlex.join(self.argv)}"
        command = job_shell.command(self.job_dir, self.cwd, self.setup, body)
        text = job_shell.start(self.job_dir, job_shell.supervisor(self.job_dir), command)
        status = self._status(self._run(text, "start"))
        if not status.same_command:
            log.warning("Job %s on %s exists with another command; it is kept", self.job_dir, self.host.hostname)
        return status

    def probe(self) -> JobStatus:
        """What the job is doing now; changes nothing."""
        return self._status(self._run(job_shell.probe(self.job_dir), "probe"))

    def read_log(self, offset: int = 0, limit: int = 1024 * 1024) -> LogChunk:
        """Up to ``limit`` bytes of the log from byte ``offset`` on, with the status read just before.

        The log is complete when the status is FINISHED or LOST and ``next_offset`` equals its ``log_size``.
        """
        raw = self._run(job_shell.follow(self.job_dir, offset, limit, "none"), "read log of", limit + 65536)
        try:
            return LogChunk.parse(raw.stdout)
        except ValueError as error:
            raise self._strange(error) from error

    def read_log_tail(self, size: int = 4000) -> str:
        """The last ``size`` bytes of the log as text, for an error message."""
        return self.read_log(max(0, self.probe().log_size - size), size).text

    def signal(self, name: str = "INT") -> JobStatus:
        """Send INT, TERM, HUP or KILL to the job's process group, if it is RUNNING.

        Everything the command started and did not detach gets it: never signal a job that starts the coordinator.

        :return: the status found just before
        """
        name = name.removeprefix("SIG")
        if name not in SIGNALS:
            raise ValueError(f"signal {name!r} is none of {', '.join(SIGNALS)}")
        return self._status(self._run(job_shell.signal(self.job_dir, name), f"send SIG{name} to"))

    def _run(self, text: str, verb: str, max_output: int = 65536) -> RawResult:
        name = f"{verb} job {self.job_dir}"
        raw = self.host.run_raw(Script(text, name), timeout=60, max_output=max_output)
        if raw.exit_code:
            said = self.host.redact(raw.stderr.decode("utf-8", "replace").strip()[-1500:])
            cause = f"exit code {raw.exit_code}: {said or 'without a word'}"
            action = f"check space, owner and permissions of the directory, then clear the task ({self.host.user})"
            raise RemoteError(f"{name[0].upper()}{name[1:]} on {self.host.hostname}", cause, action)
        return raw

    def _status(self, raw: RawResult) -> JobStatus:
        try:
            return JobStatus.parse(raw.stdout.decode("utf-8", "replace"))
        except ValueError as error:
            raise self._strange(error) from error

    def _strange(self, error: ValueError) -> RemoteError:
        action = "look at the files in the directory"
        return RemoteError(f"Job {self.job_dir} on {self.host.hostname}", f"its status is unreadable: {error}", action)

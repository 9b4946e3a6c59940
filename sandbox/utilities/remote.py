"""Commands on this host and, by SSH, on others, with results and errors worded as gppylib's."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from .environment import GPHOME
from .sshpool import POOL

SCP = ("scp", "-q", "-o", "StrictHostKeyChecking=no")
SSH = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "ServerAliveInterval=60")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Result:
    """What a command returned."""

    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"cmd had rc={self.code} completed=True halted=False\n  stdout='{self.stdout}'\n  stderr='{self.stderr}'"


class ExecutionError(Exception):
    """A command failed; the text names the command and quotes what it printed."""

    def __init__(self, summary: str, command: str, result: Result) -> None:
        super().__init__(f"ExecutionError: '{summary}' occurred.  Details: '{command}'  {result}")
        self.result = result


@dataclass(frozen=True)
class RemoteCommand:
    """A shell command for one host, run after sourcing greenplum_path.sh there.

    :param shown: what messages quote instead, where the stand-in runs something else than the real utility
    """

    host: str
    command: str
    shown: str | None = None

    @property
    def script(self) -> str:
        """What the remote shell gets."""
        return f". {GPHOME}/greenplum_path.sh; {self.command}"

    def __str__(self) -> str:
        shown = self.script if self.shown is None else f". {GPHOME}/greenplum_path.sh; {self.shown}"
        escaped = shown.replace('"', '\\"')
        return f'{" ".join(SSH)} {self.host} "{escaped}"'

    def run(self, stdin: str | None = None) -> Result:
        """Run it; a failure is a result, not an exception."""
        return run([*SSH, *POOL.options(self.host), self.host, self.script], stdin=stdin)

    def check(self, summary: str = "Error Executing Command: ") -> Result:
        """Run it; a failure raises ExecutionError."""
        result = self.run()
        if result.code != 0:
            raise ExecutionError(summary, str(self), result)
        return result


def run(argv: Sequence[str], *, stdin: str | None = None, cwd: str | None = None) -> Result:
    """Run a program here. It never reads our stdin: that holds the answers to our own prompts."""
    done = subprocess.run(
        list(argv),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=cwd,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def copy_to(source: str, host: str, target: str) -> Result:
    """scp a file to another host."""
    return run([*SCP, *POOL.options(host), source, f"{host}:{target}"])


def copy_from(host: str, source: str, target: str) -> Result:
    """scp a file from another host."""
    return run([*SCP, *POOL.options(host), f"{host}:{source}", target])


def in_parallel(work: Callable[[T], R], items: Iterable[T], workers: int = 16) -> list[R]:
    """Apply ``work`` to all items at once; results in order, the first exception last, when all have ended."""
    items = list(items)
    if not items:
        return []
    pool = ThreadPoolExecutor(max_workers=max(1, min(workers, len(items))))
    futures = [pool.submit(work, item) for item in items]
    # What has begun is waited for, also when we are interrupted; what has not is dropped then.
    try:
        wait(futures)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [future.result() for future in futures]

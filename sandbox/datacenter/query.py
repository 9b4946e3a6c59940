"""Ask the sandbox's database something from the machine, over SSH and with psql on mdw: no driver needed here."""

from __future__ import annotations

import shlex
import subprocess

from sandbox import layout
from sandbox.datacenter import lifecycle
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.state import State

_PSQL = f'"$({layout.INTERPRETER} -c "from sandbox import layout; print(layout.postgres_bin())")/psql"'


def on_host(state: State, host: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command on a host as gpadmin, output kept."""
    words = lifecycle.ssh_command(state, host, [command])
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def rows(state: State, statement: str, database: str = "postgres") -> list[list[str]]:
    """Rows of a statement, every value as text.

    :raises SandboxError: the database does not answer, or refuses the statement
    """
    arguments = f"-XAt -F '|' -h localhost -p {layout.COORDINATOR_PORT} -d {shlex.quote(database)}"
    done = on_host(state, layout.COORDINATOR.name, f"{_PSQL} {arguments} -c {shlex.quote(statement)}")
    if done.returncode != 0:
        words = done.stderr.strip() or f"exit code {done.returncode}"
        raise SandboxError("The sandbox's database does not answer", words, "python -m sandbox up starts it")
    return [line.split("|") for line in done.stdout.splitlines()]

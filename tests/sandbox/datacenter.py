"""A sandbox under test, handled as its user handles it: by the command line."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.datacenter import control, preflight
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.state import State

ROOT = Path(__file__).resolve().parents[2]


def why_not() -> str | None:
    """Why this machine cannot have hosts."""
    try:
        preflight.check_machine(database=False)
    except SandboxError as error:
        return str(error)
    return None


class Sandbox:
    """One sandbox as its user sees it: the command line and its state directory."""

    def __init__(self, directory: Path, python: str = sys.executable) -> None:
        self.state, self.python = State(directory), python

    def call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`python -m sandbox …`."""
        command = [self.python, "-m", "sandbox", "--state-dir", str(self.state.directory), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def up(self) -> None:
        self.call("up", "--hosts-only")

    def on(self, host: str, command: str, *, root: bool = False, check: bool = True) -> str:
        """What a command prints on a host."""
        done = self.call("ssh", *(["--root"] if root else []), host, command, check=check)
        return done.stdout + ("" if check else done.stderr)

    def lamp(self, host: str) -> dict[str, object]:
        lamp = control.ask(self.state, "status", host)[host]
        assert isinstance(lamp, dict)
        return lamp

    def processes(self) -> dict[int, str]:
        leader = control.leader(self.state)
        return control.processes_of(leader.user_namespace) if leader else {}


def wait_for(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)

"""Driving one practice cluster: up, reset, faults, commands on its hosts over one kept SSH connection each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sandbox.datacenter.state import State

from .compare import Outcome

ROOT = Path(__file__).resolve().parents[3]
COMMAND_SECONDS = 300
"""Only so that a hang ends; no verdict hangs on it."""


class Practice:
    """A sandbox in a state directory.

    :param directory: its state directory; SSH's control sockets lie in it, so the path must not be long
    """

    pristine = False
    """Nobody has used it since it was made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = State(directory)

    def command(self, *arguments: str) -> list[str]:
        """``python -m sandbox …`` with our state directory."""
        return [sys.executable, "-m", "sandbox", "--state-dir", str(self.directory), *arguments]

    def sandbox(self, *arguments: str) -> str:
        """``python -m sandbox …``.

        :raises RuntimeError: with its output
        """
        command = self.command(*arguments)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def up(self, size: int) -> None:
        """Hosts and database."""
        self.sandbox("up", "--size", str(size))

    def reset(self) -> None:
        """As right after the first up; kept SSH connections end first, their hosts are about to be switched off."""
        self.close()
        self.sandbox("reset")

    def down(self) -> None:
        """End all processes and delete the state directory."""
        self.close()
        self.sandbox("down", "--purge")

    def set_fault(self, name: str, value: str) -> None:
        """``sandbox fault set``."""
        self.sandbox("fault", "set", name, value)

    def clear_faults(self, *names: str) -> None:
        """``sandbox fault clear``; without names, all of them."""
        self.sandbox("fault", "clear", *names)

    def _ssh(self, host: str, user: str, *options: str) -> list[str]:
        port = self.state.settings().ports[f"{host}:22"]
        return [
            "ssh", "-q", "-p", str(port), "-i", str(self.state.client_key), "-o", "BatchMode=yes",
            "-o", f"UserKnownHostsFile={self.state.known_hosts}",
            "-o", "ControlMaster=auto", "-o", "ControlPersist=600",
            "-o", f"ControlPath={self.directory}/run/c-{user}-{host}", *options, f"{user}@127.0.0.1",
        ]  # fmt: skip

    def run(
        self, command: str, host: str = "mdw", *, user: str = "gpadmin", answers: str | None = None, tty: bool = False
    ) -> Outcome:
        """A command as gpadmin in a shell that a login by ssh gives; with a terminal, answers are typed into it."""
        if tty:
            return self._type(command, host, (answers or "").splitlines())
        words = [*self._ssh(host, user), command]
        done = subprocess.run(
            words,
            input=answers or "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.replace("\r\n", "\n"), done.stderr.replace("\r\n", "\n"))

    def _type(self, command: str, host: str, answers: list[str]) -> Outcome:
        """With a terminal: an answer is typed whenever the prompt waits, so that its echo stands where a person's does.

        Not over the kept connection: a second session of it gets a terminal without any modes, echo included.
        """
        process = subprocess.Popen(
            ["ssh", "-o", "ControlPath=none", *self._ssh(host, "gpadmin", "-tt")[1:], command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        seen = b""
        while data := process.stdout.read(1):
            seen += data
            if seen.endswith(b"\n> "):  # more questions than answers: end of input, as a person's Ctrl-D
                process.stdin.write(answers.pop(0).encode() + b"\n" if answers else b"\x04")
        return Outcome(process.wait(), seen.decode(errors="replace").replace("\r\n", "\n"))

    def start(self, command: str, host: str = "mdw") -> subprocess.Popen[str]:
        """The same without waiting."""
        return subprocess.Popen(
            [*self._ssh(host, "gpadmin"), command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip

    def finish(self, process: subprocess.Popen[str]) -> Outcome:
        """Wait for what `start` began."""
        stdout, stderr = process.communicate(timeout=COMMAND_SECONDS)
        return Outcome(process.returncode, stdout.replace("\r\n", "\n"), stderr.replace("\r\n", "\n"))

    def close(self) -> None:
        """End the kept SSH connections."""
        for socket in (self.directory / "run").glob("c-*"):
            subprocess.run(
                ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "127.0.0.1"], capture_output=True, check=False
            )

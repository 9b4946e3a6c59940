"""Talk to a running supervisor, and find what runs in its namespaces."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.datacenter import linux
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.state import State


def ask(
    state: State, verb: str, host: str | None = None, *, value: int | None = None, timeout: float = 120.0
) -> dict[str, Any]:
    """Send one request, return its answer.

    :raises SandboxError: the sandbox is down, or the request failed
    """
    directory = -1
    try:
        directory = os.open(state.run, os.O_PATH | os.O_DIRECTORY)
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(timeout)
            control.connect(f"/proc/self/fd/{directory}/{state.control.name}")  # a socket's path has 107 bytes at most
            control.sendall(json.dumps({"verb": verb, "host": host, "value": value}).encode() + b"\n")
            with control.makefile("rb") as stream:
                line = stream.readline()
    except (FileNotFoundError, ConnectionError) as error:
        raise SandboxError(
            f"The sandbox in {state.directory} is down", f"its control socket: {error.strerror}", "python -m sandbox up"
        ) from None
    except TimeoutError:
        raise SandboxError(
            f"The sandbox does not answer to {verb}", f"no reply in {timeout:g} s", f"see {state.logs}/supervisor.log"
        ) from None
    finally:
        if directory >= 0:
            os.close(directory)
    if not line:
        raise SandboxError(
            f"{verb} was not finished", "the sandbox ended meanwhile", f"see {state.logs}/supervisor.log"
        )
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise SandboxError(f"{verb} failed", answer["error"], f"see {state.logs}/supervisor.log")
    return answer


@dataclass(frozen=True)
class Leader:
    """The supervisor as the machine sees it."""

    pid: int
    user_namespace: int


def leader(state: State) -> Leader | None:
    """Who runs the datacenter, or ran it; None when nothing was ever started (or its start failed)."""
    try:
        raw = json.loads((state.run / "supervisor").read_text())
        return Leader(int(raw["pid"]), int(raw["user_namespace"]))
    except (OSError, ValueError, KeyError):
        return None


def processes_of(user_namespace: int) -> dict[int, str]:
    """All processes (pid: command) of the machine that live in that user namespace or in one below it."""
    found = {}
    for entry in (e.name for e in os.scandir("/proc") if e.name.isdigit()):
        try:
            if not _is_dead(entry) and _is_below(entry, user_namespace):
                found[int(entry)] = Path(f"/proc/{entry}/cmdline").read_text().replace("\0", " ").strip()
        except (OSError, UnicodeDecodeError):
            continue  # ended meanwhile, or not ours to look at
    return found


def _is_dead(pid: str) -> bool:
    """A zombie: ended, and its parent (in a container without an init, nobody) has not asked for its exit code."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")


def _is_below(pid: str, user_namespace: int) -> bool:
    fd: int | None = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    while fd is not None:
        try:
            if os.fstat(fd).st_ino == user_namespace:
                return True
            above = linux.parent_user_namespace(fd)
        finally:
            os.close(fd)
        fd = above
    return False

"""Start programs that outlive this one, and end exactly those: by what they are, never by what they are called.

A pid alone is not enough, since the kernel gives it to somebody else later. Each program is started as the leader of a
session of its own and remembered with its start time; to end it, its whole family is collected first (children that
went into sessions of their own included) and then signalled one by one, each checked again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Process:
    """A process of this boot: `started` is field 22 of /proc/PID/stat, in clock ticks since boot."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state != "Z"

    def as_json(self) -> dict[str, int]:
        """For the state file."""
        return {"pid": self.pid, "started": self.started}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Process:
        """From the state file."""
        return cls(int(data["pid"]), int(data["started"]))


@dataclass(frozen=True)
class _Stat:
    pid: int
    state: str
    parent: int
    session: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may itself contain blanks and brackets
    return _Stat(pid, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def start(argv: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str]) -> Process:
    """Start a program in a session of its own, its output appended to `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=dict(env), start_new_session=True
        )
    stat = _stat(child.pid)
    if stat is None:  # cannot be: an unreaped child keeps its entry
        raise ProcessLookupError(f"{argv[0]} (pid {child.pid}) has no entry in /proc")
    return Process(child.pid, stat.started)


def family(leaders: Sequence[Process]) -> list[Process]:
    """The given processes, everything in their sessions and every descendant, as far as they live."""
    everything = {
        stat.pid: stat
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) is not None
    }
    # A session's number is its leader's pid, which the kernel does not give away while the session has a member. So a
    # session belongs to us if its leader lives and is ours, or is gone and everybody in it is younger than it was.
    sessions = {leader.pid: leader.started for leader in leaders}
    chosen: dict[int, _Stat] = {}
    for stat in everything.values():
        if stat.session not in sessions:
            continue
        began = sessions[stat.session]
        leader = everything.get(stat.session)
        if stat.started >= began and (leader is None or leader.started == began):
            chosen[stat.pid] = stat
    grown = True
    while grown:
        grown = False
        for stat in everything.values():
            if stat.pid not in chosen and stat.parent in chosen:
                chosen[stat.pid] = stat
                grown = True
    return [Process(stat.pid, stat.started) for stat in chosen.values() if stat.state != "Z"]


def end(leaders: Sequence[Process], *, patience: float = 20.0) -> None:
    """End the families of these processes: SIGTERM, up to `patience` seconds, then SIGKILL; returns when none lives."""
    members = family(leaders)
    _signal(members, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while members and time.monotonic() < deadline:
        _reap(leaders)
        members = sorted({*family(leaders), *(member for member in members if member.alive)}, key=lambda one: one.pid)
        if members:
            time.sleep(0.1)
    _signal(members, signal.SIGKILL)
    while any(member.alive for member in members):
        _reap(leaders)
        time.sleep(0.05)
    _reap(leaders)


def _signal(members: Sequence[Process], number: signal.Signals) -> None:
    for member in members:
        if member.alive:
            try:
                os.kill(member.pid, number)
            except ProcessLookupError:
                continue  # ended between the look and the signal


def _reap(leaders: Sequence[Process]) -> None:
    """Take the exit codes of those that are children of this very process; the others are init's."""
    for leader in leaders:
        try:
            os.waitpid(leader.pid, os.WNOHANG)
        except ChildProcessError:
            continue

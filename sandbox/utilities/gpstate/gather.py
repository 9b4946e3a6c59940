"""What the hosts and the primaries say about the instances: processes, pid files, lock files, replication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..console import Console
from ..database import rows
from ..environment import Environment
from ..remote import RemoteCommand, in_parallel, run
from ..segments import Array, Segment

_PROBE = """probe() { pid=$(head -1 "$1/postmaster.pid" 2>/dev/null); file=no; [ -f "$1/postmaster.pid" ] && file=yes
lock=no; [ -e "/tmp/.s.PGSQL.$2.lock" ] && lock=yes
alive=no; [ -n "$pid" ] && grep -qsa postgres "/proc/$pid/cmdline" && alive=yes
echo "$1|${pid:-0}|$file|$lock|$alive"; }
"""


@dataclass(frozen=True)
class Process:
    """An instance as its host sees it; all false when the host did not answer.

    :param pid: from postmaster.pid, 0 without one
    """

    pid: int = 0
    pid_file: bool = False
    lock_file: bool = False
    alive: bool = False
    answered: bool = False


@dataclass(frozen=True)
class Replication:
    """A row of gp_stat_replication: a primary's view of its mirror."""

    state: str
    sync_state: str
    sent: str | None
    flush: str | None
    replay: str | None


def processes(environment: Environment, segments: Sequence[Segment], workers: int) -> dict[int, Process]:
    """One SSH login a host (none for our own); by dbid."""
    hosts = list(dict.fromkeys(s.hostname for s in segments))

    def ask(host: str) -> str:
        calls = "".join(f"probe '{s.datadir}' {s.port}\n" for s in segments if s.hostname == host)
        if host == environment.hostname:
            return run(["bash", "-c", _PROBE + calls]).stdout
        return RemoteCommand(host, _PROBE + calls).run().stdout

    found: dict[int, Process] = {}
    for host, text in zip(hosts, in_parallel(ask, hosts, workers), strict=True):
        for line in text.splitlines():
            datadir, pid, pid_file, lock, alive = line.split("|")
            segment = next(s for s in segments if s.hostname == host and s.datadir == datadir)
            found[segment.dbid] = Process(int(pid), pid_file == "yes", lock == "yes", alive == "yes", True)
    return {s.dbid: found.get(s.dbid, Process()) for s in segments}


def replication(connection: Any) -> dict[int, Replication]:
    """By content, -1 for the standby; contents without a mirror that follows are missing."""
    found = rows(
        connection,
        "SELECT gp_segment_id, state, sync_state, sent_location::text, flush_location::text, replay_location::text"
        " FROM gp_stat_replication",
    )
    return {row[0]: Replication(*row[1:]) for row in found if row[1] is not None}


def warn_of_missing(console: Console, array: Array, found: dict[int, Replication]) -> None:
    """One warning for each primary that should have a mirror and sees none."""
    for primary in array.primaries:
        if array.pair(primary) is not None and primary.content not in found:
            console.warning("pg_stat_replication shows no standby connections")


def position(location: str | None) -> int | None:
    """``0/1D698000`` as a number of bytes."""
    if not location:
        return None
    high, low = location.split("/")
    return (int(high, 16) << 32) + int(low, 16)

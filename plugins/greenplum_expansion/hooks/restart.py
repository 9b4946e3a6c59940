"""Stopping and starting the cluster as a detached job, found again while no SQL is answered."""

from __future__ import annotations

import re
import shlex
from typing import Any

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.jobs import JobState, RemoteJob
from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import FileMissing, Script

JOB = "restart_cluster"
_NOTE = "restart.json"
_STOP_SECONDS = 600  # gpstop's own limit, 120, ends in SIGQUIT, after which segments have to recover

# Job control gives each command a process group of its own: a signal to the job's group must never reach the servers
# that gpstart has started (pg_ctl of PostgreSQL 9.4 leaves them in its group).
_BEGIN = """
set -m
say() { printf '%s %s\\n' "$(date +%H:%M:%S)" "$*"; }
runs() { pg_ctl status -D "$MASTER_DATA_DIRECTORY" >/dev/null 2>&1; }
"""
_STOP = """
say 'stopping the cluster'
gpstop -a -M {mode} -t {seconds} </dev/null || say "gpstop ended with exit code $?"
if runs; then say 'the coordinator still runs; nothing is started'; exit 3; fi
"""
# A gpstart that was killed may have left the coordinator up without its segments; the next one would refuse because of
# it. Whoever has started the whole cluster meanwhile has done our work.
_START = """
starting() { pgrep -u "$(id -u)" -f '[b]in/gpstart|[p]g_ctl .*start' >/dev/null; }
if starting; then say 'somebody starts it already; waiting for that to end'; fi
while starting; do sleep 1; done
if runs && grep -q 'role=utility' "$MASTER_DATA_DIRECTORY/postmaster.opts"; then
  say 'the coordinator runs without its segments; ending that first'
  gpstop -a -m -M fast </dev/null
fi
if runs; then say 'it runs already'; exit 0; fi
say 'starting the cluster'
gpstart -a {restricted} </dev/null
"""


def restart_script(mode: str = "fast", *, restricted: bool = False) -> Script:
    """Stop, and start only what is stopped.

    :param mode: fast; or immediate, if some segment does not answer: then unlogged tables are emptied
    :param restricted: superusers only may connect afterwards; gpstart does nothing else while an expansion is half done
    """
    stop = _STOP.replace("{mode}", mode).replace("{seconds}", str(_STOP_SECONDS))
    return Script(_BEGIN + stop + _start(restricted), "restart the cluster")


def start_script(*, restricted: bool = False) -> Script:
    """Start a cluster that is down, or of which only the coordinator runs."""
    return Script(_BEGIN + _start(restricted), "start the cluster")


def _start(restricted: bool) -> str:
    return _START.replace("{restricted} ", "-R " if restricted else "")


def running_job(hook: GreenplumHook, expansion_id: str) -> RemoteJob | None:
    """The restart of this expansion that is at work, looked for without SQL: there may be none at the moment."""
    pattern = f'"$HOME"/greenplum-expansions/{shlex.quote(expansion_id)}/job_{JOB}_*'
    script = Script(f"ls -d -- {pattern} 2>/dev/null; exit 0", "look for a restart")
    found = [
        (int(number.group(1)), path)
        for path in hook.coordinator().run(script).stdout.splitlines()
        if (number := re.search(rf"/job_{JOB}_(\d+)\Z", path))
    ]
    if not found:
        return None
    job = hook.job(max(found)[1])
    return job if job.probe().state is JobState.RUNNING else None


def note_begin(hook: GreenplumHook, directory: ExpansionDirectory) -> None:
    """Keep when the server that is about to be stopped was started; the first time counts."""
    if read_begin(hook, directory) is None:
        started = float(hook.query("postmaster_start")[0]["started"])
        hook.coordinator().write_json(directory.file(_NOTE), {"server_started": started})


def read_begin(hook: GreenplumHook, directory: ExpansionDirectory) -> float | None:
    """Start time of the server that this expansion has stopped; None if it has not."""
    try:
        noted: dict[str, Any] = hook.coordinator().read_json(directory.file(_NOTE))
    except FileMissing:
        return None
    return float(noted["server_started"])


def unreachable_hosts(hook: GreenplumHook, topology: Topology) -> dict[str, str]:
    """Hosts of the cluster that the coordinator cannot log in to, and why: gpstart could not start what lies there."""
    names = sorted(topology.hostnames)
    script = Script("true", "answer")
    return unreached(run_on_members(hook, dict.fromkeys(names, script)), names)

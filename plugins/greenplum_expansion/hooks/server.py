"""The coordinator's server when it may be down: found without SQL, looked at, started and restarted.

gpstart refuses to start a cluster whose expansion is half done, unless restricted to superusers (``-R``); so a rollback
starts it like that, and restarts it for everybody in the end. A note on the coordinator tells a later try that it was
us: a cluster that a person has restricted stays so.
"""

from __future__ import annotations

import posixpath
import shlex
import time
from enum import StrEnum

from greenplum_expansion.cluster.state import ExpansionFacts, ExpansionState, classify
from greenplum_expansion.cluster.topology import Instance, Topology
from greenplum_expansion.errors import ActionRefused, ExpansionError, RemoteError, StepFailed
from greenplum_expansion.hooks.environment import discover
from greenplum_expansion.hooks.facts import read_status_file
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.job_directory import JobDirectory
from greenplum_expansion.hooks.jobs import JobState
from greenplum_expansion.hooks.remote import FileMissing, Script
from greenplum_expansion.hooks.restart import restart_script, start_script
from greenplum_expansion.hooks.settings import extra_text

_JOBS = "rollback_server"  # where the jobs lie that start and restart the cluster
_LOOK_EVERY = 1.0  # seconds
_NOTE = "started_restricted"


class ServerMode(StrEnum):
    """How the coordinator's server runs."""

    DOWN = "down"
    NORMAL = "normal"
    RESTRICTED = "restricted to superusers"
    MAINTENANCE = "in maintenance mode"

    @property
    def answers(self) -> bool:
        """Whether it takes SQL from everybody who may connect."""
        return self not in (ServerMode.DOWN, ServerMode.MAINTENANCE)


def find_server(hook: GreenplumHook) -> ServerMode:
    """Make the hook's environment known, with the server or without it, and say how the server runs.

    Maintenance mode is what a person chose, or what a gpstart that was killed has left: it starts the coordinator alone
    first, to read the catalog.

    :raises RemoteError: it can be neither reached nor found not to answer
    """
    try:
        environment = hook.environment()
    except RemoteError as error:
        _find_without_server(hook, error)
        environment = hook.environment()
    mode = _read_mode(hook, environment.coordinator_data_directory)
    if mode.answers:
        with hook.connected():  # a server that runs but does not answer is none to act on
            pass
    return mode


def reach_coordinator(hook: GreenplumHook) -> ServerMode:
    """As find_server, for those who can do nothing about maintenance mode.

    :raises ActionRefused: the coordinator runs in maintenance mode
    """
    mode = find_server(hook)
    if mode is ServerMode.MAINTENANCE:
        raise ActionRefused(
            f"Coordinator {hook.environment().hostname}",
            "it runs in maintenance mode, without its segments; a gpstart that was killed leaves it so, too",
            "end that with 'gpstop -a -m' on the coordinator, then clear this task",
        )
    return mode


def read_state_without_server(hook: GreenplumHook) -> ExpansionState | None:
    """The state of a cluster that is down, as far as files tell; None if there is no status file to tell it."""
    text = read_status_file(hook)
    if text is None:
        return None
    return classify(ExpansionFacts(text, gpexpand_pid=None, schema_exists=False, schema_status=None))


def _find_without_server(hook: GreenplumHook, error: RemoteError) -> None:
    """Adopt the environment that the newest plan or the connection tells; `error` again if the server takes SQL."""
    coordinator = _planned_coordinator(hook)
    extra = hook.connection.extra_dejson
    where = extra_text(extra, "coordinator_data_directory") or (coordinator.datadir if coordinator else None)
    if where is None or coordinator is None:
        raise error
    _require_coordinator_directory(hook, where, coordinator, error)
    environment = discover(
        hook.coordinator(),
        data_directory=where,
        port=coordinator.port,
        hostname=coordinator.hostname,
        backend_pid=None,
        gphome=extra_text(extra, "gphome"),
    )
    if _read_mode(hook, where).answers:
        raise error
    hook.adopt_environment(environment)


def _planned_coordinator(hook: GreenplumHook) -> Instance | None:
    """The coordinator as the newest expansion's plan recorded it; None if there is no plan."""
    script = Script(
        r"""
cd ~/greenplum-expansions 2>/dev/null || exit 0
id=$(sed -n 's/.*"expansion_id": *"\([A-Za-z0-9_.-]*\)".*/\1/p' claim.json | head -n 1)
[ -z "$id" ] || printf '%s\n' "$PWD/$id/plan.json"
""",
        "look for the newest expansion",
    )
    path = hook.coordinator().run(script, check=False).stdout.strip()
    if not path:
        return None
    try:
        return Topology.from_rows(hook.coordinator().read_json(path)["before"]).coordinator
    except FileMissing:
        return None


def _require_coordinator_directory(hook: GreenplumHook, where: str, coordinator: Instance, error: RemoteError) -> None:
    """The directory must be that very instance's, and no standby's: there the same path exists, too."""
    quoted = shlex.quote(where)
    script = Script(
        f"cd -- {quoted} || exit 1\n"
        "[ ! -e recovery.conf ] && [ ! -e standby.signal ] || { echo standby; exit 0; }\n"
        r"sed -n 's/^gp_dbid *= *\([0-9]*\).*/\1/p' internal.auto.conf | tail -n 1",
        "look whose data directory it is",
    )
    result = hook.coordinator().run(script, check=False)
    if result.stdout.strip() != str(coordinator.dbid):
        raise RemoteError(
            error.subject,
            f"{error.cause}; and {where} on {hook.coordinator().hostname} is not that of the {coordinator}",
            error.next_action,
        ) from error


def _read_mode(hook: GreenplumHook, where: str) -> ServerMode:
    """From the server's process and the options it was started with, as gpexpand's own get_local_db_mode looks."""
    script = Script(
        f"""
cd -- {shlex.quote(where)} || exit 1
read -r pid < postmaster.pid 2>/dev/null || {{ echo down; exit 0; }}
case $pid in ''|*[!0-9]*) echo down; exit 0;; esac
args=$(tr '\\0' ' ' 2>/dev/null < "/proc/$pid/cmdline") || args=
case $args in *{shlex.quote(where)}*) ;; *) echo down; exit 0;; esac  # a pid that was reused
case $(cat postmaster.opts 2>/dev/null) in
    *superuser_reserved_connections*) echo restricted ;;
    *role=utility*) echo maintenance ;;
    *) echo normal ;;
esac""",
        "look how the server runs",
    )
    return ServerMode[hook.coordinator().run(script).stdout.strip().upper()]


def start(hook: GreenplumHook, *, restricted: bool) -> None:
    """Start the cluster that is down, restricted to superusers or for everybody.

    :raises StepFailed: with the last words of gpstart, if no SQL is answered afterwards
    """
    if restricted:
        _note(hook)
    _run(hook, start_script(restricted=restricted))


def restart_for_everybody(hook: GreenplumHook) -> None:
    """Restart a cluster that was started restricted by us; its half-done expansion must be over by now.

    :raises StepFailed: as start; or it runs restricted still
    """
    said = _run(hook, restart_script())
    mode = _read_mode(hook, hook.environment().coordinator_data_directory)
    if mode is not ServerMode.NORMAL:
        raise StepFailed(
            "Opening the cluster", f"it runs {mode} still. The job said: {said}", "mend the cause, then clear this task"
        )
    forget_note(hook)


def restart_restricted(hook: GreenplumHook) -> None:
    """Restart a cluster of which some segment does not answer, restricted to superusers.

    :raises StepFailed: as start
    """
    _note(hook)
    _run(hook, restart_script("immediate", restricted=True))


def was_restricted_by_us(hook: GreenplumHook) -> bool:
    """Whether it was a rollback that started the cluster restricted."""
    return hook.coordinator().exists(_note_path(hook))


def forget_note(hook: GreenplumHook) -> None:
    """The cluster runs for everybody."""
    hook.coordinator().run(["rm", "-f", "--", _note_path(hook)])


def _note(hook: GreenplumHook) -> None:
    hook.coordinator().make_directory(hook.environment().expansions_directory)
    hook.coordinator().write_text(_note_path(hook), "by greenplum_rollback\n")


def _note_path(hook: GreenplumHook) -> str:
    return posixpath.join(hook.environment().expansions_directory, _NOTE)


def _run(hook: GreenplumHook, script: Script) -> str:
    """Have a detached job stop or start the cluster, and wait for it; its last words.

    Nothing that happens to this task interrupts it: a server that is killed while it recovers, or a cluster left down
    between stop and start, would be worse. A retry finds the job that is at work, and waits for that.
    """
    job = JobDirectory(hook, _JOBS).start_job("server", script)
    while job.probe().state is JobState.RUNNING:
        time.sleep(_LOOK_EVERY)
    said = " / ".join(job.read_log_tail().splitlines()[-5:])
    try:
        with hook.connected():
            return said
    except ExpansionError as error:
        raise StepFailed(
            f"{script.name} on the coordinator",
            f"the server does not answer: {error.cause}. The job said: {said}",
            "see ~/gpAdminLogs there, mend the cause, then clear this task",
        ) from error

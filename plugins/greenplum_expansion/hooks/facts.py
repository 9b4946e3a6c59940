"""What nearly every task asks: the version, the catalog, and the phase of the expansion."""

from __future__ import annotations

import shlex

from greenplum_expansion.cluster.flavors import GpexpandOptions, Version, parse_version
from greenplum_expansion.cluster.state import ExpansionFacts, ExpansionState, classify
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.hooks import sql_words
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import Script

SCHEMA_DATABASE = "postgres"  # where gpexpand keeps its schema, from Greenplum 6 on


def read_version(hook: GreenplumHook) -> Version:
    """Which member of the family the server is, and its release; :raises ActionRefused: none that is known here."""
    text = str(hook.query("server_identity")[0]["version"])
    version = parse_version(text)
    if version is None:
        cause = f"the server is of no version known here: {sql_words.product(text)}"
        action = "let the connection point to the coordinator of a Greenplum cluster"
        raise ActionRefused(f"Connection {hook.greenplum_conn_id}", cause, action)
    return version


def read_gpexpand_options(hook: GreenplumHook) -> GpexpandOptions:
    """What the installed gpexpand understands.

    The help of 6.24.3 and 7.0.0 is older than the program. That is a script, so its declarations count, too.
    """
    text = 'gpexpand --help; grep -ah "add_option(" -- "$(command -v gpexpand)"; exit 0'
    script = Script(text, "ask gpexpand for its options")
    result = hook.coordinator().run(script, stdin="", timeout=60, setup=hook.environment().setup)
    return GpexpandOptions.parse(result.stdout)


def read_topology(hook: GreenplumHook) -> Topology:
    """The cluster as its catalog tells it now."""
    return Topology.from_rows(hook.query("segment_configuration"))


def read_probed_topology(hook: GreenplumHook) -> Topology:
    """The cluster after every segment was looked at: a segment that has just died still counts as up before."""
    with hook.connected() as connection:
        hook.query("request_fts_probe", connection=connection)
        return Topology.from_rows(hook.query("segment_configuration", connection=connection))


def read_expansion_state(hook: GreenplumHook) -> ExpansionState:
    """In which phase the cluster is, from gpexpand's status file, its process and its schema."""
    status_file, pid = _read_coordinator_files(hook)
    with hook.connected(SCHEMA_DATABASE) as connection:
        schema = hook.query("expansion_schema_exists", connection=connection)[0]
        rows = hook.query("expansion_status", connection=connection) if schema["status_exists"] else []
    return classify(
        ExpansionFacts(
            status_file=status_file,
            gpexpand_pid=pid,
            schema_exists=schema["schema_exists"],
            schema_status=rows[0]["status"] if rows else None,
        )
    )


def read_status_file(hook: GreenplumHook) -> str | None:
    """Text of gpexpand's status file; None if there is none."""
    return _read_coordinator_files(hook)[0]


def _read_coordinator_files(hook: GreenplumHook) -> tuple[str | None, int | None]:
    """Text of the status file, and pid of a living gpexpand; both None if not there.

    A pid file left by SIGTERM or SIGKILL names a process that is gone, or by now is another: so its command line is
    looked at.
    """
    directory = shlex.quote(hook.environment().coordinator_data_directory)
    script = Script(
        f"""
cd -- {directory} || exit 1
pid=
[ -r gpexpand.pid ] && pid=$(tr -dc 0-9 < gpexpand.pid)
if [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] && tr '\\0' ' ' < "/proc/$pid/cmdline" | grep -q gpexpand; then
    echo "pid $pid"
else
    echo "pid"
fi
[ -e gpexpand.status ] || exit 0
echo file
cat gpexpand.status
""",
        "read gpexpand's files",
    )
    lines = hook.coordinator().run(script).stdout.splitlines(keepends=True)
    pid_text = lines[0].removeprefix("pid").strip()
    status_file = "".join(lines[2:]) if len(lines) > 1 else None
    return status_file, int(pid_text) if pid_text else None

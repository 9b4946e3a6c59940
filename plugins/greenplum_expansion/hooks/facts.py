"""Reading what the checks and decisions need: from the catalog, from gpexpand's files, from the hosts."""

from __future__ import annotations

import ipaddress
import posixpath
import shlex
from collections.abc import Sequence

from greenplum_expansion.checks.cluster import ServerFacts
from greenplum_expansion.checks.databases import DatabaseFacts
from greenplum_expansion.checks.new_hosts import DirectoryState, NewHostFacts
from greenplum_expansion.cluster.state import ExpansionFacts, ExpansionState, classify
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.known_hosts import Trust
from greenplum_expansion.hooks.remote import Script

SCHEMA_DATABASE = "postgres"  # where gpexpand keeps its schema, from Greenplum 6 on

# What gpexpand calls on a new host over ssh (6.24.3: gpconfigurenewsegment, gprecoverseg, scp of the template).
_TOOLS = ("tar", "scp", "ssh", "rsync", "ps", "hostname")


def read_topology(hook: GreenplumHook) -> Topology:
    """The cluster as its catalog tells it now."""
    return Topology.from_rows(hook.query("segment_configuration"))


def read_probed_topology(hook: GreenplumHook) -> Topology:
    """The cluster after every segment was looked at: a segment that has just died still counts as up before."""
    with hook.connected() as connection:
        hook.query("request_fts_probe", connection=connection)
        return Topology.from_rows(hook.query("segment_configuration", connection=connection))


def read_server(hook: GreenplumHook) -> ServerFacts:
    """What the coordinator says of itself.

    :raises RemoteError: no SQL, no SSH, no gpexpand, not Greenplum, not a superuser: the hook's environment needs all
    """
    hook.environment()
    row = hook.query("server_identity")[0]
    return ServerFacts(version_text=row["version"], max_connections=row["max_connections"])


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


def read_closed_databases(hook: GreenplumHook) -> list[str]:
    """Databases that allow no connections, template0 aside."""
    return [row["name"] for row in hook.query("databases_closed")]


def read_databases(hook: GreenplumHook) -> list[DatabaseFacts]:
    """What matters to gpexpand in each database that allows connections."""
    found = []
    for dbname in hook.databases():
        with hook.connected(dbname) as connection:
            strays = hook.query("partitions_outside_root_schema", connection=connection)
            views = hook.query("materialized_views_without_data", connection=connection)
            settings = hook.query("session_settings", connection=connection)
        found.append(
            DatabaseFacts(
                dbname,
                stray_partitions={row["fq_name"]: row["root_schema"] for row in strays},
                empty_views=tuple(row["fq_name"] for row in views),
                settings={row["name"]: row["value"] for row in settings},
            )
        )
    return found


def read_gp_version(hook: GreenplumHook) -> str:
    """What ``postgres --gp-version`` says on the coordinator; new hosts must say the same."""
    binary = posixpath.join(hook.environment().gphome, "bin", "postgres")
    return hook.coordinator().run([binary, "--gp-version"]).stdout.strip()


def read_new_host(
    hook: GreenplumHook,
    hostname: str,
    address: str,
    directories: Sequence[str],
    ports: Sequence[int],
    host_key: str | None = None,
) -> NewHostFacts:
    """Look at one new host, through the coordinator and as the cluster's user.

    :raises RemoteError: it cannot be reached or logged into; the error says which and what to do
    """
    resolved = _resolve_on_coordinator(hook, hostname)
    if not (resolved if address == hostname else _resolve_on_coordinator(hook, address)):
        raise RemoteError(
            f"New host {hostname}",
            f"the coordinator {hook.environment().hostname} does not know the name {address}",
            "correct it, or add it to /etc/hosts or DNS on every host of the cluster",
        )
    host = hook.host(hostname, address, host_key=host_key)
    binary = shlex.quote(posixpath.join(hook.environment().gphome, "bin", "postgres"))
    script = Script(
        "\n".join(
            [
                "export LC_ALL=C",
                'for a in $(hostname -I 2>/dev/null) 127.0.0.1; do echo "address $a"; done',
                f'[ -x {binary} ] && echo "version $({binary} --gp-version 2>/dev/null)"',
                f'for t in {" ".join(_TOOLS)}; do command -v $t >/dev/null || echo "missing $t"; done',
                _LOOK_AT_DIRECTORY,
                *(f"look {shlex.quote(path)}" for path in directories),
                _LISTENING,
                *(f"listens {int(port)} && echo 'port {int(port)}'" for port in ports),
                "true",
            ]
        ),
        f"look at {hostname}",
    )
    said: dict[str, list[str]] = {}
    for line in host.run(script).stdout.splitlines():
        word, _, rest = line.partition(" ")
        said.setdefault(word, []).append(rest)
    found = dict(entry.rsplit("=", 1) for entry in said.get("directory", []))
    fact = host.host_key
    own_addresses = tuple(dict.fromkeys(said.get("address", [])))
    return NewHostFacts(
        hostname=hostname,
        resolved=resolved,
        own_addresses=own_addresses,
        member=_member_with_address(hook, own_addresses),
        gp_version=said["version"][0] if said.get("version") else None,
        missing_tools=tuple(said.get("missing", [])),
        directories={path: DirectoryState(state) for path, state in found.items()},
        ports_in_use=tuple(int(port) for port in said.get("port", [])),
        host_key_note=fact.fingerprint if fact.trust is Trust.ACCEPTED else "",
    )


def _resolve_on_coordinator(hook: GreenplumHook, hostname: str) -> tuple[str, ...]:
    result = hook.coordinator().run(["getent", "ahosts", hostname], check=False)
    return tuple(dict.fromkeys(line.split()[0] for line in result.stdout.splitlines() if line.strip()))


def _member_with_address(hook: GreenplumHook, addresses: Sequence[str]) -> str:
    """Name of the cluster's host that has one of these addresses, under whatever name it was reached; else empty."""
    mine = {address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_loopback}
    members = {instance.address: instance.hostname for instance in read_topology(hook).instances}
    lines = [f"echo {shlex.quote(name)} $(getent ahosts {shlex.quote(name)} | cut -d' ' -f1)" for name in members]
    said = hook.coordinator().run(Script("\n".join(lines), "resolve the cluster's hosts"), check=False).stdout
    for line in said.splitlines():
        name, *resolved = line.split()
        if mine & set(resolved):
            return members[name]
    return ""


# A directory can be made if its nearest existing ancestor can be written; gpexpand makes it with mkdir -p.
_LOOK_AT_DIRECTORY = f"""
look() {{
    if [ -d "$1" ]; then
        if [ -n "$(ls -A -- "$1" 2>/dev/null)" ]; then state='{DirectoryState.NOT_EMPTY}'
        elif [ -w "$1" ] && [ -x "$1" ]; then state='{DirectoryState.EMPTY}'
        else state='{DirectoryState.NOT_WRITABLE}'; fi
    elif [ -e "$1" ] || [ -L "$1" ]; then state='{DirectoryState.NOT_A_DIRECTORY}'
    else
        up=$1
        while [ ! -e "$up" ]; do up=$(dirname -- "$up"); done
        if [ -d "$up" ] && [ -w "$up" ] && [ -x "$up" ]; then state='{DirectoryState.ABSENT}'
        else state='{DirectoryState.NOT_WRITABLE}'; fi
    fi
    echo "directory $1=$state"
}}"""

# Reads the kernel's table rather than calling ss or netstat, which minimal systems lack. 0A is LISTEN.
_LISTENING = """
listens() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$(printf '%04X' "$1")" '
        $4 == "0A" && substr($2, length($2) - 4) == p { found = 1 }
        END { exit !found }'
}"""

"""Reading what the checks of the cluster judge, in few round trips."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from greenplum_expansion.checks.activity import UTILITIES, Session, Utility, utilities_in_sessions, utility_of
from greenplum_expansion.checks.cluster import Replication, ServerFacts
from greenplum_expansion.checks.databases import DatabaseFacts
from greenplum_expansion.checks.gpstate import GpstateReports
from greenplum_expansion.checks.settings import SettingsFacts
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.facts import read_version
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import Script


def read_server(hook: GreenplumHook) -> ServerFacts:
    """What the coordinator says of itself.

    :raises RemoteError: no SQL, no SSH, no gpexpand, not Greenplum, not a superuser: the hook's environment needs all
    """
    hook.environment()
    return ServerFacts(version_text=hook.query("server_identity")[0]["version"])


def read_settings(hook: GreenplumHook) -> SettingsFacts:
    """Settings of the coordinator, and what stands against them."""
    with hook.connected() as connection:
        settings = {row["name"]: row["setting"] for row in hook.query("cluster_settings", connection=connection)}
        sessions = [Session.from_row(row) for row in hook.query("sessions", connection=connection)]
        tablespaces = tuple(row["name"] for row in hook.query("tablespaces", connection=connection))
    trees = {}
    for dbname in hook.databases():
        for row in hook.query("largest_partition_tree", dbname=dbname):
            trees[dbname] = (row["fq_name"], row["tables"])
    return SettingsFacts(settings, sum(not session.is_ours for session in sessions), trees, tablespaces)


def read_checksums(hook: GreenplumHook, topology: Topology) -> tuple[dict[int, str], dict[str, str]]:
    """Version of the data page checksums of every instance, as pg_controldata on its host tells it.

    :return: by dbid, empty where pg_controldata could not read it; and hosts that could not be looked at, with why
    """
    path_script = hook.environment().path_script
    scripts = {}
    for host in sorted(topology.hostnames):
        lines = [f". {shlex.quote(path_script)} >/dev/null 2>&1"]
        for instance in topology.on_host(host):
            read = f"pg_controldata {shlex.quote(instance.datadir)} 2>/dev/null"
            value = "sed -n 's/^Data page checksum version: *//p'"
            lines.append(f'echo "checksum {instance.dbid} $({read} | {value})"')
        scripts[host] = Script("\n".join(lines), "read control data")
    answers = run_on_members(hook, scripts)
    found: dict[int, str] = {}
    for result in answers.values():
        for dbid, value in re.findall(r"^checksum (\d+) ?(\d*)$", result.stdout, re.MULTILINE):
            found[int(dbid)] = value
    return found, unreached(answers, list(scripts))


def read_replication(hook: GreenplumHook) -> list[Replication]:
    """Who follows the coordinator and the primaries."""
    return [Replication.from_row(row) for row in hook.query("replication")]


def read_sessions(hook: GreenplumHook, connection: Any = None) -> list[Session]:
    """Sessions of clients, the one that asks aside; those in the oldest transactions first."""
    return [Session.from_row(row) for row in hook.query("sessions", connection=connection)]


def read_utilities(hook: GreenplumHook, sessions: Sequence[Session], own_directory: str) -> list[Utility]:
    """Utilities at work: processes on the coordinator's host, and sessions by the name of their application.

    :param own_directory: of this expansion; what runs below it was started by it
    """
    names = "|".join(re.escape(name) for name in sorted(UTILITIES))
    # Arguments are separated by newlines here, so that a path with a blank stays one word.
    script = Script(
        f"""
for p in $(ps -eo pid=,args= | awk '$0 ~ /(^|[ \\/])({names})( |$)/ && $1 != '"$$"' {{ print $1 }}'); do
    [ -r "/proc/$p/cmdline" ] || continue
    printf 'process\\t%s\\t%s\\n' "$p" "$(readlink "/proc/$p/cwd")"
    head -c 2000 "/proc/$p/cmdline" | tr '\\n\\0' ' \\n' | head -n 4
    echo
done
true""",
        "look for utilities",
    )
    found = []
    here = hook.environment().hostname
    for block in hook.coordinator().run(script).stdout.split("process\t")[1:]:
        first, _, rest = block.partition("\n")
        pid, _, directory = first.partition("\t")
        name = utility_of([word for word in rest.split("\n") if word])
        if name and not _is_below(directory, own_directory):
            found.append(Utility(name, f"process {pid} on {here}"))
    of_processes = {utility.name for utility in found}
    return found + [u for u in utilities_in_sessions(sessions) if u.name not in of_processes]


def _is_below(path: str, directory: str) -> bool:
    return posixpath.normpath(path) == directory or path.startswith(f"{directory}/")


def read_gpstate(hook: GreenplumHook) -> GpstateReports:
    """gpstate's reports on segments, standby, versions and mirrors; one that fails is read all the same."""
    reports: dict[str, str | None] = {}
    for name, option in (("mirroring", "-e"), ("standby", "-f"), ("versions", "-i"), ("mirrors", "-m")):
        result = hook.run_utility(["gpstate", option], check=False, stdin="")
        reports[name] = result.stdout if "Obtaining Segment details" in result.stdout else None
    return GpstateReports(**reports)


def read_closed_databases(hook: GreenplumHook) -> list[str]:
    """Databases that allow no connections, template0 aside."""
    return [row["name"] for row in hook.query("databases_closed")]


def read_databases(hook: GreenplumHook) -> list[DatabaseFacts]:
    """What matters to gpexpand in each database that allows connections."""
    strays_matter = read_version(hook).flavor.finds_leaves_in_root_schema
    found = []
    for dbname in hook.databases():
        with hook.connected(dbname) as connection:

            def rows(name: str, connection: Any = connection) -> list[dict[str, Any]]:
                return hook.query(name, connection=connection)

            def names(name: str, rows: Any = rows) -> tuple[str, ...]:
                return tuple(row["fq_name"] for row in rows(name))

            strays = rows("partitions_outside_root_schema") if strays_matter else []
            found.append(
                DatabaseFacts(
                    dbname,
                    stray_partitions={row["fq_name"]: row["root_schema"] for row in strays},
                    empty_views=names("materialized_views_without_data"),
                    settings={row["name"]: row["value"] for row in rows("session_settings")},
                    invalid_indexes={row["fq_name"]: row["fq_table"] for row in rows("invalid_indexes")},
                    without_policy=names("tables_without_policy"),
                    without_files=_read_missing_files(rows),
                    too_wide={row["fq_name"]: row["segments"] for row in rows("policies_too_wide")},
                    unlogged=names("unlogged_tables"),
                )
            )
    return found


def _read_missing_files(rows: Any) -> Mapping[str, tuple[int, ...]]:
    """Relations without file, with the contents where; asked twice, as one made or dropped meanwhile looks like one."""
    once = {(row["oid"], row["content"]): row["fq_name"] for row in rows("relations_without_file")}
    if not once:
        return {}
    missing: dict[str, tuple[int, ...]] = {}
    for row in rows("relations_without_file"):
        if (row["oid"], row["content"]) in once:
            missing[row["fq_name"]] = (*missing.get(row["fq_name"], ()), row["content"])
    return missing

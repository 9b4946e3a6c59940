"""How the cluster was before the expansion: catalogs, settings, configuration files. Small, taken in any case.

It restores nothing by itself. It is what a person compares with, and the only place where the old distribution of every
table and each host's pg_hba.conf can be looked up afterwards.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import posixpath
import shlex
from collections.abc import Iterable
from typing import Any

from greenplum_expansion.cluster.topology import Instance, Topology
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import Script

log = logging.getLogger(__name__)

DIRECTORY = "snapshot"
MANIFEST = "manifest.json"
# Not recovery.conf, which is all about replication and may hold its password. From PostgreSQL 12 on that stands in
# postgresql.auto.conf, so whatever may be a secret is taken out of the copies before they leave their host.
_FILES = "postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf internal.auto.conf gp_dbid PG_VERSION"


def take_snapshot(hook: GreenplumHook, directory: ExpansionDirectory) -> dict[str, Any]:
    """Write everything to ``snapshot`` in the expansion's directory, with mode 600, the manifest last.

    Repeating it replaces what is there; each file atomically.

    :return: ``{directory, files, size_bytes, missing}``; `missing` names hosts whose files could not be read
    """
    coordinator = hook.coordinator()
    directory.ensure()
    path = directory.file(DIRECTORY)
    coordinator.make_directory(path)
    topology = read_topology(hook)
    written: dict[str, bytes] = {}
    for name, rows in _tables(hook, topology):
        written[name] = (json.dumps(rows, indent=1, ensure_ascii=False, default=str) + "\n").encode()
    archives, missing = _configurations(hook, topology)
    written |= {f"configuration_{host}.tar.gz": data for host, data in archives.items()}
    for host, why in missing.items():
        # A host that is down is told by the check of segments; the snapshot of the others is worth having.
        log.warning("Configuration files of %s are not in the snapshot: %s", host, why)
    for name, data in written.items():
        coordinator.write_bytes(posixpath.join(path, name), data)
    files = {name: {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for name, d in sorted(written.items())}
    summary = {
        "directory": path,
        "files": len(files),
        "size_bytes": sum(map(len, written.values())),
        "missing": missing,
    }
    coordinator.write_json(posixpath.join(path, MANIFEST), {**summary, "files": files})
    return summary


def _tables(hook: GreenplumHook, topology: Topology) -> Iterable[tuple[str, Any]]:
    yield "gp_segment_configuration.json", topology.to_rows()
    with hook.connected() as connection:
        for name, statement in (
            ("identity.json", "snapshot_identity"),
            ("databases.json", "snapshot_databases"),
            ("settings.json", "snapshot_settings"),
            ("role_settings.json", "snapshot_role_settings"),
        ):
            yield name, hook.query(statement, connection=connection)
    yield (
        "gp_distribution_policy.json",
        {dbname: hook.query("snapshot_distribution", dbname=dbname) for dbname in hook.databases()},
    )


def _by_host(topology: Topology) -> list[tuple[str, list[Instance]]]:
    hosts: dict[str, list[Instance]] = {}
    for instance in topology.instances:
        hosts.setdefault(instance.hostname, []).append(instance)
    return sorted(hosts.items())


def _configurations(hook: GreenplumHook, topology: Topology) -> tuple[dict[str, bytes], dict[str, str]]:
    """A tar archive a host with the configuration files of all its instances, and the hosts without one."""
    scripts = {hostname: _tar(instances) for hostname, instances in _by_host(topology)}
    results = run_on_members(hook, scripts, timeout=120)
    missing = unreached(results, list(scripts))
    found = {}
    for hostname in scripts.keys() - missing.keys():
        try:
            found[hostname] = base64.b64decode(results[hostname].stdout)
        except binascii.Error:
            missing[hostname] = "its answer cannot be read"
    return found, missing


# Settings whose value may be a secret; and words behind which one stands, in a connection string or pg_hba.conf. Cut to
# the end of the line: no quoting hides a part of it.
_SECRET = (
    r"s/((primary_conninfo|ssl_passphrase_command)[[:space:]]*(=|[[:space:]])).*/\1 (removed)/I",
    r"s/((password|passwd|secrets?)[[:space:]]*=).*/\1 (removed)/I",
)


def _tar(instances: list[Instance]) -> Script:
    """A tar of copies without secrets. Which files there are differs from version to version."""
    directories = " ".join(shlex.quote(instance.datadir) for instance in instances)
    cut = " ".join(f"-e {shlex.quote(expression)}" for expression in _SECRET)
    text = f"""
umask 077
copies=$(mktemp -d) || exit 1
trap 'rm -rf -- "$copies"' EXIT
for directory in {directories}; do
    mkdir -p -- "$copies$directory" || exit 1
    for file in {_FILES}; do
        [ -f "$directory/$file" ] || continue
        copy=$copies$directory/$file
        sed -E {cut} <"$directory/$file" >"$copy" || exit 1
        chmod --reference="$directory/$file" -- "$copy" && touch -r "$directory/$file" -- "$copy" || exit 1
        printf '%s\\0' "${{directory#/}}/$file" >>"$copies/list"
    done
done
touch -- "$copies/list"
tar -C "$copies" --null --no-recursion -T "$copies/list" -czf - | base64
[ "${{PIPESTATUS[0]}}" = 0 ]"""
    return Script(text, "read configuration files")

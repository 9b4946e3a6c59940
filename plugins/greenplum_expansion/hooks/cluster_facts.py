"""Reading what the checks of the cluster judge."""

from __future__ import annotations

from greenplum_expansion.checks.cluster import ServerFacts
from greenplum_expansion.checks.databases import DatabaseFacts
from greenplum_expansion.hooks.facts import read_version
from greenplum_expansion.hooks.greenplum import GreenplumHook


def read_server(hook: GreenplumHook) -> ServerFacts:
    """What the coordinator says of itself.

    :raises RemoteError: no SQL, no SSH, no gpexpand, not Greenplum, not a superuser: the hook's environment needs all
    """
    hook.environment()
    row = hook.query("server_identity")[0]
    return ServerFacts(version_text=row["version"], max_connections=row["max_connections"])


def read_closed_databases(hook: GreenplumHook) -> list[str]:
    """Databases that allow no connections, template0 aside."""
    return [row["name"] for row in hook.query("databases_closed")]


def read_databases(hook: GreenplumHook) -> list[DatabaseFacts]:
    """What matters to gpexpand in each database that allows connections."""
    found = []
    strays_matter = read_version(hook).flavor.finds_leaves_in_root_schema
    for dbname in hook.databases():
        with hook.connected(dbname) as connection:
            strays = hook.query("partitions_outside_root_schema", connection=connection) if strays_matter else []
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

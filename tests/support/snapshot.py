"""What of a cluster must not change when nothing may change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from greenplum_expansion.hooks.greenplum import GreenplumHook

_STATEMENTS = {
    "instances": """
        SELECT dbid, content, preferred_role, port, hostname, datadir FROM gp_segment_configuration ORDER BY 1""",
    "policies": """
        SELECT localoid::bigint, policytype::text, numsegments, distkey::text FROM gp_distribution_policy ORDER BY 1""",
    "schemas": "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
}


@contextmanager
def hook_for(connection: Mapping[str, Any], connection_id: str = "under_test") -> Iterator[GreenplumHook]:
    """A hook of this process, outside any task."""
    name = f"AIRFLOW_CONN_{connection_id.upper()}"
    os.environ[name] = json.dumps(connection)
    hook = GreenplumHook(connection_id)
    try:
        yield hook
    finally:
        hook.close()
        del os.environ[name]


def snapshot(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Instances, distribution policies and schemas of every database."""
    with hook_for(connection) as hook:
        found: dict[str, Any] = {}
        for dbname in hook.databases():
            with hook.connected(dbname) as opened, opened.cursor() as cursor:
                for what, statement in _STATEMENTS.items():
                    cursor.execute(statement)
                    found[f"{dbname}: {what}"] = cursor.fetchall()
        return found


def segment_count(connection: Mapping[str, Any]) -> int:
    """Primaries in the catalog."""
    with hook_for(connection) as hook, hook.connected() as opened, opened.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM gp_segment_configuration WHERE content >= 0 AND preferred_role = 'p'")
        return int(cursor.fetchone()[0])

"""What stands in the databases that gpexpand cannot carry, and would only notice when there is no way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.names import quote_identifier

_NAMED = 10  # tables named in one finding


@dataclass(frozen=True)
class DatabaseFacts:
    """One database that allows connections.

    :param stray_leaves: quoted names of leaf partitions that lie in another schema than their root, each with that
        schema's quoted name
    :param settings: of a new session there, by name, as text: those of role and database included
    """

    dbname: str
    stray_leaves: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


def check_closed_databases(names: list[str]) -> list[Finding]:
    """Databases that allow no connections, template0 aside.

    gpexpand connects to all others on every new segment while it builds them, and to all on the coordinator when it
    lists their tables, behind the point of no return (6.24.3, ``_start_new_primary_segments``,
    ``prepare_schema``).
    """
    return [
        Finding.error(
            f"database {name}",
            "it allows no connections, and gpexpand connects to every database but template0",
            f"open it: UPDATE pg_database SET datallowconn = true WHERE datname = {_literal(name)}; or drop it",
        )
        for name in names
    ]


def check_database(facts: DatabaseFacts) -> list[Finding]:
    """Partitions and settings of one database."""
    return [*_stray_leaves(facts), *_settings(facts)]


def _stray_leaves(facts: DatabaseFacts) -> list[Finding]:
    """gpexpand looks for each leaf in its root's schema (greenplum-db/gpdb#16912)."""
    if not facts.stray_leaves:
        return []
    leaves = list(facts.stray_leaves)
    named = ", ".join(leaves[:_NAMED]) + (f" and {len(leaves) - _NAMED} more" if len(leaves) > _NAMED else "")
    example = f"ALTER TABLE {leaves[0]} SET SCHEMA {facts.stray_leaves[leaves[0]]}"
    return [
        Finding.error(
            f"database {facts.dbname}",
            f"partitions lie in another schema than their root: {named}; gpexpand would fail on them after the point "
            "of no return",
            f"bring them together until the expansion is over: {example}",
        )
    ]


def _settings(facts: DatabaseFacts) -> list[Finding]:
    findings = []
    if facts.settings.get("default_transaction_read_only", "off") != "off":
        findings.append(
            Finding.error(
                f"database {facts.dbname}",
                "default_transaction_read_only is on for the cluster's user, so gpexpand can move no table there",
                _reset(facts.dbname, "default_transaction_read_only"),
            )
        )
    for name in ("statement_timeout", "lock_timeout"):
        value = facts.settings.get(name, "0")
        if value not in ("0", "0ms"):
            findings.append(
                Finding.warning(
                    f"database {facts.dbname}",
                    f"{name} is {value} for the cluster's user: gpexpand's moves that take longer are cancelled",
                    _reset(facts.dbname, name),
                )
            )
    return findings


def _reset(dbname: str, setting: str) -> str:
    database = quote_identifier(dbname)
    return (
        f"for the time of the expansion ALTER ROLE … IN DATABASE {database} RESET {setting}, or ALTER ROLE … RESET, "
        f"or ALTER DATABASE {database} RESET, wherever \\drds shows it"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

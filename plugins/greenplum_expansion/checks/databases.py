"""What in the databases gpexpand cannot carry, and would notice only when there is no way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from greenplum_expansion.checks.finding import Finding

_NAMED = 10  # relations named in one finding
_OPEN = "SET allow_system_table_mods = on; UPDATE pg_database SET datallowconn = true WHERE datname = {name}"


@dataclass(frozen=True)
class DatabaseFacts:
    """One database that allows connections.

    :param stray_partitions: quoted names of partitions that lie in another schema than their root, each with that
        schema's quoted name
    :param empty_views: quoted names of materialized views without data
    :param settings: of a new session there, by name, as text: those of role and database included
    """

    dbname: str
    stray_partitions: Mapping[str, str] = field(default_factory=dict)
    empty_views: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def check_closed_databases(names: Sequence[str]) -> list[Finding]:
    """Databases that allow no connections, template0 aside.

    gpexpand connects to all others on every new segment while it builds them, and to all on the coordinator when it
    lists their tables, behind the point of no return (6.24.3, ``_start_new_primary_segments``,
    ``prepare_schema``).
    """
    return [
        Finding.error(
            f"database {name}",
            "it allows no connections, and gpexpand connects to every database but template0",
            f"open it with {_OPEN.format(name=_literal(name))}, or drop it",
        )
        for name in names
    ]


def check_database(facts: DatabaseFacts) -> list[Finding]:
    """Partitions, materialized views and settings of one database."""
    return [*_stray_partitions(facts), *_empty_views(facts), *_settings(facts)]


def _stray_partitions(facts: DatabaseFacts) -> list[Finding]:
    """gpexpand looks for each partition in its root's schema (greenplum-db/gpdb#16912)."""
    if not facts.stray_partitions:
        return []
    partitions = list(facts.stray_partitions)
    example = f"ALTER TABLE {partitions[0]} SET SCHEMA {facts.stray_partitions[partitions[0]]}"
    return [
        Finding.error(
            f"database {facts.dbname}",
            f"partitions lie in another schema than their root: {_named(partitions)}; "
            "gpexpand would fail on them after the point of no return",
            f"bring them together until the expansion is over: {example}",
        )
    ]


def _empty_views(facts: DatabaseFacts) -> list[Finding]:
    """``EXPAND TABLE`` of one fails (6.24.3), so the run would end with it left."""
    if not facts.empty_views:
        return []
    return [
        Finding.warning(
            f"database {facts.dbname}",
            f"materialized views hold no data, and such ones cannot be moved: {_named(facts.empty_views)}",
            "REFRESH MATERIALIZED VIEW or drop them, before redistribute at the latest",
        )
    ]


def _settings(facts: DatabaseFacts) -> list[Finding]:
    """gpexpand's sessions begin with the settings of role and database, and it overrides none."""
    subject = f"database {facts.dbname}"
    remedy = (
        "find where it is set with \\drds in psql (ALTER ROLE … or ALTER DATABASE … SET) and RESET it until the end"
    )
    findings = []
    if facts.settings.get("default_transaction_read_only", "off") != "off":
        problem = "default_transaction_read_only is on for new sessions, so gpexpand can move no table there"
        findings.append(Finding.error(subject, problem, remedy))
    for name in ("statement_timeout", "lock_timeout"):
        value = facts.settings.get(name, "0")
        if value != "0":
            what = "moves" if name == "statement_timeout" else "moves that wait for a lock"
            problem = f"{name} is {value} for new sessions: gpexpand's {what} longer than that are cancelled"
            findings.append(Finding.warning(subject, problem, remedy))
    return findings


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

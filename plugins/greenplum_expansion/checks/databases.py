"""What in the databases gpexpand cannot carry, and would notice only when there is no way back."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from greenplum_expansion.checks.catalogue import check
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
    :param invalid_indexes: quoted names of indexes that a failed build left, each with that of its table
    :param without_policy: quoted names of tables that lie on the segments but have no distribution policy
    :param without_files: quoted names of relations whose file is missing, each with the contents where it is
    :param too_wide: quoted names of tables whose policy names more segments than there are, each with that number
    :param unlogged: quoted names of unlogged tables
    """

    dbname: str
    stray_partitions: Mapping[str, str] = field(default_factory=dict)
    empty_views: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    invalid_indexes: Mapping[str, str] = field(default_factory=dict)
    without_policy: tuple[str, ...] = ()
    without_files: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    too_wide: Mapping[str, int] = field(default_factory=dict)
    unlogged: tuple[str, ...] = ()


@check("closed-databases", "Every database allows connections")
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
    """All that is looked at in one database."""
    return [
        *check_stray_partitions(facts),
        *check_empty_views(facts),
        *check_read_only(facts),
        *check_timeouts(facts),
        *check_synchronous_commit(facts),
        *check_invalid_indexes(facts),
        *check_policies(facts),
        *check_files(facts),
        *check_unlogged_tables(facts),
    ]


@check("stray-partitions", "Partitions lie in the schema of their root")
def check_stray_partitions(facts: DatabaseFacts) -> list[Finding]:
    """gpexpand looks for each partition in its root's schema (greenplum-db/gpdb#16912).

    It fails on one that lies elsewhere while it lists the tables, behind the point of no return.
    """
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


@check("empty-views", "Materialized views hold data")
def check_empty_views(facts: DatabaseFacts) -> list[Finding]:
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


_RESET = "find where it is set with \\drds in psql (ALTER ROLE … or ALTER DATABASE … SET) and RESET it until the end"


@check("read-only", "New sessions may write")
def check_read_only(facts: DatabaseFacts) -> list[Finding]:
    """gpexpand's sessions begin with the settings of role and database, and it overrides none."""
    if facts.settings.get("default_transaction_read_only", "off") == "off":
        return []
    problem = "default_transaction_read_only is on for new sessions, so gpexpand can move no table there"
    return [Finding.error(f"database {facts.dbname}", problem, _RESET)]


@check("timeouts", "No timeout ends moves")
def check_timeouts(facts: DatabaseFacts) -> list[Finding]:
    """statement_timeout and lock_timeout of role or database hold for gpexpand's sessions as for all others."""
    findings = []
    for name in ("statement_timeout", "lock_timeout"):
        value = facts.settings.get(name, "0")
        if value != "0":
            what = "moves" if name == "statement_timeout" else "moves that wait for a lock"
            problem = f"{name} is {value} for new sessions: gpexpand's {what} longer than that are cancelled"
            findings.append(Finding.warning(f"database {facts.dbname}", problem, _RESET))
    return findings


@check("synchronous-commit", "What is committed is on the mirrors, too")
def check_synchronous_commit(facts: DatabaseFacts) -> list[Finding]:
    """With synchronous_commit off or local a commit waits for no mirror: one that takes over may lack a moved table."""
    value = facts.settings.get("synchronous_commit", "on")
    if value not in ("off", "local"):
        return []
    return [
        Finding.warning(
            f"database {facts.dbname}",
            f"synchronous_commit is {value} for new sessions: a failover right after a move may lose its last commits",
            _RESET,
        )
    ]


@check("invalid-indexes", "All indexes are valid")
def check_invalid_indexes(facts: DatabaseFacts) -> list[Finding]:
    """A move builds all indexes of its table anew, also those that a failed build left invalid.

    What made the build fail (rows that are not unique) then makes the move fail.
    """
    if not facts.invalid_indexes:
        return []
    indexes = list(facts.invalid_indexes)
    told = [f"{index} of {table}" for index, table in facts.invalid_indexes.items()]
    return [
        Finding.warning(
            f"database {facts.dbname}",
            f"indexes are invalid: {_named(told)}; a move builds them anew, and fails where that fails",
            f"REINDEX INDEX {indexes[0]}, or drop it; likewise the others",
        )
    ]


@check("distribution-policies", "Every table has a distribution policy that fits the cluster")
def check_policies(facts: DatabaseFacts) -> list[Finding]:
    """gpexpand moves what is in ``gp_distribution_policy``: a table that lost its row there stays where it is.

    A policy that names more segments than there are makes every statement on its table fail, the move included.
    """
    subject = f"database {facts.dbname}"
    findings = []
    if facts.without_policy:
        findings.append(
            Finding.error(
                subject,
                f"tables have no distribution policy, and gpexpand would not move them: {_named(facts.without_policy)}",
                f"run gpcheckcat {_shell(facts.dbname)} and follow its repair scripts, or dump and drop the table",
            )
        )
    if facts.too_wide:
        told = [f"{table} ({number})" for table, number in facts.too_wide.items()]
        findings.append(
            Finding.error(
                subject,
                f"policies of tables name more segments than there are: {_named(told)}",
                f"run gpcheckcat {_shell(facts.dbname)}; restore those tables from a backup",
            )
        )
    return findings


@check("missing-files", "Every relation has its file on every segment")
def check_files(facts: DatabaseFacts) -> list[Finding]:
    """A table whose file is gone (a damaged filesystem, a hand that slipped) cannot be read, so not moved either.

    Compared on the segments: ``pg_class.relfilenode`` with what lies in the database's directory. Relations in
    tablespaces of users are not looked at.
    """
    if not facts.without_files:
        return []
    told = [f"{name} on content {', '.join(map(str, where))}" for name, where in facts.without_files.items()]
    return [
        Finding.error(
            f"database {facts.dbname}",
            f"files of relations are missing: {_named(told)}",
            "REINDEX an index; restore a table from a backup, or drop it; look for what removed the files "
            "(dmesg, the filesystem) before anything else is written there",
        )
    ]


@check("unlogged-tables", "No table is lost at a failover")
def check_unlogged_tables(facts: DatabaseFacts) -> list[Finding]:
    """Mirrors do not have the rows of unlogged tables: should a segment fail over meanwhile, they are empty there.

    They are moved like others, and what is compared before and after would differ.
    """
    if not facts.unlogged:
        return []
    return [
        Finding.warning(
            f"database {facts.dbname}",
            f"unlogged tables lose their rows when a segment fails over: {_named(facts.unlogged)}",
            "save what in them cannot be made again, or drop them until the end",
        )
    ]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _shell(dbname: str) -> str:
    return shlex.quote(dbname)

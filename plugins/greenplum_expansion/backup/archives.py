"""With which tool, and in which pieces, a selection is written.

Sources: pg_dump.c, snapmgr.c of Greenplum 6.24.3; gpbackup 1.30 (options/flag.go, options.go, backup/snapshot.go).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from greenplum_expansion.backup.selection import DatabaseSelection, Selection

_PLAIN = re.compile(r"[^\W\d][\w -]*")
_SLUG = re.compile(r"[^A-Za-z0-9_-]+")
MOST_NAMES = 2000
"""Tables named one by one to a tool; more do not fit a command line safely."""


class Tool(StrEnum):
    """What writes an archive."""

    GPBACKUP = "gpbackup"
    PG_DUMP = "pg_dump"


@dataclass(frozen=True)
class BackupTools:
    """What was found on the coordinator.

    :param gpbackup: what ``gpbackup --version`` says; empty if there is none that works
    :param gprestore_resizes: gprestore knows ``--resize-cluster``
    :param pg_dump: what ``pg_dump --version`` says
    :param dumps_resources: pg_dumpall knows ``--gp-syntax``, without which it leaves resource queues and groups out
    """

    gpbackup: str
    gprestore_resizes: bool
    pg_dump: str
    dumps_resources: bool


@dataclass(frozen=True)
class Archive:
    """One run of a tool: what it is called, and what it writes.

    :param label: name of its directory, made of harmless letters
    :param schemas: whole schemas; empty with empty `names`: the whole database
    :param names: single tables, as schema and name
    :param expected: tables whose rows it must hold
    """

    label: str
    tool: Tool
    dbname: str
    schemas: tuple[str, ...] = ()
    names: tuple[tuple[str, str], ...] = ()
    expected: int = 0

    @property
    def what(self) -> str:
        """In words, for the log."""
        if self.schemas:
            return f"{len(self.schemas)} schemas of database {self.dbname}"
        if self.names:
            return f"{len(self.names)} tables of database {self.dbname}"
        return f"database {self.dbname}"


def archives(selection: Selection, tools: BackupTools) -> tuple[Archive, ...]:
    """Cut a selection into archives: none of the tools takes whole schemas and single tables together."""
    made: list[Archive] = []
    for database in selection.databases:
        tool = _tool_for(database, tools)
        of_schemas = sum(table.schema in database.schemas for table in database.tables)
        pieces: list[tuple[tuple[str, ...], tuple[tuple[str, str], ...], int]] = []
        if database.is_whole:
            pieces.append(((), (), len(database.tables)))
        if database.schemas:
            pieces.append((database.schemas, (), of_schemas))
        for first in range(0, len(database.names), MOST_NAMES):
            some = database.names[first : first + MOST_NAMES]
            pieces.append(((), some, len(some)))
        for schemas, names, expected in pieces:
            label = f"{len(made) + 1:02d}_{_SLUG.sub('-', database.dbname)[:40].strip('-') or 'database'}"
            made.append(Archive(label, tool, database.dbname, schemas, names, expected))
    return tuple(made)


def _tool_for(database: DatabaseSelection, tools: BackupTools) -> Tool:
    """gpbackup puts names into statements and file names of its own making: it gets only those which cannot break them.

    A database without tables is not worth its directories on every host.
    """
    told = [database.dbname, *database.schemas, *(name for pair in database.names for name in pair)]
    fits = all(_PLAIN.fullmatch(name) for name in told)
    return Tool.GPBACKUP if tools.gpbackup and fits and database.tables else Tool.PG_DUMP


def dump_jobs(release: str, wished: int) -> tuple[int, str]:
    """How many connections pg_dump may use, and why not as many as wished.

    With several, all must see the same moment. Greenplum exports snapshots that hold for its segments, too, since
    6.21; before that each connection would see another one.

    :param release: of the server, as "6.24.3"
    """
    parts = [int(part) for part in re.findall(r"\d+", release)[:2]] + [0, 0]
    major, minor = parts[0], parts[1]
    if wished > 1 and (major < 6 or (major == 6 and minor < 21)):
        return 1, f"Greenplum {release} exports no snapshot that several connections could share; 6.21 and later do"
    return wished, ""


def pg_dump_command(archive: Archive, target: str, jobs: int) -> list[str]:
    """pg_dump into a directory: the only format that several connections can write.

    Level 1 of compression: with the default, 6, gzip is the limit rather than the disks. Waiting for a lock ends after
    ten minutes with an error that names the table, instead of never.
    """
    command = [
        "pg_dump", "--no-password", "--format=directory", f"--jobs={jobs}", "--compress=1",
        "--lock-wait-timeout=600000", f"--file={target}",
    ]  # fmt: skip
    command += [f"--schema={_exactly(schema)}" for schema in archive.schemas]
    command += [f"--table={_exactly(schema)}.{_exactly(name)}" for schema, name in archive.names]
    return [*command, f"--dbname={connection_string(archive.dbname)}"]


def _exactly(name: str) -> str:
    """A name as a pattern that matches nothing else."""
    return '"' + name.replace('"', '""') + '"'


def connection_string(dbname: str) -> str:
    """A database's name as libpq takes it whatever is in it; a bare one with '=' in it would be options."""
    return "dbname='" + dbname.replace("\\", "\\\\").replace("'", "\\'") + "'"


def gpbackup_command(archive: Archive, directory: str, jobs: int) -> list[str]:
    """gpbackup into a directory of that path on every host."""
    command = ["gpbackup", "--dbname", archive.dbname, "--backup-dir", directory, "--jobs", str(jobs)]
    for schema in archive.schemas:
        command += ["--include-schema", schema]
    for schema, name in archive.names:
        command += ["--include-table", f"{schema}.{name}"]
    return command


def roles_command(tools: BackupTools) -> list[str]:
    """Roles with their password hashes, tablespaces, resource queues and groups."""
    return ["pg_dumpall", "--no-password", "--globals-only", *(["--gp-syntax"] if tools.dumps_resources else [])]


def schema_command(tools: BackupTools) -> list[str]:
    """The schema of every database, without rows."""
    return [
        "pg_dumpall", "--no-password", "--schema-only", "--lock-wait-timeout=600000",
        *(["--gp-syntax"] if tools.dumps_resources else []),
    ]  # fmt: skip


def names_refused(selection: Selection, tools: BackupTools) -> Sequence[str]:
    """Databases that gpbackup is not told of, because of names in them; pg_dump takes them."""
    if not tools.gpbackup:
        return ()
    return [d.dbname for d in selection.databases if d.tables and _tool_for(d, tools) is Tool.PG_DUMP]

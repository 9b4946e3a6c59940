"""pg_dump: directory archives (``-Fd``) and plain statements without rows (``-Fp -s``).

``-j`` is accepted; one connection reads all the same. A fault ``pg_dump`` (fail, hang, kill) strikes when half of the
tables are written.
"""

from __future__ import annotations

import gzip
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ..environment import fault
from ..program import Failure
from .archive import rows_file, write_contents
from .objects import Entry, entries
from .options import Options, connection_words, matcher

VERSION = "pg_dump (PostgreSQL) 9.4.26"
PLAIN_END = "--\n-- Greenplum Database database dump complete\n--\n"


def connect(words: dict[str, Any]) -> Any:
    """One transaction that sees one moment of the catalogs."""
    import psycopg2

    connection = psycopg2.connect(**words)
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection


def plain(made: list[Entry]) -> str:
    """Statements that make the objects anew; rows are left out."""
    return "".join(f"{entry.statement.rstrip('; ')};\n\n" for entry in made if not entry.is_rows)


def strike() -> None:
    """The fault, if one is set."""
    value = fault("pg_dump")
    if value == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while value == "hang" and fault("pg_dump") == "hang":
        time.sleep(0.1)
    if value == "fail":
        raise Failure("fault injected by the sandbox")


def write_archive(connection: Any, directory: Path, dbname: str, made: list[Entry], level: int) -> None:
    """Rows first, one file a table, the table of contents last."""
    if directory.exists() and any(directory.iterdir()):
        raise Failure(f'could not create directory "{directory}": File exists')
    directory.mkdir(exist_ok=True)
    of_rows = [(number, entry) for number, entry in enumerate(made, start=1) if entry.is_rows]
    for place, (number, entry) in enumerate(of_rows):
        if place == len(of_rows) // 2:
            strike()
        with gzip.open(rows_file(directory, number), "wb", level) as file, connection.cursor() as cursor:
            cursor.copy_expert(entry.read, file)
    write_contents(directory, dbname, made)


def dump(arguments: list[str]) -> int:
    parser = Options("pg_dump")
    parser.add_argument("-F", "--format", default="p")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("-Z", "--compress", type=int, default=6)
    parser.add_argument("-n", "--schema", action="append", default=[])
    parser.add_argument("-t", "--table", action="append", default=[])
    parser.add_argument("database", nargs="?")
    options = parser.parse_args(arguments)
    if options.help:
        parser.print_help()
        return 0
    if options.version:
        print(VERSION)
        return 0
    is_directory = options.format in ("d", "directory")
    if not is_directory and options.format not in ("p", "plain"):
        raise Failure(f"format {options.format} is not part of the sandbox")
    if not is_directory and not options.schema_only:
        raise Failure("rows as plain statements are not part of the sandbox; use -Fd, or -s")
    if is_directory and not options.file:
        raise Failure("no output directory specified")
    if options.jobs > 1 and not is_directory:
        raise Failure("parallel backup only supported by the directory format")
    connection = connect(connection_words(options, options.database or options.dbname))
    try:
        if options.lock_wait_timeout:
            with connection.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = {options.lock_wait_timeout:d}")
        made = entries(connection, matcher(options.schema, options.table), rows_too=not options.schema_only)
        if (options.schema or options.table) and not made:
            raise Failure(f"No matching {'tables' if options.table else 'schemas'} were found")
        if is_directory:
            write_archive(connection, Path(options.file), connection.info.dbname, made, options.compress)
        else:
            text = plain(made) + PLAIN_END
            if options.file:
                Path(options.file).write_text(text, encoding="utf-8")
            else:
                sys.stdout.write(text)
    finally:
        connection.close()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The command: exit code 1 with one line on stderr for whatever went wrong."""
    return ended("pg_dump", dump, sys.argv[1:] if arguments is None else arguments)


def ended(program: str, work: Any, arguments: list[str]) -> int:
    """Run it as PostgreSQL's programs run: what was raised becomes a line on stderr and exit code 1."""
    import psycopg2

    try:
        return int(work(arguments))
    except (Failure, psycopg2.Error, OSError) as problem:
        sys.stderr.write(f"{program}: {str(problem).strip()}\n")
    except KeyboardInterrupt:
        sys.stderr.write(f"{program}: terminated by user\n")
    return 1

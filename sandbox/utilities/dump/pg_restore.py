"""pg_restore: lists an archive, or makes its objects and rows anew in a database."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from .archive import listing, read_contents, rows_file
from .options import Options, connection_words, matcher
from .pg_dump import ended


def restore(arguments: list[str]) -> int:
    parser = Options("pg_restore")
    parser.add_argument("-l", "--list", action="store_true")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("-n", "--schema", action="append", default=[])
    parser.add_argument("-t", "--table", action="append", default=[])
    parser.add_argument("-F", "--format", default="d")
    parser.add_argument("archive", nargs="?")
    options = parser.parse_args(arguments)
    if options.help:
        parser.print_help()
        return 0
    if options.version:
        print("pg_restore (PostgreSQL) 9.4.26")
        return 0
    if not options.archive:
        parser.error("an archive in the directory format must be named; input from a pipe is not part of the sandbox")
    directory = Path(options.archive)
    header, entries = read_contents(directory)
    if options.list:
        sys.stdout.write(listing(header, entries))
        return 0
    if not options.dbname:
        parser.error("a database must be named (-d); a script is not part of the sandbox")
    import psycopg2

    chosen = matcher(options.schema, options.table)
    connection = psycopg2.connect(**connection_words(options, options.dbname))
    connection.autocommit = True
    failed = 0
    try:
        for number, entry in enumerate(entries, start=1):
            if entry.kind == "SCHEMA":
                wanted = not options.table and chosen(entry.name, "")
            else:
                wanted = chosen(entry.schema, entry.name)
            if not wanted or (options.schema_only and entry.is_rows) or (options.data_only and not entry.is_rows):
                continue
            try:
                with connection.cursor() as cursor:
                    if entry.is_rows:
                        with gzip.open(rows_file(directory, number), "rb") as file:
                            cursor.copy_expert(entry.write, file)
                    else:
                        cursor.execute(entry.statement)
            except psycopg2.Error as problem:
                failed += 1
                sys.stderr.write(f"pg_restore: {entry.kind} {entry.schema} {entry.name}: {str(problem).strip()}\n")
    finally:
        connection.close()
    if failed:
        sys.stderr.write(f"WARNING: errors ignored on restore: {failed}\n")
    return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    return ended("pg_restore", restore, sys.argv[1:] if arguments is None else arguments)

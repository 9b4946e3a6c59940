"""pg_dumpall: roles with PostgreSQL's own program, which can read them, and the schema of every database with ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..database import rows
from ..program import Failure
from .objects import entries
from .options import Options, connection_words, matcher
from .pg_dump import connect, ended, plain

END = "--\n-- PostgreSQL database cluster dump complete\n--\n"


def own_program() -> Path:
    """PostgreSQL's pg_dumpall of the newest server version installed; on Debian it is nowhere on PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dumpall"), key=lambda p: float(p.parts[4]))
    if not found:
        raise Failure("no PostgreSQL under /usr/lib/postgresql. Next: apt-get install postgresql")
    return found[-1]


def dump(arguments: list[str]) -> int:
    parser = Options("pg_dumpall")
    parser.add_argument("-g", "--globals-only", action="store_true")
    parser.add_argument("--roles-only", action="store_true")
    options = parser.parse_args(arguments)
    if options.help:
        parser.print_help()
        return 0
    if options.version:
        print("pg_dumpall (PostgreSQL) 9.4.26")
        return 0
    words = connection_words(options, options.dbname or "postgres")
    environment = {**os.environ, "PGHOST": words["host"], "PGPORT": str(words["port"]), "PGUSER": words["user"]}
    environment.pop("PGDATABASE", None)
    command = [str(own_program()), "--globals-only", "--no-password"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(done.stderr.strip())
    text = done.stdout
    if not options.globals_only:
        if not options.schema_only:
            raise Failure("rows as plain statements are not part of the sandbox; use --schema-only, and pg_dump -Fd")
        # What of the roles' program ends with "complete" is not the end yet.
        text = "\n".join(line for line in text.splitlines() if "dump complete" not in line) + "\n"
        text += _schemas(words) + END
    if options.file:
        Path(options.file).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _schemas(words: dict[str, object]) -> str:
    made = []
    connection = connect(words)
    try:
        found = rows(
            connection, "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template0' ORDER BY 1"
        )
    finally:
        connection.close()
    for (name,) in found:
        quoted = '"' + name.replace('"', '""') + '"'
        if name not in ("postgres", "template1"):
            made.append(f"CREATE DATABASE {quoted};\n")
        made.append(f"\\connect {quoted}\n\n")
        connection = connect({**words, "dbname": name})
        try:
            made.append(plain(entries(connection, matcher([], []), rows_too=False)))
        finally:
            connection.close()
    return "".join(made)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    return ended("pg_dumpall", dump, sys.argv[1:] if arguments is None else arguments)

"""The command lines of the three programs: what of PostgreSQL's they take, and libpq's connection words. Pure."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any, NoReturn

_PATTERN = re.compile(r'"((?:[^"]|"")*)"|([^"])')


class Options(argparse.ArgumentParser):
    """Refuses what is not imitated with exit code 1, as PostgreSQL's programs do."""

    def __init__(self, program: str) -> None:
        super().__init__(prog=program, add_help=False, allow_abbrev=False)
        self.add_argument("-?", "--help", action="store_true", dest="help")
        self.add_argument("-V", "--version", action="store_true", dest="version")
        for words in (("-h", "--host"), ("-p", "--port"), ("-U", "--username"), ("-d", "--dbname"), ("-f", "--file")):
            self.add_argument(*words)
        for words in (("-w", "--no-password"), ("-v", "--verbose"), ("-s", "--schema-only"), ("-a", "--data-only")):
            self.add_argument(*words, action="store_true")
        for word in ("--gp-syntax", "--no-gp-syntax", "--no-synchronized-snapshots"):
            self.add_argument(word, action="store_true")
        self.add_argument("--lock-wait-timeout", type=int, default=0)

    def error(self, message: str) -> NoReturn:
        self.exit(1, f'{self.prog}: {message}\nTry "{self.prog} --help" for more information.\n')


def connection_words(options: argparse.Namespace, dbname: str | None) -> dict[str, Any]:
    """Arguments for psycopg2: options first, then libpq's environment, then this host's socket."""
    import psycopg2.extensions

    words: dict[str, Any] = {
        "host": options.host or os.environ.get("PGHOST") or "/tmp",
        "port": options.port or os.environ.get("PGPORT") or "5432",
        "user": options.username or os.environ.get("PGUSER") or os.environ.get("USER") or "gpadmin",
        "dbname": os.environ.get("PGDATABASE") or "gpadmin",
    }
    if dbname and "=" in dbname:  # libpq reads it as connection words then
        words.update(psycopg2.extensions.parse_dsn(dbname))
    elif dbname:
        words["dbname"] = dbname
    return words


def matcher(schemas: list[str], tables: list[str]) -> Any:
    """Whether a schema (table "") or a table is chosen; with tables, schemas do not count, as in pg_dump."""
    wanted_schemas = [_regex(text)[-1] for text in schemas]
    wanted_tables = [_regex(text) for text in tables]

    def chosen(schema: str, table: str) -> bool:
        if wanted_tables:
            return any(
                re.fullmatch(parts[-1], table) and (len(parts) == 1 or re.fullmatch(parts[0], schema))
                for parts in wanted_tables
                if table
            )
        return not wanted_schemas or any(re.fullmatch(wanted, schema) for wanted in wanted_schemas)

    return chosen


def _regex(pattern: str) -> list[str]:
    """psql's patterns: case folded and `*`, `?` special outside double quotes; a dot parts schema and table."""
    parts = [""]
    for quoted, plain in _PATTERN.findall(pattern):
        if plain == ".":
            parts.append("")
        elif plain:
            parts[-1] += {"*": ".*", "?": "."}.get(plain) or re.escape(plain.lower())
        else:
            parts[-1] += re.escape(quoted.replace('""', '"'))
    return [f"(?s:{part})" for part in parts]

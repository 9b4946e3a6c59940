"""VACUUM of tables whose rows lie on segments: PostgreSQL passes over foreign partitions, so the segments are asked."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from .lexer import Token, closing_bracket, statements
from .schema import backend_connection

_PHYSICAL = (
    "select p.content, p.physical from pg_sandbox.tables t cross join lateral pg_sandbox.partitions_of(t.relid) p"
    " where t.kind = 'hash' and (%(names)s is null or t.relid in ("
    " select leaf from unnest(%(names)s::text[]) n cross join lateral pg_sandbox.leaves(to_regclass(n)::oid) leaf))"
    " order by 1"
)


def parse(statement: str) -> tuple[bool, list[str]] | None:
    """Whether it says FULL, and the tables as written (none: all). None if it is no single VACUUM."""
    found = statements(statement)
    if len(found) != 1 or found[0][0].lower != "vacuum":
        return None
    items = found[0]
    position = 1
    options: list[Token] = []
    if position < len(items) and items[position].text == "(":
        end = closing_bracket(items, position)
        options, position = items[position:end], end + 1
    while position < len(items) and items[position].lower in ("full", "freeze", "verbose", "analyze"):
        options.append(items[position])
        position += 1
    names, current = [], ""
    for token in items[position:]:
        if token.text == "(":
            break  # columns, for ANALYZE
        if token.text == ",":
            names.append(current)
            current = ""
        else:
            current += token.text
    return any(o.lower == "full" for o in options), [name for name in [*names, current] if name]


def vacuum_segments(datadir: Path, database: str, full: bool, names: list[str]) -> None:
    """VACUUM the physical tables; what is wrong with the statement itself the coordinator will say.

    :raises LookupError: a segment's message
    """
    try:
        with closing(backend_connection(datadir, database)) as coordinator, coordinator.cursor() as cursor:
            cursor.execute(_PHYSICAL, {"names": names or None})
            places = cursor.fetchall()
            for content in sorted({content for content, _ in places}):
                cursor.execute("select pg_sandbox.segment_dsn(%s, current_database())", (content,))
                _vacuum(cursor.fetchone()[0], full, [name for where, name in places if where == content])
    except psycopg2.Error as error:
        raise LookupError((error.diag.message_primary or str(error)).strip()) from error


def _vacuum(dsn: str, full: bool, physical: list[str]) -> None:
    with closing(psycopg2.connect(dsn, application_name="vacuum")) as segment, segment.cursor() as cursor:
        segment.autocommit = True
        for name in physical:
            option: Any = sql.SQL("FULL ") if full else sql.SQL("")
            cursor.execute(sql.SQL("VACUUM {}public.{}").format(option, sql.Identifier(name)))

"""What a database holds, as statements in Greenplum's syntax, in an order in which they can be run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..database import rows
from ..program import Failure

_SCHEMAS = """
SELECT n.oid::bigint, n.nspname, quote_ident(n.nspname), r.rolname
FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'gp_toolkit', 'pg_sandbox', 'pg_aoseg', 'pg_toast')
  AND n.nspname !~ '^pg_temp|^pg_toast_temp' ORDER BY 2"""
_FUNCTIONS = """
SELECT p.oid::bigint, n.nspname, p.proname, r.rolname, pg_get_functiondef(p.oid) FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'gp_toolkit', 'pg_sandbox', 'pg_aoseg', 'pg_toast')
  AND p.prokind = 'f'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 2, 3"""
_RELATIONS = """
SELECT c.oid::bigint, n.nspname, c.relname, r.rolname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       c.relkind::text, c.relstorage::text, c.relpersistence::text, c.reloptions, t.kind, t.location, t.materialized,
       t.constraints, pg_get_table_distributedby(c.oid),
       CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END, x.writable, x.fmttype::text, x.fmtopts
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
LEFT JOIN pg_sandbox.tables t ON t.relid = c.oid
LEFT JOIN pg_exttable x ON x.reloid = c.oid
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'gp_toolkit', 'pg_sandbox', 'pg_aoseg', 'pg_toast')
  AND n.nspname !~ '^pg_temp' AND c.relkind IN ('r', 'm', 'v', 'S') AND c.relpersistence <> 't'
  AND NOT EXISTS (SELECT FROM pg_partition_rule pr WHERE pr.parchildrelid = c.oid)
ORDER BY 2, 3"""
_COLUMNS = """
SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
_INDEXES = """
SELECT i.indexrelid::bigint, c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s AND NOT i.indisprimary AND NOT i.indisunique ORDER BY 2"""
_PARTITIONS = """
SELECT partitionlevel, partitionname, parentpartitiontablename, partitiontype, partitionisdefault, partitionboundary
FROM pg_partitions
WHERE schemaname = %s AND tablename = %s
ORDER BY partitionlevel, partitionposition, partitiontablename"""
_KEYS = """
SELECT p.parlevel, quote_ident(a.attname) FROM pg_partition p
JOIN pg_attribute a ON a.attrelid = p.parrelid AND a.attnum = ANY (string_to_array(p.paratts::text, ' ')::int[])
WHERE p.parrelid = %s ORDER BY 1"""


@dataclass(frozen=True)
class Entry:
    """One object, or the rows of one.

    :param kind: as pg_restore --list names it
    :param copy: what to read its rows with, and what to write them back with; empty for an object
    """

    oid: int
    kind: str
    schema: str
    name: str
    owner: str
    statement: str
    read: str = ""
    write: str = ""

    @property
    def is_rows(self) -> bool:
        return bool(self.read)


def entries(connection: Any, chosen: Callable[[str, str], bool], *, rows_too: bool) -> list[Entry]:
    """Everything of the database that is chosen, by schema and name.

    :param chosen: of a schema itself the name is ""
    :raises Failure: an object cannot be put into statements
    """
    made = [
        Entry(oid, "SCHEMA", "-", name, owner, f"CREATE SCHEMA {quoted}")
        for oid, name, quoted, owner in rows(connection, _SCHEMAS)
        if name != "public" and chosen(name, "")
    ]
    made += [
        Entry(oid, "FUNCTION", schema, name, owner, definition)
        for oid, schema, name, owner, definition in rows(connection, _FUNCTIONS)
        if chosen(schema, "")
    ]
    found = [_Relation(*row) for row in rows(connection, _RELATIONS)]
    found = [relation for relation in found if chosen(relation.schema, relation.name)]
    for relation in sorted(found, key=lambda r: ("Srvm".index(r.relkind), r.schema, r.name)):
        made.append(_object(connection, relation))
    data = [_rows(connection, relation) for relation in found if relation.has_rows] if rows_too else []
    indexes = [entry for relation in found for entry in _indexes(connection, relation)]
    views = [entry for entry in made if entry.kind in ("VIEW", "MATERIALIZED VIEW")]
    return [entry for entry in made if entry not in views] + data + indexes + views


@dataclass(frozen=True)
class _Relation:
    oid: int
    schema: str
    name: str
    owner: str
    fq_name: str
    relkind: str
    storage: str
    persistence: str
    options: list[str] | None
    kind: str | None
    location: str | None
    query: str | None
    constraints: list[str] | None
    distribution: str | None
    view: str | None
    writable: bool | None
    format: str | None
    format_options: str | None

    @property
    def has_rows(self) -> bool:
        return self.relkind == "r" and self.storage != "x"


def _object(connection: Any, relation: _Relation) -> Entry:
    kind, statement = _statement(connection, relation)
    return Entry(relation.oid, kind, relation.schema, relation.name, relation.owner, statement)


def _statement(connection: Any, relation: _Relation) -> tuple[str, str]:
    name = relation.fq_name
    if relation.relkind == "S":
        value, called = rows(connection, f"SELECT last_value, is_called FROM {name}")[0]  # noqa: S608 - quoted
        return "SEQUENCE", f"CREATE SEQUENCE {name}; SELECT setval({_literal(name)}, {value}, {str(called).lower()})"
    if relation.relkind == "v":
        return "VIEW", f"CREATE VIEW {name} AS {relation.view}".rstrip("; \n")
    if relation.relkind == "m":
        return "MATERIALIZED VIEW", f"CREATE MATERIALIZED VIEW {name} AS {relation.query} {relation.distribution or ''}"
    if relation.storage == "x":
        return "EXTERNAL TABLE", _external(connection, relation)
    columns = _columns(connection, relation.oid)
    lines = [
        f"{column} {kind}{f' DEFAULT {default}' if default else ''}{' NOT NULL' if required else ''}"
        for column, kind, required, default in columns
    ]
    # The sandbox keeps a table's constraints as text, with '@' behind each name where a segment's number would stand.
    lines += [re.sub(r'^(constraint ".*)@"', r'\1"', text) for text in relation.constraints or []]
    options = f" WITH ({', '.join(relation.options)})" if relation.options else ""
    unlogged = "UNLOGGED " if relation.persistence == "u" else ""
    partitions = _partitions(connection, relation)
    body = f"CREATE {unlogged}TABLE {name} ({', '.join(lines)}){options} {relation.distribution or ''}{partitions}"
    return "TABLE", body


def _columns(connection: Any, oid: int) -> list[tuple[str, str, bool, str | None]]:
    return rows(connection, _COLUMNS, (oid,))


def _external(connection: Any, relation: _Relation) -> str:
    columns = ", ".join(f"{column} {kind}" for column, kind, _, _ in _columns(connection, relation.oid))
    place = relation.location or ""
    if re.match(r"(gpfdists?|file|https?)://", place):
        source = f"LOCATION ({_literal(place)})"
        web = ""
    else:
        source, web = f"EXECUTE {_literal(place)} ON ALL", "WEB "
    how = {"c": "csv", "t": "text"}.get(relation.format or "")
    if how is None:
        raise Failure(f"external table {relation.fq_name} has a format that is not part of the sandbox")
    writable = "WRITABLE " if relation.writable else ""
    tail = f" {relation.distribution}" if relation.writable and relation.distribution else ""
    return f"CREATE {writable}EXTERNAL {web}TABLE {relation.fq_name} ({columns}) {source} FORMAT '{how}'{tail}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _partitions(connection: Any, relation: _Relation) -> str:
    parts = rows(connection, _PARTITIONS, (relation.schema, relation.name))
    if not parts:
        return ""
    keys = dict(rows(connection, _KEYS, (relation.oid,)))
    kinds = {level: kind for level, _, _, kind, _, _ in parts}
    if set(kinds) - {0, 1}:
        raise Failure(f"{relation.fq_name} has partitions on more than two levels, which is not part of the sandbox")
    top = _parts([row for row in parts if row[0] == 0], "PARTITION")
    below = [row for row in parts if row[0] == 1]
    template = ""
    if below:
        first = below[0][2]
        same = [row for row in below if row[2] == first]
        template = (
            f" SUBPARTITION BY {kinds[1]} ({keys[1]}) SUBPARTITION TEMPLATE ({', '.join(_parts(same, 'SUBPARTITION'))})"
        )
    return f" PARTITION BY {kinds[0]} ({keys[0]}){template} ({', '.join(top)})"


def _parts(found: Iterable[tuple[Any, ...]], word: str) -> list[str]:
    made = []
    for _, name, _, _, is_default, boundary in found:
        named = f'{word} "{name}" ' if name else ""
        made.append(f'DEFAULT {word} "{name}"' if is_default else f"{named}{_bounds(boundary)}")
    return made


def _bounds(boundary: str) -> str:
    """What follows the name in pg_partitions' ``[[DEFAULT ]PARTITION name ]START … END …`` or ``… VALUES(…)``."""
    found = re.search(r"(START|VALUES)\s*\(.*", boundary, re.DOTALL)
    if not found:
        raise Failure(f"the bounds {boundary!r} cannot be read")
    return found.group()


def _rows(connection: Any, relation: _Relation) -> Entry:
    columns = ", ".join(column for column, _, _, _ in _columns(connection, relation.oid))
    return Entry(
        relation.oid,
        "TABLE DATA",
        relation.schema,
        relation.name,
        relation.owner,
        "",
        read=f"COPY (SELECT {columns} FROM {relation.fq_name}) TO STDOUT",  # noqa: S608 - quoted by the server
        write=f"COPY {relation.fq_name} ({columns}) FROM STDIN",
    )


def _indexes(connection: Any, relation: _Relation) -> list[Entry]:
    if relation.relkind != "r":
        return []
    return [
        Entry(oid, "INDEX", relation.schema, name, relation.owner, definition.replace(" ON ONLY ", " ON "))
        for oid, name, definition in rows(connection, _INDEXES, (relation.oid,))
    ]

"""Rewrite statements of Greenplum which PostgreSQL does not know. Pure: text in, text out.

``ALTER TABLE x EXPAND TABLE`` becomes ``ALTER TABLE x SET WITHOUT OIDS /*sandbox:…*/``: a statement which does
nothing, takes the same lock and answers with the same tag. The comment (base64 of JSON) tells the coordinator's event
trigger what to do (sql/coordinator/60_triggers.sql). Text that needs no change is returned as it is, the same object.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import partitions, settings
from .lexer import Token, closing_bracket, statements, unquote
from .scopes import belongs_to_table

NOT_PART = "is not part of the sandbox"

Ask = Callable[[str, str], str]
"""Question and name to the text to read instead: ``dist_random`` for gp_dist_random('name'), ``only`` for ONLY name.

(The proxy asks a third one by itself, ``vacuum`` with the whole statement; the answer only means that it is done.)
"""


class RefusedStatement(Exception):
    """The statement needs something that cannot be imitated. The message is the server's answer to it."""


@dataclass(frozen=True)
class Edit:
    """Replace what stands between two positions of the text."""

    start: int
    end: int
    text: str


_TRIGGERS = (
    "expand", "distributed", "gp_", "partition", "reorganize", "external", "optimizer", "statement_mem",
    "server_version", "appendonly", "appendoptimized", "refresh", "materialized", "only",
    "inherits", "tablespace",
)  # fmt: skip


def rewrite(sql: str, ask: Ask | None = None) -> str:
    """The text to send to PostgreSQL in the place of `sql`.

    :param ask: what only the catalog knows, see `Ask`; without it a name stands for itself
    :raises RefusedStatement: the statement cannot be imitated
    """
    lowered = sql.lower()
    if not any(word in lowered for word in _TRIGGERS):
        return sql
    edits: list[Edit] = []
    for items in statements(sql):
        try:
            edits += _edits_of(items, sql, ask)
        except IndexError:  # the statement ends too early: the server's message says so better
            continue
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        sql = sql[: edit.start] + edit.text + sql[edit.end :]
    return sql


def _edits_of(items: list[Token], sql: str, ask: Ask | None) -> list[Edit]:
    first, second = items[0].lower, items[1].lower if len(items) > 1 else ""
    if first == "alter" and second in ("table", "external", "materialized", "foreign"):
        return _alter(items, sql)
    if second == "tablespace" and first in ("create", "drop"):
        return _tablespace(items, sql)
    if first == "create":
        if second == "table" and any(token.lower == "tablespace" for token in items):
            raise RefusedStatement(f"TABLESPACE of a table {NOT_PART}")
        return _create(items, sql)
    if first == "refresh" and second == "materialized":
        return _refresh(items, sql)
    if first == "drop" and second in ("external", "materialized") and len(items) > 3:
        last = 3 if items[2].lower == "web" else 2
        return [Edit(items[1].start, items[last].end, "FOREIGN TABLE" if second == "external" else "TABLE")]
    if first in ("set", "show", "reset"):
        return _setting(items)
    return _columns(items, sql, ask)


def _tablespace(items: list[Token], sql: str) -> list[Edit]:
    """CREATE and DROP TABLESPACE reach every instance (sql/coordinator/79_tablespaces.sql)."""
    position = _skip(items, 2, "if", "exists")
    name = "'" + unquote(items[position]).replace("'", "''") + "'"
    if items[0].lower == "drop":
        call = f"drop_tablespace({name}, {'true' if position > 2 else 'false'})"
    else:
        words = [token.lower for token in items]
        at = words.index("location") + 1
        # WITH (content0='/x', content1='/y')
        others = {
            items[i - 1].lower: unquote_string(items[i + 1].text)
            for i in range(at, len(items) - 1)
            if items[i].text == "=" and items[i - 1].lower.startswith("content")
        }
        literal = json.dumps(others).replace("'", "''")
        call = f"create_tablespace({name}, {items[at].text}, '{literal}')"
    return [Edit(items[0].start, items[-1].end, f"DO $sandbox$ begin perform pg_sandbox.{call}; end $sandbox$")]


def unquote_string(text: str) -> str:
    """What a plain string literal stands for."""
    return text[1:-1].replace("''", "'")


def mark(**what: Any) -> str:
    """The comment that tells the event trigger what to do."""
    return "/*sandbox:" + base64.b64encode(json.dumps(what).encode()).decode() + "*/"


def _name(items: list[Token], position: int, sql: str) -> tuple[str, int]:
    """The possibly qualified name at `position`, as written, and the position behind it."""
    start = position
    while position + 2 < len(items) and items[position + 1].text == "." and items[position + 2].is_name:
        position += 2
    return sql[items[start].start : items[position].end], position + 1


def _skip(items: list[Token], position: int, *words: str) -> int:
    """Behind the given words, if they stand at `position`."""
    ahead = [token.lower for token in items[position : position + len(words)]]
    return position + len(words) if ahead == list(words) else position


def _alter(items: list[Token], sql: str) -> list[Edit]:
    position = 1
    foreign = items[1].lower == "external"
    position += 2 if items[1].lower in ("external", "materialized", "foreign") else 1
    kind_end = items[position - 1].end
    # Materialized views are tables underneath; the tag of an external table's statement stays PostgreSQL's own.
    kind = "FOREIGN TABLE" if items[1].lower in ("external", "foreign") else "TABLE"
    position = _skip(items, position, "if", "exists")
    position = _skip(items, position, "only")
    if position >= len(items) or not items[position].is_name:
        return []
    table, position = _name(items, position, sql)
    words = [token.lower for token in items[position:]]
    if words == ["expand", "table"]:
        done = mark(do="expand", table=table, word="EXTERNAL" if foreign else items[1].lower.upper())
    elif words == ["expand", "partition", "prepare"]:
        done = mark(do="prepare", table=table)
    elif words[:1] == ["set"] and "distributed" in words:
        done = mark(do="redistribute", table=table, by=_distribution(items, position + words.index("distributed")))
    elif words[:3] == ["set", "with", "("] and "reorganize" in words:
        done = mark(do="redistribute", table=table, by=None)
    else:
        return [Edit(items[1].start, kind_end, kind)] if items[1].lower in ("external", "materialized") else []
    return [
        Edit(items[1].start, kind_end, kind),
        Edit(items[position].start, items[-1].end, f"SET WITHOUT OIDS {done}"),
    ]


def _distribution(items: list[Token], position: int) -> dict[str, Any]:
    """What a DISTRIBUTED clause says: {"type", "columns"}."""
    word = items[position + 1].lower if position + 1 < len(items) else ""
    if word == "randomly":
        return {"type": "random", "columns": []}
    if word == "replicated":
        return {"type": "replicated", "columns": []}
    if word == "by" and position + 2 < len(items) and items[position + 2].text == "(":
        end = closing_bracket(items, position + 2)
        return {"type": "hash", "columns": _key(items[position + 3 : end])}
    raise RefusedStatement('syntax error at or near "DISTRIBUTED"')


def _key(items: list[Token]) -> list[str]:
    """Columns of a key; an operator class behind one is taken for the default, the only one that is imitated."""
    columns = []
    begins = True
    for token in items:
        if begins:
            columns.append(unquote(token))
        elif "cdbhash" in token.lower:
            raise RefusedStatement(f"operator class {token.text} {NOT_PART}")
        begins = token.text == ","
    return columns


def _distributed_clause(items: list[Token]) -> int:
    """Index of the word DISTRIBUTED outside brackets, -1 if there is none."""
    depth = 0
    for index, token in enumerate(items):
        if token.kind == "other":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        if (
            depth == 0
            and token.lower == "distributed"
            and index + 1 < len(items)
            and items[index + 1].lower in ("by", "randomly", "replicated")
        ):
            return index
    return -1


def _create(items: list[Token], sql: str) -> list[Edit]:
    words = [token.lower for token in items]
    if "external" in words[1:4]:
        return _create_external(items, sql)
    position = 1
    while position < len(items) and words[position] in (
        "global",
        "local",
        "temp",
        "temporary",
        "unlogged",
        "materialized",
    ):
        position += 1
    if (
        position >= len(items)
        or words[position] not in ("table", "view")
        or (words[position] == "view" and words[position - 1] != "materialized")
    ):
        return _columns(items[3:], sql, None) if len(items) > 3 and words[1] == "view" else []
    position = _skip(items, position + 1, "if", "not", "exists")
    table, position = _name(items, position, sql)
    edits: list[Edit] = []
    wish: dict[str, Any] = {"do": "create", "table": table}
    clause = _distributed_clause(items)
    if any(words[index : index + 4] == ["on", "commit", "delete", "rows"] for index in range(len(words))):
        wish["empties"] = True
    stop = len(items)
    if clause >= 0:
        wish["by"] = _distribution(items, clause)
        after = clause + 2 if wish["by"]["type"] != "hash" else closing_bracket(items, clause + 2) + 1
        edits.append(Edit(items[clause].start, items[after - 1].end, ""))
        stop = clause
        if after < len(items) and words[after] == "partition":
            end = partitions.end_of_clause(items, after)
            wish["partition"] = partitions.parse(items[after:end], sql)
            edits.append(Edit(items[after].start, items[end - 1].end, ""))
    if words[position : position + 1] == ["("]:
        position = closing_bracket(items, position) + 1
    if words[position : position + 2] == ["with", "("] and position < stop:
        end = closing_bracket(items, position + 1)
        options = _options(items[position + 2 : end], sql)
        if any(
            name in options
            for name in ("appendonly", "appendoptimized", "orientation", "compresstype", "compresslevel", "blocksize")
        ):
            wish["with"] = options
            edits.append(Edit(items[position].start, items[end].end, ""))
    if any(w == "inherits" and items[i - 1].text == ")" for i, w in enumerate(words)):
        raise RefusedStatement(f"inheritance {NOT_PART}")
    if "with" not in wish and "by" not in wish:
        return _columns(items, sql, None)
    return [*edits, Edit(items[-1].end, items[-1].end, " " + mark(**wish)), *_columns(items, sql, None)]


def _options(items: list[Token], sql: str) -> dict[str, str]:
    """``a=b, c='d'`` as a mapping; a name alone means true."""
    options: dict[str, str] = {}
    index = 0
    while index < len(items):
        name = unquote(items[index])
        if index + 2 < len(items) and items[index + 1].text == "=":
            options[name] = items[index + 2].text.strip("'").lower()
            index += 3
        else:
            options[name] = "true"
            index += 1
        index += 1  # the comma
    return options


def _create_external(items: list[Token], sql: str) -> list[Edit]:
    """A foreign table: readable ones of file:// and no others can be read."""
    words = [token.lower for token in items]
    position = words.index("external") + 1
    position = _skip(items, position, "web")
    if words[position : position + 1] != ["table"]:
        raise RefusedStatement(f"this form of CREATE EXTERNAL TABLE {NOT_PART}")
    table, position = _name(items, position + 1, sql)
    if words[position : position + 1] != ["("]:
        raise RefusedStatement(f"this form of CREATE EXTERNAL TABLE {NOT_PART}")
    end = closing_bracket(items, position)
    columns = sql[items[position].start : items[end].end]
    wish: dict[str, Any] = {"do": "external", "table": table, "writable": "writable" in words[1:3]}
    clause = _distributed_clause(items)
    if clause >= 0:
        wish["by"] = _distribution(items, clause)
    location = next((t.text for t in items[end:] if t.kind == "string"), "''")[1:-1].replace("''", "'")
    wish["location"] = location
    if location.startswith("file://"):
        source = "filename " + _literal("/" + location.removeprefix("file://").partition("/")[2])
    else:  # a program, because ANALYZE passes over those
        words_of_failure = shlex.quote(f"{location}: data from outside is not part of the sandbox")
        source = "program " + _literal(f"echo {words_of_failure} >&2; exit 1")
    options = f"OPTIONS ({source}, format 'csv')"
    text = f"CREATE FOREIGN TABLE {table} {columns} SERVER sandbox_files {options} {mark(**wish)}"
    return [Edit(items[0].start, items[-1].end, text)]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _refresh(items: list[Token], sql: str) -> list[Edit]:
    position = _skip(items, 3 if items[2].lower == "view" else 2, "concurrently")
    table, position = _name(items, position, sql)
    if items[position:]:
        raise RefusedStatement(f"REFRESH MATERIALIZED VIEW … WITH [NO] DATA {NOT_PART}")
    return [Edit(items[3].start, items[-1].end, f"pg_sandbox.nothing {mark(do='refresh', table=table)}")]


def _setting(items: list[Token]) -> list[Edit]:
    """Greenplum's own settings get a prefix, under which PostgreSQL accepts any; versions are answered."""
    position = 1
    if items[0].lower == "set" and len(items) > 2 and items[1].lower in ("local", "session"):
        position = 2
    if position >= len(items) or items[position].kind != "word":
        return []
    name = items[position].lower
    if items[0].lower == "show":
        answer = {
            "server_version": settings.SERVER_VERSION, "server_version_num": "90426",
            "gp_server_version": settings.GP_SERVER_VERSION, "gp_server_version_numversion": "62403",
            "gp_role": "dispatch", "gp_session_role": "dispatch", "optimizer": "on",
        }.get(name)  # fmt: skip
        return [] if answer is None else [Edit(items[0].start, items[-1].end, f"SELECT '{answer}'::text AS {name}")]
    if is_greenplum_setting(name):
        return [Edit(items[position].start, items[position].end, f"gp.{name}")]
    return []


def is_greenplum_setting(name: str) -> bool:
    """Whether only Greenplum knows a setting of that name."""
    return name.startswith(("gp_", "optimizer", "gpcc.")) or name in (
        "statement_mem",
        "max_statement_mem",
        "allow_segment_dml",
        "rowsecurity",
    )


def _columns(items: list[Token], sql: str, ask: Ask | None) -> list[Edit]:
    """gp_segment_id as a function of tableoid, gp_dist_random('t') as a table."""
    edits: list[Edit] = []
    words = {token.lower for token in items}
    owns_column = any(w in words for w in ("pg_locks", "gp_stat_replication", "gp_tablespace_location")) or any(
        w.startswith("__gp_") for w in words
    )
    for index, token in enumerate(items):
        following = items[index + 1].text if index + 1 < len(items) else ""
        if (
            token.lower == "gp_segment_id"
            and following != "("
            and not owns_column
            and not _names_a_column(items, index)
            and belongs_to_table(items, index)
        ):
            if index >= 2 and items[index - 1].text == ".":
                start = index - 2
                while start >= 2 and items[start - 1].text == ".":
                    start -= 2
                qualifier = sql[items[start].start : items[index - 1].end]
                edits.append(Edit(items[start].start, token.end, f"gp_segment_id({qualifier}tableoid)"))
            else:
                edits.append(Edit(token.start, token.end, "gp_segment_id(tableoid)"))
        elif token.lower == "gp_execution_segment" and following == "(" and "from" in words and index + 2 < len(items):
            edits.append(Edit(token.start, items[index + 2].end, "gp_segment_id(tableoid)"))
        elif (
            token.lower == "gp_dist_random"
            and following == "("
            and index + 3 < len(items)
            and items[index + 2].kind == "string"
        ):
            name = items[index + 2].text[1:-1].replace("''", "'")
            edits.append(Edit(token.start, items[index + 3].end, ask("dist_random", name) if ask else name))
        elif (
            token.lower == "only"
            and index + 1 < len(items)
            and items[index - 1].lower in ("from", "join", "update", "truncate", "table")
            and items[index + 1].is_name
        ):
            name, after = _name(items, index + 1, sql)
            edits.append(Edit(token.start, items[after - 1].end, ask("only", name) if ask else name))
    return edits


def _names_a_column(items: list[Token], index: int) -> bool:
    """``AS gp_segment_id`` and column lists of INSERT or CREATE name it, they do not read it."""
    return index > 0 and items[index - 1].lower == "as"

"""Read Greenplum's PARTITION BY clause into the JSON that sql/coordinator/45_partitions.sql understands. Pure."""

from __future__ import annotations

from typing import Any

from .lexer import Token, closing_bracket, unquote


class BadClause(ValueError):
    """The clause cannot be read; the message quotes where."""


def end_of_clause(items: list[Token], start: int) -> int:
    """Position behind the bracket that lists the partitions: the last bracket on the outer level."""
    end = start
    index = start
    while index < len(items):
        if items[index].text == "(":
            index = closing_bracket(items, index)
            end = index + 1
        index += 1
    return min(end, len(items))


def parse(items: list[Token], sql: str) -> dict[str, Any]:
    """``PARTITION BY RANGE (day) [SUBPARTITION BY LIST (kind) SUBPARTITION TEMPLATE (…)] (…)``.

    :raises BadClause: anything else
    """
    levels: list[dict[str, Any]] = []
    templates: dict[int, list[dict[str, Any]]] = {}
    index = 0
    top: list[dict[str, Any]] | None = None
    while index < len(items):
        word = items[index].lower
        if word in ("partition", "subpartition") and _word(items, index + 1) == "by":
            strategy, bracket = _word(items, index + 2), index + 3
            end = closing_bracket(items, bracket)
            columns = [unquote(t) for t in items[bracket + 1 : end] if t.text != ","]
            if strategy not in ("range", "list") or len(columns) != 1:
                raise BadClause(f'this form of PARTITION BY is not part of the sandbox, near "{items[index].text}"')
            levels.append({"strategy": strategy, "column": columns[0]})
            index = end + 1
        elif word == "subpartition" and _word(items, index + 1) == "template":
            end = closing_bracket(items, index + 2)
            templates[len(levels) - 1] = _parts(items[index + 3 : end], sql)
            index = end + 1
        elif items[index].text == "(":
            end = closing_bracket(items, index)
            top = _parts(items[index + 1 : end], sql)
            index = end + 1
        else:
            raise BadClause(f'syntax error at or near "{items[index].text}"')
    if not levels or top is None or any(level not in templates for level in range(1, len(levels))):
        raise BadClause(
            "partitions without a list of them, or subpartitions without a template, are not part of the sandbox"
        )
    below: dict[str, Any] | None = None
    for number in reversed(range(len(levels))):
        spec = {**levels[number], "parts": top if number == 0 else templates[number]}
        if below is not None:
            spec["sub"] = below
        below = spec
    assert below is not None  # there is at least one level
    return below


def _parts(items: list[Token], sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start = index = 0
    while index <= len(items):
        if index == len(items) or items[index].text == ",":
            found.append(_part(items[start:index], sql))
            start = index + 1
        elif items[index].text == "(":
            index = closing_bracket(items, index)
        index += 1
    return found


def _part(items: list[Token], sql: str) -> dict[str, Any]:
    part: dict[str, Any] = {"name": None, "start_inclusive": True, "end_inclusive": False}
    index = 0
    if _word(items, 0) == "default":
        part["default"] = True
        index = 1
    if _word(items, index) in ("partition", "subpartition"):
        part["name"] = unquote(items[index + 1])
        index += 2
    while index < len(items):
        word = items[index].lower
        if word in ("start", "end", "every", "values") and _text(items, index + 1) == "(":
            end = closing_bracket(items, index + 1)
            inner = items[index + 2 : end]
            if word == "values":
                part["values"] = [sql[t.start : t.end] for t in inner if t.text != ","]
            else:
                part[word] = sql[inner[0].start : inner[-1].end]
            index = end + 1
            if _word(items, index) in ("inclusive", "exclusive"):
                part[f"{word}_inclusive"] = items[index].lower == "inclusive"
                index += 1
        else:
            raise BadClause(f'this form of a partition is not part of the sandbox, near "{items[index].text}"')
    return part


def _word(items: list[Token], index: int) -> str:
    return items[index].lower if index < len(items) else ""


def _text(items: list[Token], index: int) -> str:
    return items[index].text if index < len(items) else ""

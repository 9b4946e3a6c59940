"""Which relation a column belongs to, as far as the words of a statement tell. Pure.

gp_segment_id is a column of tables only: what a subquery or a WITH query calls so is a result of theirs, left alone.
"""

from __future__ import annotations

from .lexer import Token, closing_bracket


def belongs_to_table(items: list[Token], index: int) -> bool:
    """Whether the (possibly qualified) column at `index` is read from a table."""
    queries = _with_names(items)
    if index >= 2 and items[index - 1].text == ".":
        qualifier = items[index - 2].lower
        return qualifier not in queries and qualifier not in _aliases_of_subqueries(items)
    source = _first_source(items, index)
    if source is None or source >= len(items):
        return True
    return items[source].text != "(" and items[source].lower not in queries


def _with_names(items: list[Token]) -> set[str]:
    """``WITH name AS (``, ``, name AS (`` and the same with a list of columns."""
    found = set()
    for index, token in enumerate(items[:-2]):
        if token.is_name and items[index + 1].lower == "as" and items[index + 2].text == "(":
            found.add(token.lower)
    return found


def _aliases_of_subqueries(items: list[Token]) -> set[str]:
    """Names behind a closing bracket: ``(select …) x``, ``(select …) as x``."""
    found = set()
    for index, token in enumerate(items):
        if token.text == "(" and index + 1 < len(items) and items[index + 1].lower in ("select", "with", "values"):
            after = closing_bracket(items, index) + 1
            after += after < len(items) and items[after].lower == "as"
            if after < len(items) and items[after].is_name:
                found.add(items[after].lower)
    return found


def _first_source(items: list[Token], index: int) -> int | None:
    """Position of what stands behind FROM (past ONLY) in the query around `index`; None without one."""
    depth, start = 0, index
    while start > 0 and not (depth == 0 and items[start].lower == "select"):  # back to the SELECT around it
        start -= 1
        text = items[start].text if items[start].kind == "other" else ""
        depth = max(0, depth + {")": 1, "(": -1}.get(text, 0))  # below zero: out of a function's brackets
    position = start + 1
    while position < len(items):
        if items[position].text == "(":
            position = closing_bracket(items, position)
        elif items[position].text == ")":
            return None
        elif items[position].lower == "from":
            position += 1
            return position + (position < len(items) and items[position].lower == "only")
        position += 1
    return None

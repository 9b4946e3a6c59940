"""What a step found out, in the form every reader gets it: log, approval, report, page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Section:
    """What one step found out: sentences, and a table where there is one.

    :param columns: headings of the table; empty if there is none
    :param rows: as many cells each as there are headings, as text ready to be shown
    """

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "lines": list(self.lines),
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Section:
        return cls(data["title"], tuple(data["lines"]), tuple(data["columns"]), tuple(map(tuple, data["rows"])))


def join_sections(sections: Iterable[Section]) -> list[Section]:
    """Sections of one title, as several steps at one host leave them, become one where the first of them stands.

    Those whose tables have other columns stay for themselves.
    """
    joined: dict[tuple[str, tuple[str, ...]], Section] = {}
    for section in sections:
        key = (section.title, section.columns)
        first = joined.get(key)
        joined[key] = (
            section
            if first is None
            else replace(first, lines=first.lines + section.lines, rows=first.rows + section.rows)
        )
    return list(joined.values())


def render_section(section: Section) -> list[str]:
    """One section as it stands in the report, for the log of the step that made it."""
    return [section.title, *(f"  {line}" for line in section.lines), *_columns(section)]


def _columns(section: Section) -> list[str]:
    """The table in columns as wide as their widest cell; numbers to the right."""
    if not section.rows:
        return []
    table = [section.columns, *section.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(section.columns))]
    numeric = [all(row[column][:1].isdigit() for row in section.rows if row[column]) for column in range(len(widths))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in table
    ]

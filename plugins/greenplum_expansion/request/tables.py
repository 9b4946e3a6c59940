"""How the tables are moved."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import field_validator

from greenplum_expansion.request.section import Section, field

_TABLES = "Moving the tables"


class TableOrder(StrEnum):
    """In which order tables are moved, behind the important ones."""

    LARGEST_FIRST = "largest first"
    SMALLEST_FIRST = "smallest first"


class TablesSection(Section):
    """In which order tables are moved, and how many at a time."""

    parallel_moves: int = field(
        _TABLES,
        "Tables moved at a time",
        "Each needs two connections, and disk for a second copy of its table.",
        default=4,
        ge=1,
        le=96,
    )
    build_batch_size: int = field(
        _TABLES,
        "Hosts worked on at a time",
        "How many new segments gpexpand builds at a time (its option -B).",
        default=16,
        ge=1,
        le=128,
    )
    important_tables: tuple[str, ...] = field(
        _TABLES,
        "Important tables",
        "Moved first, in this order. One a line, as `schema.table` or `database.schema.table`; `*` and `?` match.",
        default=(),
    )
    order: TableOrder = field(
        _TABLES,
        "Order of the others",
        "*largest first* is soonest done as a whole; *smallest first* frees disk space soonest.",
        default=TableOrder.LARGEST_FIRST,
    )
    analyze: bool = field(
        _TABLES,
        "ANALYZE each table",
        "After its move, while it still occupies its place in the queue (gpexpand's option -a).",
        default=False,
    )

    @field_validator("important_tables", mode="before")
    @classmethod
    def _no_tables(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("important_tables")
    @classmethod
    def _check_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(pattern.strip() for pattern in patterns if pattern.strip())
        for pattern in cleaned:
            if "." not in pattern:
                raise ValueError(f"{pattern!r} names no schema; write schema.table")
        return cleaned

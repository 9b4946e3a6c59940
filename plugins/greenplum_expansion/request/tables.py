"""How the tables are moved."""

from __future__ import annotations

from enum import StrEnum

from pydantic import field_validator, model_validator

from greenplum_expansion.request.section import Lines, Section, field

_TABLES = "Moving the tables"


class TableOrder(StrEnum):
    """In which order tables are moved, behind the important ones."""

    LARGEST_FIRST = "largest first"
    SMALLEST_FIRST = "smallest first"
    JOINED_TOGETHER = "joined tables together"
    AS_RANKED = "as ranked by hand"


class Engine(StrEnum):
    """What moves the tables."""

    DIRECT = "direct"
    GPEXPAND = "gpexpand"


class TablesSection(Section):
    """In which order tables are moved, how many at a time, and by what."""

    engine: Engine = field(
        _TABLES,
        "What moves the tables",
        "*direct*: this tool, with gpexpand's own statements and in gpexpand's own list; begins only what will end in "
        "its window, waits for locks with patience, tries again, and is quicker. *gpexpand*: the utility itself; what "
        "is under way at a window's end is cancelled. One can take over from the other.",
        default=Engine.DIRECT,
    )
    parallel_moves: int = field(
        _TABLES,
        "Tables moved at a time",
        "Each needs disk for a second copy of its table.",
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
    important_tables: Lines = field(
        _TABLES,
        "Important tables",
        "Moved first, in this order. One a line, as `schema.table` or `database.schema.table`; `*` and `?` match.",
        default=(),
    )
    order: TableOrder = field(
        _TABLES,
        "Order of the tables",
        "*largest first* is soonest done as a whole; *smallest first* frees disk space soonest. *joined tables "
        "together*: those with equal distribution keys in one window, so that joins stay local; replicated tables "
        "before them. *as ranked by hand*: by the ranks you write into `gpexpand.status_detail`.",
        default=TableOrder.LARGEST_FIRST,
    )
    join_groups: Lines = field(
        _TABLES,
        "Tables that are joined",
        "For *joined tables together*, where equal keys do not tell: one group a line, as "
        "`sales.orders, sales.order_lines`.",
        default=(),
    )
    only_tables: Lines = field(
        _TABLES,
        "Only these tables",
        "Moves just what matches, and leaves the expansion open for the others, which `greenplum_redistribute` moves "
        "when you say. Written like the important tables; for *direct* only. On Greenplum 7 a table and those that "
        "inherit from it are named together.",
        default=(),
    )
    lock_patience_seconds: int = field(
        _TABLES,
        "Patience for a lock, in seconds",
        "A move waits so long for readers and writers of its table, while new ones wait behind it; then it gives "
        "way and is tried again later, up to five times. For *direct* only: gpexpand waits without end.",
        default=10,
        ge=1,
        le=3600,
    )
    analyze: bool = field(
        _TABLES,
        "ANALYZE each table",
        "After its move. With *direct* when its lock is gone; with *gpexpand* before (its option -a).",
        default=False,
    )

    @model_validator(mode="after")
    def _gpexpand_moves_everything(self) -> TablesSection:
        if self.only_tables and self.engine is Engine.GPEXPAND:
            raise ValueError(
                "'Only these tables' needs 'What moves the tables' to be direct: gpexpand moves all it has listed"
            )
        return self

    @field_validator("important_tables", "only_tables")
    @classmethod
    def _check_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return clean_patterns(patterns)

    @field_validator("join_groups")
    @classmethod
    def _check_groups(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(line.strip() for line in lines if line.strip())
        for line in cleaned:
            patterns = [pattern.strip() for pattern in line.split(",")]
            if len(patterns) < 2:
                raise ValueError(f"{line!r} names one table; a group has two or more, with commas between them")
            for pattern in patterns:
                _check_pattern(pattern)
        return cleaned


def clean_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Without blanks and empty lines. :raises ValueError: one names no schema"""
    cleaned = tuple(pattern.strip() for pattern in patterns if pattern.strip())
    for pattern in cleaned:
        _check_pattern(pattern)
    return cleaned


def _check_pattern(pattern: str) -> None:
    if "." not in pattern:
        raise ValueError(f"{pattern!r} names no schema; write schema.table")

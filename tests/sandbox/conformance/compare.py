"""Comparing a replayed command with its recording: the whole of it, or the part that does not hang on chance."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from .normal import TABLE_LINE, join_messages, normalise
from .recordings import Recording


@dataclass(frozen=True)
class Outcome:
    """What a replayed command did."""

    exit_code: int
    stdout: str
    stderr: str = ""


Selection = Callable[[str], list[str]]
"""Takes a normalised text and returns the lines to compare."""


def everything(text: str) -> list[str]:
    """All lines in their order."""
    return text.split("\n")


def tables_in_any_order(text: str) -> list[str]:
    """Lines about single tables as a sorted set of kinds of lines; the rest in order.

    The order of tables is that of rows of equal rank, which PostgreSQL and Greenplum store differently; with several
    workers it is chance. Names are compared where both clusters have the table: the practice database has a few more.
    """
    lines = join_messages(text)
    tables = sorted({line for line in lines if TABLE_LINE.search(line) and not _only_in_one(line)})
    return [line for line in lines if not TABLE_LINE.search(line)] + tables


def moved_part(text: str) -> list[str]:
    """For a run that was stopped: how far it came hangs on the machine's speed, so names and number are left out.

    Kept are all other lines, and that some table was begun, finished, cancelled and reset.
    """
    lines = join_messages(text)
    kinds = set()
    for line in lines:
        found = TABLE_LINE.search(line)
        if found and "failed to expand" not in line:
            kinds.add(found.group(0))
    return [line for line in lines if not TABLE_LINE.search(line)] + sorted(kinds)


def counts_left_out(text: str) -> list[str]:
    """Numbers of tables and bytes: the practice database has other tables and sizes."""
    text = re.sub(r"(-     \w+ +)\d+$", r"\1N", text, flags=re.MULTILINE)
    text = re.sub(
        r"^(\w+ ?\w* \| )\d+( \| \d+)?$",
        lambda m: m.group(1) + "N" + (" | N" if m.group(2) else ""),
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r"^(Bytes|Tables) (Done|Left|In Progress|Expanded) \| \d+$", r"\1 \2 | N", text, flags=re.MULTILINE)
    return text.split("\n")


_EXTRA = re.compile(r"public\.probe_ddl_|demo\.(?!sales\.|stage\.|hr\.|\"Mixed Case\")")


def _only_in_one(line: str) -> bool:
    """A table made for one recording, or one of the practice database's own."""
    return bool(_EXTRA.search(line)) or not any(name in line for name in SHARED_TABLES)


SHARED_TABLES = (
    "sales.orders", "sales.customers", "sales.order_lines", "sales.products", "sales.regions", "sales.clicks",
    "sales.skewed", "sales.facts_1_prt_", "sales.events_1_prt_", "stage.ao_row", "stage.ao_row_zstd", "stage.ao_col",
    "stage.ao_col_zlib", "stage.small_", "stage.empty_t", "stage.unlogged_t", "hr.employees", 'hr."Select"',
    '"Mixed Case"."Table With Space"', "hr.bloaty", "stage.ext_w", "sales.mv_orders",
    "sales.mv_customers", "sales.history",
)  # fmt: skip


def differences(recording: Recording, outcome: Outcome, select: Selection, *, stderr: bool = True) -> list[str]:
    """What differs, as lines to print; empty when they agree."""
    found: list[str] = []
    if recording.exit_code is not None and recording.exit_code != outcome.exit_code:
        found.append(f"exit code: recorded {recording.exit_code}, replayed {outcome.exit_code}")
    found += _diff("stdout", recording.stdout, outcome.stdout, select)
    if stderr:
        found += _diff("stderr", recording.stderr, outcome.stderr, select)
    return found


def _diff(what: str, recorded: str, replayed: str, select: Selection) -> list[str]:
    wanted, got = select(normalise(recorded)), select(normalise(replayed))
    if wanted == got:
        return []
    lines = difflib.unified_diff(wanted, got, f"recorded {what}", f"replayed {what}", n=1, lineterm="")
    return list(lines)

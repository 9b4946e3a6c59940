"""Selections for recordings that show catalogs or measurements: which part of them both clusters can share.

Each says what it leaves out. Text that is not part of a table goes through unchanged unless a function says otherwise.
"""

from __future__ import annotations

import re

from .compare import SHARED_TABLES, moved_part


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.split("\n") if "|" in line]


def described(text: str) -> list[str]:
    r"""``\d``: names and types. psql 9.4 and today's print other columns beside them and lay views out differently."""
    return [
        f"{row[0]} {row[1]}"
        for row in _rows(text)
        if len(row) >= 3 and re.match(r"(text|timestamp|oid|int|bool|num)", row[1])
    ]


def records(text: str) -> list[str]:
    """``psql -x``: all names, and the values of those on which something hangs."""
    telling = {
        "gp_segment_id",
        "usename",
        "application_name",
        "state",
        "sync_priority",
        "sync_state",
        "sync_error",
        "usesysid",
    }
    lines = []
    for row in _rows(text):
        lines.append(f"{row[0]} = {row[1]}" if row[0] in telling else row[0])
    return lines


def catalog_rows(text: str) -> list[str]:
    """Rows of tables in any order: those of one moment have no order. Text around them is left out."""
    return sorted({" | ".join(row) for row in _rows(text)})


def failover_rows(text: str) -> list[str]:
    """The configuration of the pair and what FTS noted about its failure; not the tries of the loop before it."""
    return [line for line in catalog_rows(text) if "| 0 |" in line or "and n" in line]


def _is_shared(name: str) -> bool:
    return any(name.startswith(shared) if shared.endswith("_") else name == shared for shared in SHARED_TABLES)


def shared_policies(text: str) -> list[str]:
    """gp_segment_configuration whole; of gp_distribution_policy the tables that both clusters have.

    Left out: oids of tables and operator classes; the order of equal names.
    """
    lines = []
    for row in _rows(text):
        if len(row) == 10 and row[0].isdigit() and row[1].lstrip("-").isdigit():
            lines.append(" | ".join(row))
        elif len(row) == 10 and row[0].isdigit() and _is_shared(_quoted(row[1], row[2])):
            oid_free = [*row[1:8], "class" if row[8] else "", row[9]]
            lines.append(" | ".join(oid_free))
        elif row[0] in ("dbid", "localoid"):
            lines.append(" | ".join(row))
    return sorted(lines)


def _quoted(schema: str, name: str) -> str:
    def quote(word: str) -> str:
        return word if re.fullmatch(r"[a-z_][a-z0-9_]*", word) else f'"{word}"'

    return f"{quote(schema)}.{quote(name)}"


def expansion_tables(text: str) -> list[str]:
    """gpexpand's tables after the preparation: columns, the shared tables' rows, status words and progress names.

    Left out: oids, sizes; whether an empty table's file has a page.
    """
    lines = []
    for row in _rows(text):
        if len(row) == 11 and row[0] != "table_oid" and _is_shared(row[2]):
            root, started, finished = ("set" if row[3] else "", "set" if row[7] else "", "set" if row[8] else "")
            lines.append(" | ".join([row[1], row[2], root, row[4], row[5], row[6], started, finished, row[10]]))
        elif len(row) == 11 and row[0] == "table_oid":
            lines.append(" | ".join(row))
    return [*sorted(lines), *progress_words(text)]


def progress_words(text: str) -> list[str]:
    """How far an interrupted redistribution came is chance. Kept: status words, columns, names of progress.

    Of the rows of gpexpand.status the last two: how many runs there were before them differs.
    """
    statuses = [row[0] for row in _rows(text) if len(row) == 2 and row[0].startswith(("SETUP", "EXPANSION"))]
    details = {row[6] for row in _rows(text) if len(row) == 11}
    counted = {row[0] for row in _rows(text) if row[0] in ("COMPLETED", "NOT STARTED", "IN PROGRESS")}
    progress = {row[0] for row in _rows(text) if row[0].startswith(("Bytes ", "Tables ", "Estimated "))}
    words = [line for line in text.split("\n") if "Cluster Expansion State" in line]
    return [*statuses[-2:], *sorted(details), *sorted(counted), *sorted(progress), *words]


def figures_left_out(text: str) -> list[str]:
    """Measurements and counts: every number, which host was the slowest, and whether one was called too slow."""
    lines = []
    for line in text.split("\n"):
        if line.startswith(("[Warning] connection between", "  adopted")):
            continue
        line = re.sub(r"\[sdw\d\]", "[HOST]", re.sub(r"(?<![\w-])\d+(?:\.\d+)?\b|\bTIME\d+|\bTIME", "N", line))
        lines.append(line)
    return _sorted_runs(lines, re.compile(r"^sdw\d (?:Tx|Rx) rate|^sdw\d -> sdw\d"))


def _sorted_runs(lines: list[str], pattern: re.Pattern[str]) -> list[str]:
    result: list[str] = []
    run: list[str] = []
    for line in lines:
        if pattern.match(line):
            run.append(line)
        else:
            result += sorted(run)
            run = []
            result.append(line)
    return [*result, *sorted(run)]


def measured(text: str) -> list[str]:
    """gpcheckperf from its result on: before it stand the command and, with -v, commands inside the real utility."""
    _, mark, result = text.partition("==  RESULT")
    return [line for line in figures_left_out(mark + result) if line]  # a blank line goes with a warning of slowness


def settings(text: str) -> list[str]:
    """``gpconfig -s``: values are the server's own. The list of ``-l`` is PostgreSQL's, so it is left out."""
    lines = [line for line in text.split("\n") if not line.startswith("[name: ")]
    return [re.sub(r"(value: ).*", r"\1VALUE", line) for line in lines]


def second_pair(text: str) -> list[str]:
    """The recorded cluster had been expanded before, so it had more segments to read pg_controldata from."""
    return [line for line in text.split("\n") if not line.startswith("<pg_controldata ")]


def login_errors(text: str) -> list[str]:
    """What gpssh says about hosts; the traceback through its libraries is left out."""
    return [line for line in text.split("\n") if line.startswith(("[ERROR]", "Could not"))]


def without_tables(text: str) -> list[str]:
    """Which tables are left depends on what was interrupted before; that there is a list stays."""
    lines: list[str] = []
    for line in text.split("\n"):
        named = re.sub(r'(-\[WARNING\]:-)?\t?("[^"]+"|\w+)\.("[^"]+"|\w+)$', r"\1TABLE", line)
        if named != line and lines and lines[-1].endswith("TABLE"):
            continue
        lines.append(named)
    return lines


def state_and_columns(text: str) -> list[str]:
    r"""Everything but ``\d``, of which names and types are kept."""
    head, mark, tail = text.partition("RC=1\n")
    return [*(head + mark).split("\n"), *sorted(described(tail))]


def without_debug(text: str) -> list[str]:
    """What ``-v`` adds: DEBUG lines with their continuation, which name commands inside the real utility."""
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if line.startswith("T gpexpand:"):  # lines of other programs are quoted in a message
            inside = "-[DEBUG]:-" in line
        if not inside and not line.startswith("<pg_controldata "):
            kept.append(line)
    return kept


def without_control_data(text: str) -> list[str]:
    """A recording that was cut by grep shows remains of pg_controldata."""
    lines = [line for line in text.split("\n") if not line.startswith("<pg_controldata ")]
    told = re.compile(
        r"Latest checkpoint's |Current max_worker|Blocks per segment|stderr:$|T .*Successfully finished pg_controldata"
    )
    return [line for line in lines if line and not told.match(line)]


def after_clean(text: str) -> list[str]:
    """Rows of the dumped table are other ones; that they have eleven columns stays."""
    lines = []
    for line in text.split("\n"):
        if line.count("\t") > 2:
            line = f"a row of {line.count(chr(9)) + 1} columns"
        lines.append(line)
    return lines


def without_causes(text: str) -> list[str]:
    """A segment dies: how the loss reads, and how many tables meet it, is each database's own.

    Left out are ERROR messages with their continuation and the lines of single tables but for their kinds.
    """
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if line.startswith("T "):
            inside = "-[ERROR]:-" in line
        if not inside:
            kept.append(line)
    return moved_part("\n".join(kept))


def failing_part(text: str) -> list[str]:
    """Which tables fail is other in both; that some do, with which words, stays."""
    text = re.sub(
        r"Table \S+ failed to expand: error 'ERROR:  cannot expand table \"[^\"]+\"",
        'Table T failed to expand: error \'ERROR:  cannot expand table "T"',
        text,
    )
    text = re.sub(r"' in 'ALTER .*'$", "' in 'ALTER'", text, flags=re.MULTILINE)
    lines = moved_part(text)
    failed = {line for line in lines if "failed to expand" in line}
    return [line for line in lines if "failed to expand" not in line] + sorted(failed)


def refused_and_state(text: str) -> list[str]:
    """What gpexpand says while another one runs; not the locks of that moment."""
    return [line for line in text.split("\n") if "gpexpand" in line or "RC=" in line or "Expansion State" in line]


def by_hand(text: str) -> list[str]:
    """Command tags of the ALTERs under their headings; not plans, times and tables that are missing here."""
    chosen = (
        "-- heap hash", "-- a second time", "-- partitioned root", "-- a leaf", "-- replicated", "-- random",
        "-- view", "-- external readable / writable", "-- quoted", "-- inside a transaction, then rolled back",
    )  # fmt: skip
    lines, taken = [], False
    for line in text.split("\n"):
        if line.startswith("-- "):
            taken = line in chosen
        if taken and line and not line.startswith("Time: "):
            lines.append(line)
    return lines

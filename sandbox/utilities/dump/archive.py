"""The archive: a directory with ``toc.dat`` (JSON lines, the first says what this is) and ``<number>.dat.gz``: rows."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..program import Failure
from .objects import Entry

HEADER = "archive of the sandbox's pg_dump"


def write_contents(directory: Path, dbname: str, entries: Sequence[Entry]) -> None:
    """Write the table of contents: last of all, so that an archive with one is whole."""
    stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    lines = [json.dumps({"what": HEADER, "database": dbname, "created": stamp})]
    lines += [json.dumps(asdict(entry), ensure_ascii=False) for entry in entries]
    (directory / "toc.dat").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_contents(directory: Path) -> tuple[dict[str, str], list[Entry]]:
    """Header and entries.

    :raises Failure: it is no archive of this package
    """
    try:
        first, *others = (directory / "toc.dat").read_text(encoding="utf-8").splitlines()
        header = json.loads(first)
        if header.get("what") != HEADER:
            raise ValueError
        return header, [Entry(**json.loads(line)) for line in others]
    except (OSError, ValueError, TypeError) as problem:
        raise Failure(f'directory "{directory}" does not appear to be a valid archive') from problem


def rows_file(directory: Path, number: int) -> Path:
    """Where the rows of the entry of that number lie."""
    return directory / f"{number}.dat.gz"


def listing(header: dict[str, str], entries: Iterable[Entry]) -> str:
    """As pg_restore --list prints it."""
    lines = [
        ";", f"; Archive created at {header['created']}", f";     dbname: {header['database']}", ";",
        ";", "; Selected TOC Entries:", ";",
    ]  # fmt: skip
    for number, entry in enumerate(entries, start=1):
        lines.append(f"{number}; 0 {entry.oid} {entry.kind} {entry.schema} {entry.name} {entry.owner}")
    return "\n".join(lines) + "\n"

"""Reading the recordings: ``tests/recordings/*.txt``, as a real Greenplum 6.24.3 left them.

A file holds a header, ``$ command``, the output, ``[exit code N, T s]`` and, where there was any, what of it was on
stderr. In the earlier files stdout was written over the beginning of stderr, so a fragment of stderr may follow stdout;
`Recording.stdout` leaves it out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).resolve().parents[2] / "recordings"

_EXIT = re.compile(r"^\[exit code (\d+), [\d.]+ s\]$", re.MULTILINE)
_STDERR = "[of which on stderr:]\n"


@dataclass(frozen=True)
class Recording:
    """One command and what became of it."""

    name: str
    host: str
    command: str
    stdout: str
    stderr: str
    exit_code: int | None


def names() -> list[str]:
    """All recordings there are, without the suffix."""
    return sorted(path.stem for path in DIRECTORY.glob("*.txt"))


def load(name: str) -> Recording:
    """A recording by its name, or by the unambiguous beginning of it (``51f``)."""
    found = [n for n in names() if n == name] or [n for n in names() if n.startswith(name + "_")]
    if len(found) != 1:
        raise KeyError(f"{len(found)} recordings are called {name}: {', '.join(found) or 'none'}")
    return parse(found[0], (DIRECTORY / f"{found[0]}.txt").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Recording:
    """The parts of a file. Recordings of a terminal have neither header nor exit code, but ``RC=0`` at their end."""
    text = text.replace("\r\n", "\n")
    host, command = "mdw", ""
    lines = text.split("\n")
    if lines and lines[0].startswith("# host: "):
        host = lines[0].split()[2]
        command, lines = _command(lines[1:])
    body = "\n".join(lines)
    exit_code, stderr = None, ""
    found = list(_EXIT.finditer(body))
    if found:
        exit_code = int(found[-1].group(1))
        _, _, stderr = body[found[-1].end() :].partition(_STDERR)
        body = body[: found[-1].start()].removesuffix("\n")
    elif (ended := re.search(r"^RC=(\d+)\s*\Z", body, re.MULTILINE)) is not None:
        exit_code, body = int(ended.group(1)), body[: ended.start()]
    return Recording(name, host, command, _without_stderr(body, stderr), stderr, exit_code)


def _command(lines: list[str]) -> tuple[str, list[str]]:
    """``$ …``, over several lines when it holds a here-document ended by ``E``."""
    first = lines[0].removeprefix("$ ")
    if "<<E" not in first:
        return first, lines[1:]
    end = next(i for i, line in enumerate(lines[1:], start=1) if line == "E")
    last = end + 1
    while last < len(lines) and lines[last].startswith("psql "):  # what followed the here-document
        last += 1
    return "\n".join([first, *lines[1:last]]), lines[last:]


def _without_stderr(body: str, stderr: str) -> str:
    """Drop lines that stderr has, too, and the rest of stderr that stuck out behind stdout."""
    if not stderr:
        return body
    on_stderr = {line for line in stderr.split("\n") if line}
    kept = [line for line in body.split("\n") if line not in on_stderr]
    fragments = tuple(on_stderr)
    while kept and not kept[-1]:
        kept.pop()
    if kept and any(len(kept[-1]) > 8 and line.endswith(kept[-1]) for line in fragments):
        kept.pop()
    # The first line that stuck out lost its beginning; whole lines of stderr followed it and are gone already.
    kept = [line for line in kept if not (len(line) > 20 and any(o != line and o.endswith(line) for o in fragments))]
    return "\n".join(kept)

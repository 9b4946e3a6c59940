"""The interview: questions on stdin, an input file in the working directory. It never contacts a new host."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from ..console import Console, ask, ask_yes_no, say
from ..errors import ExpansionError, UserAborted
from ..segments import Array
from .placement import as_line, place
from .tablespaces import Tablespace, write_template

WELCOME = """
System Expansion is used to add segments to an existing GPDB array.
gpexpand did not detect a System Expansion that is in progress.

Before initiating a System Expansion, you need to provision and burn-in
the new hardware.  Please be sure to run gpcheckperf to make sure the
new hardware is working properly.

Please refer to the Admin Guide for more information.
"""
IRREGULAR = """
The current system appears to be non-standard.
The utility can create a default configuration, which may not
correspond to how the existing segments are laid out.
"""
HOSTS = """
Enter a comma separated list of new hosts you want
to add to your array.  Do not include interface hostnames.
**Enter a blank line to only add segments to existing hosts**[]"""
MIRRORING = """
You must now specify a mirroring strategy for the new hosts.  Spread mirroring places
a given hosts mirrored segments each on a separate host.  You must be 
adding more hosts than the number of segments per host to use this. 
Grouped mirroring places all of a given hosts segments on a single 
mirrored host.  You must be adding at least 2 hosts in order to use this.

"""  # noqa: W291 (blanks at line ends belong to the recorded text)
STRATEGY = "\nWhat type of mirroring strategy would you like?\n spread|grouped (default=grouped)"
NO_NEW_HOSTS = """
** No hostnames were given that do not already exist in the **
** array. Additional segments will be added existing hosts. **"""
HOW_MANY = """
    By default, new hosts are configured with the same number of primary
    segments as existing hosts.  Optionally, you can increase the number
    of segments per host.

    For example, if existing hosts have two primary segments, entering a value
    of 2 will initialize two additional segments on existing hosts, and four
    segments on new hosts.  In addition, mirror segments will be added for
    these new primary segments if mirroring is enabled.
    """


def interview(array: Array, hosts_file: str | None, console: Console, tablespaces: Sequence[Tablespace] = ()) -> Path:
    """Ask, and write the input file.

    :return: the file, ``gpexpand_inputfile_YYYYMMDD_HHMMSS`` in the working directory
    :raises UserAborted: the first answer was no
    :raises ExpansionError: hosts that do not suffice
    :raises ValueError: a number that is none, in Python 2's words
    """
    if not ask_yes_no("Would you like to initiate a new System Expansion", "N", WELCOME):
        raise UserAborted
    if not is_standard(array) and not ask_yes_no(
        "Are you sure you want to continue with this gpexpand session?", "N", IRREGULAR
    ):
        raise UserAborted
    named = _read_hosts(hosts_file) if hosts_file else _split(ask(HOSTS, None))
    if array.mirrored and len(named) < 2:
        raise ExpansionError("You must be adding two or more hosts when expanding a system with mirroring enabled.")
    strategy = _ask_strategy() if array.mirrored else "grouped"
    hosts = [host for host in named if host not in array.hosts]
    if not hosts:
        say(NO_NEW_HOSTS)
    # An impossible spread is refused before the next question.
    place(array, hosts, strategy, (), ())
    count = _ask_count()
    primaries = [_ask_directory("primary", number) for number in range(1, count + 1)]
    mirrors = [_ask_directory("mirror", number) for number in range(1, count + 1)] if array.mirrored else []
    if not hosts and not count:
        raise ExpansionError("No new hosts or segments were entered.")
    say("\nGenerating configuration file...\n")
    console.info("Generating input file...")
    rows = place(array, hosts, strategy, primaries, mirrors)
    path = Path(f"gpexpand_inputfile_{datetime.datetime.now():%Y%m%d_%H%M%S}")
    path.write_text("".join(as_line(row) + "\n" for row in rows), encoding="utf-8")
    say(f"\nInput configuration file was written to '{path}'.")
    if tablespaces:
        template = write_template(path, tablespaces, rows)
        say(f"Tablespace Input configuration file was written to '{template}'.")
    say(f"\nPlease review the file and make sure that it is correct then re-run\nwith: gpexpand -i {path}\n{' ' * 16}")
    return path


def is_standard(array: Array) -> bool:
    """Equally many primaries and mirrors on each host; otherwise gpexpand asks one question more."""
    counts = {
        (
            sum(s.hostname == host and s.preferred_role == "p" for s in array.segment_instances),
            sum(s.hostname == host and s.preferred_role == "m" for s in array.segment_instances),
        )
        for host in array.hosts
    }
    return len(counts) == 1


def _read_hosts(path: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ExpansionError(f"[Errno 2] No such file or directory: '{path}'") from None
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _ask_strategy() -> str:
    background: str | None = MIRRORING
    while True:
        answer = ask(STRATEGY, background).strip().lower() or "grouped"
        if answer in ("spread", "grouped"):
            return answer
        background = None


def _ask_count() -> int:
    background: str | None = HOW_MANY
    while True:
        answer = ask("\nHow many new primary segments per host do you want to add? (default=0)", background).strip()
        try:
            count = int(answer or 0)
        except ValueError:
            raise ValueError(f"invalid literal for int() with base 10: '{answer}'") from None
        if 0 <= count <= 128:
            return count
        background = None


def _ask_directory(kind: str, number: int) -> str:
    """A parent directory. An empty answer is asked again without end, a blank inside is refused."""
    while True:
        answer = ask(f"Enter new {kind} data directory {number}", None).strip()
        if answer and " " not in answer:
            return answer.rstrip("/") or "/"

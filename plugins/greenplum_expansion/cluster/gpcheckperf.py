"""What gpcheckperf prints, read. It ends with code 0 however slow a disk is; so only its figures count.

Source: gpcheckperf 6.24.3 (``printResult``, ``printNetResult``, ``printMatrixResult``), and runs of it. Its own warning
"connection between a and b is no good" means less than 90 % of the fastest pair: it was seen for connections that were
fine, so it is not passed on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DISK_WRITE, DISK_READ, MEMORY = "disk write", "disk read", "stream"

_NUMBER = r"([0-9.]+(?:e[+-]?[0-9]+)?)"
# Hosts stand in brackets, filled up with blanks where names differ in length (gpssh).
_OF_HOST = re.compile(rf"\s+({DISK_WRITE}|{DISK_READ}|{MEMORY}) bandwidth \(MB/s\): {_NUMBER} \[\s*([^\]\s]+)\s*\]")
_EXTREME = re.compile(
    rf"\s*({DISK_WRITE}|{DISK_READ}|{MEMORY}) (?:min|max) bandwidth \(MB/s\): {_NUMBER} \[\s*([^\]\s]+)\s*\]"
)
_LINK = re.compile(rf"(\S+) -> (\S+) = {_NUMBER}\s*")
_MATRIX = re.compile(rf"(\S+) (Tx|Rx) rate: {_NUMBER}\s*")
_COMPLAINT = re.compile(
    r"\[(?:Error|ERROR|Abort|Exit)\]|Error:|\[Warning\] netperf failed|failed gpssh|No space left|Permission denied"
    r"|Please use gpssh-exkeys|binary file not found|Traceback|command not found|No such file",
)
_NETWORK_FAILED = "[Warning] netperf failed"
_COMPLAINTS_KEPT = 6
_LONGEST_COMPLAINT = 300


@dataclass(frozen=True, order=True)
class Link:
    """What one host sent another, MB/s."""

    source: str
    target: str
    mb_s: float

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"


@dataclass(frozen=True)
class Reading:
    """The figures of one run, MB/s by host; hosts it could not measure are absent.

    :param links: of tests ``n`` and ``N``, in the order printed
    :param sent, received: of test ``M``: sums over all other hosts
    :param complaints: what it said of failures, each on one line
    """

    disk_write: dict[str, float]
    disk_read: dict[str, float]
    memory: dict[str, float]
    links: tuple[Link, ...]
    sent: dict[str, float]
    received: dict[str, float]
    complaints: tuple[str, ...]


def read_output(text: str) -> Reading:
    """Read stdout and stderr together, of any test; lines it does not know are passed over."""
    rates: dict[str, dict[str, float]] = {DISK_WRITE: {}, DISK_READ: {}, MEMORY: {}}
    extremes: dict[str, dict[str, float]] = {DISK_WRITE: {}, DISK_READ: {}, MEMORY: {}}
    matrix: dict[str, dict[str, float]] = {"Tx": {}, "Rx": {}}
    links = []
    complaints: dict[str, None] = {}
    before = ""
    for line in text.splitlines():
        if found := _OF_HOST.match(line):
            rates[found[1]][found[3]] = float(found[2])
        elif found := _EXTREME.match(line):
            extremes[found[1]][found[3]] = float(found[2])
        elif found := _LINK.fullmatch(line):
            links.append(Link(found[1], found[2], float(found[3])))
        elif found := _MATRIX.fullmatch(line):
            matrix[found[2]][found[1]] = float(found[3])
        elif _COMPLAINT.search(line):
            # Why a connection failed stands on the line before, without any mark.
            reason = f"{before}; " if line.startswith(_NETWORK_FAILED) and before and before[0] not in "-=[" else ""
            complaints[" ".join(f"{reason}{line}".split())[:_LONGEST_COMPLAINT]] = None
        before = line.strip()
    # Without -D only the slowest and the fastest host are named.
    disk_write, disk_read, memory = (rates[kind] or extremes[kind] for kind in (DISK_WRITE, DISK_READ, MEMORY))
    return Reading(
        disk_write, disk_read, memory, tuple(links), matrix["Tx"], matrix["Rx"], tuple(complaints)[:_COMPLAINTS_KEPT]
    )

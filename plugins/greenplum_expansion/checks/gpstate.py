"""What gpstate sees beyond the catalog: a second opinion, told only where it differs from the first.

``gpstate -Q`` counts rows of the catalog that the other checks read themselves, so it is not asked. ``-e`` and ``-i``
ask every instance on its host, ``-f`` looks for the standby's process there, ``-m`` names the kind of mirroring as
gpexpand's interview would take it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.topology import Topology

_NORMAL = "All segments are running normally"
_NO_MIRRORS = "Physical mirroring is not configured"
_SAME_VERSION = "All segments are running the same software version"
_LINE = re.compile(r"\[(?P<level>[A-Z]+)\]:-(?P<text>.*)")
_NOISE = re.compile(r"Starting gpstate|Greenplum Version|Cloudberry Version|Obtaining Segment|Gathering data|^-+$|^$")


@dataclass(frozen=True)
class GpstateReports:
    """What gpstate printed, by option; None if it did not answer.

    :param mirroring: ``-e``
    :param standby: ``-f``
    :param versions: ``-i``
    :param mirrors: ``-m``
    """

    mirroring: str | None = None
    standby: str | None = None
    versions: str | None = None
    mirrors: str | None = None


@check("gpstate-segments", "gpstate finds every segment running normally")
def check_gpstate_segments(reports: GpstateReports) -> list[Finding]:
    """``gpstate -e`` asks each server on its host, where the catalog only knows what the coordinator last heard.

    Its exit code is 1 for a cluster without mirrors as well, so what it says is read.
    """
    said = reports.mirroring
    if said is None or _NORMAL in said or _NO_MIRRORS in said:
        return []
    return [
        Finding.error(
            "gpstate -e",
            f"it does not find all segments running normally: {'; '.join(_says(said)[:6])}",
            "run gprecoverseg -a (with -r if only roles are switched), wait until gpstate -e is content",
        )
    ]


@check("gpstate-standby", "gpstate finds the standby's process")
def check_gpstate_standby(reports: GpstateReports, topology: Topology) -> list[Finding]:
    """``gpstate -f`` looks on the standby's host whether its server runs."""
    if reports.standby is None or topology.standby is None:
        return []
    status = _value(reports.standby, "Standby status")
    if status is None or "passive" in status:
        return []
    return [
        Finding.error(
            str(topology.standby),
            f"gpstate -f says: {status}",
            "start it with gpinitstandby -n, wait until gpstate -f says streaming",
        )
    ]


@check("software-version", "All instances run the same software")
def check_software_version(reports: GpstateReports) -> list[Finding]:
    """``gpstate -i``, mirrors and standby included: a host that was left out of an upgrade would give its old files."""
    said = reports.versions
    if said is None or _SAME_VERSION in said:
        return []
    return [
        Finding.error(
            "gpstate -i",
            "not all instances run the same software, or one did not tell: "
            + "; ".join([line for line in _says(said) if "PostgreSQL" not in line or "unable" in line.lower()][:6]),
            "install the coordinator's version on every host and restart with gpstop -a -M fast -r",
        )
    ]


@check("mirror-layout", "Mirrors lie as one of the two patterns has it")
def check_mirror_layout(reports: GpstateReports, topology: Topology) -> list[Finding]:
    """``gpstate -m`` and the catalog, read by us, agree on grouped or spread.

    Where they do not, mirrors lie in no pattern, for example after gprecoverseg moved some to another host.
    """
    kind = re.search(r"-Type = (\w+)", reports.mirrors or "")
    if kind is None or not topology.is_mirrored:
        return []
    theirs = {"Group": "grouped", "Spread": "spread"}.get(kind.group(1), kind.group(1).lower())
    if theirs == topology.mirroring:
        return []
    return [
        Finding.warning(
            "mirrors",
            f"gpstate calls their layout {theirs}, by the catalog it is {topology.mirroring}: it follows no pattern",
            "choose in the request how mirrors lie on the new hosts, and compare the layout shown at the approval",
        )
    ]


def check_gpstate(reports: GpstateReports, topology: Topology) -> list[Finding]:
    """All second opinions."""
    return [
        *check_gpstate_segments(reports),
        *check_gpstate_standby(reports, topology),
        *check_software_version(reports),
        *check_mirror_layout(reports, topology),
    ]


def _says(text: str) -> list[str]:
    """What is in the lines, without their dates and the lines every report has."""
    found = (match.group("text").strip() for match in map(_LINE.search, text.splitlines()) if match)
    return [" ".join(line.split()) for line in found if not _NOISE.search(line)]


def _value(text: str, name: str) -> str | None:
    found = re.search(rf"-\s*{re.escape(name)}\s*=\s*(.*)", text)
    return found.group(1).strip() if found else None

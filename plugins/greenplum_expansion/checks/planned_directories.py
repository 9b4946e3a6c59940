"""Is there room for what gpexpand will make? Looked at once more when the plan is made, or was edited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.planning.places import Place, PlaceKind


@dataclass(frozen=True)
class PlannedDirectory:
    """A directory of a new instance, as found on its host.

    :param is_tablespace: it will hold one of the instance's tablespaces, else it is its data directory
    """

    hostname: str
    place: Place
    is_tablespace: bool


@check("planned-directories-free", "Nothing lies where new segments will lie")
def check_planned_directories(found: Iterable[PlannedDirectory]) -> list[Finding]:
    """Data directories must be absent or empty, directories of tablespaces absent.

    gpexpand fails over a data directory that holds something, and its rollback deletes what it held. The directory of a
    tablespace (``<location>/<dbid>``) it does not look at: if it exists, even empty, the files are moved one level too
    deep and the new segment's tablespace is empty. A rolled back expansion leaves such directories behind (6.24.3).
    """
    findings = []
    for one in found:
        place, subject = one.place, f"{one.hostname}:{one.place.datadir}"
        if one.is_tablespace and place.kind is not PlaceKind.ABSENT:
            findings.append(
                Finding.error(
                    subject,
                    "it is to become the tablespace of a new segment, but it exists",
                    "remove it if an earlier expansion has left it, else choose another directory for the tablespace",
                )
            )
        elif not one.is_tablespace and not place.is_free:
            what = ", ".join(place.entries[:3]) or place.kind
            findings.append(
                Finding.error(
                    subject,
                    f"it is to become a data directory, but it is not free ({what})",
                    "move away what lies there, or choose another directory",
                )
            )
    return findings

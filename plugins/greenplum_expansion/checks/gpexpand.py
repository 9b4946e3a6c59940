"""Is the installed gpexpand one that this tool can drive, and what is known to be wrong with it?"""

from __future__ import annotations

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.flavors import GpexpandOptions, Version


@check("gpexpand-options", "gpexpand has the options that are needed")
def check_gpexpand_options(options: GpexpandOptions) -> list[Finding]:
    """Asked of the program itself (``--help`` and what it declares), as releases of one flavor differ.

    A gpexpand that refuses an option would do so when the plan has been approved.
    """
    if not options.missing:
        return []
    return [
        Finding.error(
            "gpexpand",
            f"it does not know {', '.join(options.missing)}",
            "install the gpexpand that belongs to this server; let gphome in the connection point to it",
        )
    ]


@check("writes-while-building", "New segments can be built while others write")
def check_writes_while_building(version: Version) -> list[Finding]:
    """New segments begin as a copy of the coordinator. In older releases they cannot start if that copy has traces of
    distributed transactions: those of every write to several segments that commits in the minutes of `add_segments`.
    Nothing is lost: preparation fails before the catalog changes (greenplum-db/gpdb#17346; seen in 7.0.0).
    """
    if version.builds_beside_writes:
        return []
    return [
        Finding.warning(
            str(version),
            "its new segments may fail to start if somebody writes to the cluster while they are built; preparation "
            "then fails and is rolled back",
            "keep applications from writing while add_segments runs, and let open transactions be waited for or ended",
        )
    ]

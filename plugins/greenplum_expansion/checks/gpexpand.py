"""Is the installed gpexpand one that this tool can drive?"""

from __future__ import annotations

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.flavors import GpexpandOptions


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

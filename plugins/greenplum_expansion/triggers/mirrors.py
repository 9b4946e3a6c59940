"""Ask the catalog again and again until every mirror is in sync."""

from __future__ import annotations

from greenplum_expansion.checks.cluster import check_segments
from greenplum_expansion.checks.finding import errors
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.facts import read_probed_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.triggers.polling import Look, PollingTrigger


class ClusterHealthyTrigger(PollingTrigger):
    """Fires ``{"healthy", "problems"}`` when all instances are up and in sync, or patience is over; a look is a query.

    Parameters: see `PollingTrigger`.
    """

    def look(self) -> Look:
        """All instances, as FTS has seen them."""
        problems = problems_now(self.greenplum_conn_id)
        words = "; ".join(problems) or "All instances are up and in sync"
        return Look(not problems, words, problems, {"healthy": not problems, "problems": problems})


def problems_now(greenplum_conn_id: str) -> list[str]:
    """What keeps the cluster from being healthy; a coordinator that does not answer is such a thing, too."""
    try:
        return [
            str(finding) for finding in errors(check_segments(read_probed_topology(GreenplumHook(greenplum_conn_id))))
        ]
    except ExpansionError as error:
        return [str(error)]

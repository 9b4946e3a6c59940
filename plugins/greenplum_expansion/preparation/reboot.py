"""Starting the host anew, when something needs it."""

from __future__ import annotations

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart


@part(PreparationPart.REBOOT, "What is felt only after a reboot is felt")
def plan_reboot(situation: Situation) -> PartPlan:
    """Only if a change of this preparation needs it and was made since the host's last boot; never while a server of
    PostgreSQL or Greenplum runs there. The task waits, without holding a worker, until the host answers with another
    boot id. If the request does not allow it, what needs a reboot is told instead.

    Nearly everything is made to be felt at once; what is not is SELinux disabled altogether.
    """
    # What needs it stands in the manifest on the host, which hooks/preparation.py reads: nothing to plan from files.
    return Draft().plan()

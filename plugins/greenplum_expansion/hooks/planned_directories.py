"""Looking at the directories of a plan, on the hosts where they will be."""

from __future__ import annotations

from greenplum_expansion.checks.planned_directories import PlannedDirectory
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.places import instances_by_host, look_at_places, open_host
from greenplum_expansion.planning.plan import Plan


def look_at_planned(hook: GreenplumHook, plan: Plan) -> list[PlannedDirectory]:
    """Each data directory and each directory of a tablespace, as it is now.

    :raises RemoteError: a host cannot be reached or logged into
    """
    found = []
    for hostname, instances in instances_by_host(plan).items():
        tablespaces = [path for host, path in plan.tablespace_directories if host == hostname]
        paths = [*(instance.datadir for instance in instances), *tablespaces]
        places = look_at_places(open_host(hook, instances), paths)[1]
        found += [PlannedDirectory(hostname, place, place.datadir in tablespaces) for place in places]
    return found

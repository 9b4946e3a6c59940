"""The wizard's forecast at the edges of what is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.pages.foresight import Foresight, foresee
from greenplum_expansion.pages.wizard import picture
from greenplum_expansion.pages.workloads import Measured
from greenplum_expansion.planning.moves import Move
from greenplum_expansion.planning.workload import Workload
from tests.unit.clusters import cluster

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTS = {"new_hosts": ["sdw3", "sdw4"]}
MEASURED = Measured(Workload.measure([Move("dwh", 1, "public.t", 2**30)], [], NOW.timestamp()))


def seen(**draft: Any) -> Foresight:
    return foresee(draft, cluster(), picture(HOSTS, cluster()).new, MEASURED, NOW)


def test_without_any_window_to_come_there_is_nothing_to_forecast():
    assert seen(last_end="2020-01-01 00:00").reason == "No window comes in which tables could move."


def test_windows_far_ahead_are_as_long_as_near_ones():
    found = seen(not_before="2028-01-01 20:00", windows=["22:00-06:00"]).estimate
    assert found is not None
    assert (found.longest_window, found.oversized_count) == (8 * 3600, 0)
    assert found.outlook.ends[1].year == 2028


def test_more_primaries_without_new_hosts_are_carried_by_the_old_ones():
    topology = cluster()
    new = picture({"more_primaries": 2}, topology).new
    found = foresee({"more_primaries": 2}, topology, new, MEASURED, NOW).estimate
    assert found is not None
    assert found.a_host == found.second_copies // 2


def test_what_is_missing_is_said():
    assert "not measured yet" in foresee({}, cluster(), (), Measured(), NOW).reason
    assert "not measured yet" in foresee({}, None, (), MEASURED, NOW).reason
    assert "named and have a place" in foresee({}, cluster(), (), MEASURED, NOW).reason
    assert "when this step is right" in seen(windows=["at night"]).reason

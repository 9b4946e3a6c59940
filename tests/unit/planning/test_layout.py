"""New hosts beside the old ones, and each way to deviate from the pattern, said with both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from greenplum_expansion.checks.layout import check_layout
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Host, Mirroring, Topology
from greenplum_expansion.planning.layout import lay_out, rows, spans
from greenplum_expansion.planning.placement import Wishes, place
from tests.unit.clusters import cluster, recorded

MIRROR = "/data/mirror"


def placed(
    before: Topology, *names: str, mirroring: Mirroring = "grouped", wishes: Wishes | None = None
) -> tuple[NewInstance, ...]:
    return place(before, [Host(name, name) for name in names], mirroring, wishes or Wishes())


def said(before: Topology, new: Sequence[NewInstance]) -> str:
    return "\n".join(map(str, check_layout(lay_out(before, new))))


def test_hosts_stand_side_by_side() -> None:
    new = placed(recorded(), "sdw3", "sdw4", wishes=Wishes(more_primaries=1))
    assert rows(lay_out(recorded(), new)) == [
        ("sdw1", "gets more", "0-1 + 8", "6000-6002", "/data/primary", "2-3 + 11", "7000-7002", MIRROR, "sdw2"),
        ("sdw2", "gets more", "2-3 + 9", "6000-6002", "/data/primary", "0-1 + 8", "7000-7002", MIRROR, "sdw1, sdw3"),
        ("sdw3", "new", "4-5, 10", "6000-6002", "/data/primary", "6-7, 9", "7000-7002", MIRROR, "sdw4"),
        ("sdw4", "new", "6-7, 11", "6000-6002", "/data/primary", "4-5, 10", "7000-7002", MIRROR, "sdw3, sdw1"),
    ]  # fmt: skip


@pytest.mark.proves("layout-equal-load", "layout-same-directories", "layout-same-ports", "layout-same-mirroring")
@pytest.mark.parametrize("mirroring", ["none", "grouped", "spread"])
@pytest.mark.parametrize("more", [0, 1])
def test_what_follows_the_pattern_has_no_finding(mirroring: Mirroring, more: int) -> None:
    before = cluster(4, 2, mirroring=mirroring)
    new = placed(before, "sdw5", "sdw6", "sdw7", "sdw8", mirroring=mirroring, wishes=Wishes(more_primaries=more))
    assert said(before, new) == ""


@pytest.mark.proves("layout-same-directories")
def test_other_directories_are_a_warning() -> None:
    new = placed(recorded(), "sdw3", "sdw4", wishes=Wishes(primary_directories=("/d1", "/d2")))
    assert (
        "WARNING sdw3: primaries lie in /d1, /d2, on sdw1 in /data/primary (twice). "
        "Remedy: use /data/primary (twice), or accept the difference." in said(recorded(), new)
    )


@pytest.mark.proves("layout-same-ports")
def test_other_ports_are_a_warning() -> None:
    new = placed(recorded(), "sdw3", "sdw4", wishes=Wishes(first_mirror_port=9000))
    assert "WARNING sdw3: mirrors have ports 9000-9001, on sdw1 7000-7001" in said(recorded(), new)


@pytest.mark.proves("layout-same-mirroring")
def test_another_kind_of_mirroring_is_a_warning() -> None:
    before = cluster(4, 2)
    new = placed(before, "sdw5", "sdw6", "sdw7", mirroring="spread")
    assert "WARNING new hosts: their mirrors are spread, those of the existing hosts grouped" in said(before, new)


@pytest.mark.proves("layout-equal-load")
def test_a_host_left_with_less_is_a_warning() -> None:
    new = [i for i in placed(recorded(), "sdw3", "sdw4") if i.content != 7]
    assert "WARNING sdw4: it will have 1 primaries, sdw1 2; queries wait for" in said(recorded(), new)
    assert "WARNING sdw3: it will have 1 mirrors, sdw1 2" in said(recorded(), new)


@pytest.mark.proves("layout-equal-load")
def test_an_existing_host_that_differs_is_only_noted() -> None:
    before = Topology(tuple(replace(i, hostname="sdw9") if i.dbid == 2 else i for i in cluster(3, 2).instances))
    assert "NOTE sdw9: it has 1 primaries, sdw2, the pattern for new hosts, 2." in said(
        before, placed(before, "a", "b")
    )


@pytest.mark.proves("layout-same-networks")
def test_one_address_where_existing_hosts_have_two_is_a_warning() -> None:
    before = Topology(
        tuple(
            replace(i, address=f"{i.hostname}-{i.content % 2}") if i.content >= 0 else i for i in recorded().instances
        )
    )
    assert "WARNING sdw3: its segments have 1 addresses, those of sdw1 2" in said(
        before, placed(before, "sdw3", "sdw4")
    )


def test_numbers_are_said_in_few_words() -> None:
    assert spans([]) == ""
    assert spans([4, 5, 6, 9, 11, 12]) == "4-6, 9, 11-12"

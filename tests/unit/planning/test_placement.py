"""Placement gives the file that gpexpand's interview would have written, and never one that gpexpand refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.checks.finding import errors
from greenplum_expansion.checks.input_file import check_input_file
from greenplum_expansion.cluster.input_file import parse, render
from greenplum_expansion.cluster.topology import Host
from greenplum_expansion.planning.placement import PlacementError, place
from tests.unit.clusters import cluster, recorded

# Recording 21_inputfile_sdw3_sdw4: what the interview of Greenplum 6.24.3 wrote for these answers.
RECORDED_FILE = """\
sdw3|sdw3|6000|/data/primary/gpseg4|11|4|p
sdw4|sdw4|7000|/data/mirror/gpseg4|17|4|m
sdw3|sdw3|6001|/data/primary/gpseg5|12|5|p
sdw4|sdw4|7001|/data/mirror/gpseg5|18|5|m
sdw4|sdw4|6000|/data/primary/gpseg6|13|6|p
sdw3|sdw3|7000|/data/mirror/gpseg6|15|6|m
sdw4|sdw4|6001|/data/primary/gpseg7|14|7|p
sdw3|sdw3|7001|/data/mirror/gpseg7|16|7|m
"""


def hosts(*names: str) -> list[Host]:
    return [Host(name, name) for name in names]


def test_two_hosts_grouped_give_the_recorded_interview_file():
    assert render(place(recorded(), hosts("sdw3", "sdw4"), "grouped")) == RECORDED_FILE


def test_address_may_differ_from_the_host_name():
    placed = place(recorded(), [Host("sdw3", "10.0.0.3"), Host("sdw4", "10.0.0.4")], "grouped")
    assert {(i.hostname, i.address) for i in placed} == {("sdw3", "10.0.0.3"), ("sdw4", "10.0.0.4")}


def test_contents_follow_host_names_even_if_hosts_are_given_in_another_order():
    placed = place(recorded(), hosts("sdw9", "sdw3"), "grouped")
    assert [i.hostname for i in placed if i.is_primary] == ["sdw3", "sdw3", "sdw9", "sdw9"]
    assert [i.content for i in placed if i.is_primary] == [4, 5, 6, 7]


def test_one_host_for_a_mirrored_cluster_is_refused_with_the_number_needed():
    with pytest.raises(PlacementError, match="needs at least 2 new hosts, 1 is given"):
        place(recorded(), hosts("sdw3"), "grouped")


def test_spread_over_as_many_hosts_as_primaries_is_refused():
    with pytest.raises(PlacementError, match=r"2 hosts are given.*give at least 3 hosts"):
        place(recorded(), hosts("sdw3", "sdw4"), "spread")


def test_spread_puts_the_mirrors_of_one_host_on_different_hosts():
    placed = place(cluster(3, 2, mirroring="spread"), hosts("sdw4", "sdw5", "sdw6"), "spread")
    primary_host = {i.content: i.hostname for i in placed if i.is_primary}
    targets: dict[str, list[str]] = {}
    for mirror in placed:
        if not mirror.is_primary:
            targets.setdefault(primary_host[mirror.content], []).append(mirror.hostname)
    assert all(len(set(names)) == len(names) == 2 for names in targets.values())


def test_mirrors_for_a_cluster_without_mirrors_are_refused():
    with pytest.raises(PlacementError, match="has no mirrors"):
        place(cluster(mirroring="none"), hosts("sdw3", "sdw4"), "grouped")


def test_a_cluster_without_mirrors_may_grow_by_one_host():
    placed = place(cluster(mirroring="none"), hosts("sdw3"), "none")
    assert [(i.content, i.dbid, i.preferred_role) for i in placed] == [(4, 7, "p"), (5, 8, "p")]


@given(
    existing=st.integers(2, 12),
    primaries=st.integers(1, 8),
    new=st.integers(1, 12),
    mirroring=st.sampled_from(["none", "grouped", "spread"]),
    order=st.randoms(use_true_random=False),
)
def test_whatever_is_placed_passes_every_rule_of_gpexpand(existing, primaries, new, mirroring, order):
    before = cluster(max(existing, primaries + 1), primaries, mirroring=mirroring)
    names = [f"new{n}" for n in range(new)]
    order.shuffle(names)
    try:
        placed = place(before, hosts(*names), mirroring)
    except PlacementError:
        assert new < 2 or (mirroring == "spread" and new <= primaries)
        return
    assert errors(check_input_file(before, placed)) == []
    assert sorted(parse(render(placed)), key=lambda i: i.dbid) == sorted(placed, key=lambda i: i.dbid)
    assert len([i for i in placed if i.is_primary]) == new * primaries
    per_host = {name: len([i for i in placed if i.hostname == name]) for name in names}
    assert set(per_host.values()) == {primaries * (1 if mirroring == "none" else 2)}

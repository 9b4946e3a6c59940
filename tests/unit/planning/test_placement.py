"""Placement gives the file that gpexpand's interview would have written, and never one that gpexpand refuses."""

import json
import posixpath
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from greenplum_expansion.checks.finding import errors
from greenplum_expansion.checks.input_file import check_input_file
from greenplum_expansion.cluster.input_file import parse, render
from greenplum_expansion.cluster.topology import Host, Topology
from greenplum_expansion.planning.placement import PlacementError, Wishes, place
from tests.unit.clusters import cluster, recorded

RECORDINGS = Path(__file__).parents[2] / "recordings"

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


# What gpexpand's own rules give, computed by GpArray of Greenplum 6.24.3 (addExpansionHosts, addExpansionDatadirs).
INTERVIEWS = json.loads((Path(__file__).parent / "interview_files.json").read_text())


@pytest.mark.parametrize("case", INTERVIEWS, ids=lambda case: "-".join(map(str, list(case.values())[:6])))
def test_other_clusters_give_the_files_of_gpexpand(case):
    before = cluster(case["existing_hosts"], case["primaries"], mirroring=case["mirroring"])
    wishes = Wishes(more_primaries=case["more_primaries"])
    placed = place(before, hosts(*case["new_hosts"]), case["new_mirroring"], wishes)
    assert render(placed).splitlines() == case["file"]


@pytest.mark.parametrize(
    ("recording", "before", "names", "wishes"),
    [
        ("20b_interview_stdin_pipe", recorded(), ("sdw3", "sdw4"), Wishes()),
        ("20g_interview_two_more_segs", recorded(), ("sdw3", "sdw4"), Wishes(more_primaries=1)),
        ("78_interview_with_tablespace", recorded(), ("sdw3", "sdw4"), Wishes()),
    ],
)
def test_recorded_interviews_wrote_the_same_file(recording, before, names, wishes):
    said = (RECORDINGS / f"{recording}.txt").read_text().splitlines()
    written = [line for line in said if line.count("|") == 6]
    assert render(place(before, hosts(*names), "grouped", wishes)).splitlines() == written


def test_a_second_expansion_gives_the_recorded_file():
    first = place(recorded(), hosts("sdw3", "sdw4"), "grouped")
    said = (RECORDINGS / "74d_interview_second.txt").read_text().splitlines()
    placed = place(grown(recorded(), first), hosts("sdw5", "sdw6"), "grouped")
    assert render(placed).splitlines() == [line for line in said if line.count("|") == 6]


def grown(before: Topology, added) -> Topology:
    rows = [
        {**vars(i), "role": i.preferred_role, "mode": "s", "status": "u"} for i in added
    ]  # as gp_segment_configuration tells them afterwards
    return Topology.from_rows([*before.to_rows(), *rows])


def test_existing_hosts_alone_may_get_more_segments_although_the_interview_cannot_do_that():
    placed = place(recorded(), [], "grouped", Wishes(more_primaries=1))
    assert render(placed) == (
        "sdw1|sdw1|6002|/data/primary/gpseg4|11|4|p\n"
        "sdw2|sdw2|7002|/data/mirror/gpseg4|14|4|m\n"
        "sdw2|sdw2|6002|/data/primary/gpseg5|12|5|p\n"
        "sdw1|sdw1|7002|/data/mirror/gpseg5|13|5|m\n"
    )


def test_nothing_to_add_is_refused():
    with pytest.raises(PlacementError, match="name at least one host"):
        place(recorded(), [], "grouped")


def test_directories_are_taken_in_turn_and_go_on_where_an_existing_host_has_some():
    wishes = Wishes(more_primaries=1, primary_directories=("/d1/p", "/d2/p"), mirror_directories=("/d1/m", "/d2/m"))
    placed = place(recorded(), hosts("sdw3", "sdw4"), "grouped", wishes)
    of_primaries = {
        name: [posixpath.dirname(i.datadir) for i in placed if i.hostname == name and i.is_primary]
        for name in ("sdw1", "sdw3")
    }
    assert of_primaries == {"sdw3": ["/d1/p", "/d2/p", "/d1/p"], "sdw1": ["/d1/p"]}
    assert {posixpath.dirname(i.datadir) for i in placed if not i.is_primary} == {"/d1/m", "/d2/m"}


def test_more_directories_than_primaries_are_refused():
    with pytest.raises(PlacementError, match="3 directories for primaries are given, but a host gets 2"):
        place(recorded(), hosts("sdw3", "sdw4"), "grouped", Wishes(primary_directories=("/a", "/b", "/c")))


def test_wished_ports_begin_on_new_hosts_and_more_follow_the_highest():
    wishes = Wishes(more_primaries=1, first_primary_port=6100, first_mirror_port=7100)
    placed = place(recorded(), hosts("sdw3", "sdw4"), "grouped", wishes)
    ports = {name: sorted(i.port for i in placed if i.hostname == name) for name in ("sdw1", "sdw3")}
    assert ports == {"sdw3": [6100, 6101, 6102, 7100, 7101, 7102], "sdw1": [6102, 7102]}


def test_wished_ports_that_an_instance_has_are_refused_and_not_moved():
    with pytest.raises(PlacementError, match=r"port 6001 on sdw1 belongs to another instance"):
        place(recorded(), [], "grouped", Wishes(more_primaries=1, first_primary_port=6001))


def test_primaries_and_mirrors_wished_on_the_same_ports_are_refused():
    wishes = Wishes(first_primary_port=6100, first_mirror_port=6101)
    with pytest.raises(PlacementError, match="wished for mirrors, but port 6101"):
        place(recorded(), hosts("sdw3", "sdw4"), "grouped", wishes)


def test_a_port_range_that_ends_too_high_is_refused():
    wishes = Wishes(first_primary_port=65535)
    with pytest.raises(PlacementError, match="choose a lower first port"):
        place(recorded(), hosts("sdw3", "sdw4"), "grouped", wishes)


def test_more_primaries_pass_over_ports_of_mirrors_that_follow_directly():
    """gpexpand asks to write the file by hand here: "Current primary and mirror ports are contiguous"."""
    before = Topology(
        tuple(replace(i, port=i.port - 998) if i.port >= 7000 else i for i in recorded().instances)
    )  # mirrors on 6002 and 6003
    placed = place(before, [], "grouped", Wishes(more_primaries=1))
    assert errors(check_input_file(before, placed)) == []
    assert {i.port for i in placed} == {6004, 6005}


def test_a_segment_moved_by_gprecoverseg_makes_neither_host_the_pattern():
    moved = tuple(
        replace(i, hostname="spare", address="spare", port=50000, datadir="/moved") if i.dbid == 2 else i
        for i in cluster(3, 2).instances
    )  # fmt: skip
    before = Topology(moved)
    assert before.pattern_host == "sdw2"
    placed = place(before, hosts("sdw4", "sdw5"), "grouped")
    assert {i.hostname: sum(p.hostname == i.hostname for p in placed) for i in placed} == {"sdw4": 4, "sdw5": 4}
    assert min(i.port for i in placed) == 6000


def test_a_directory_that_a_moved_segment_took_is_not_given_again():
    moved = tuple(
        replace(i, datadir="/data/primary/gpseg4") if i.dbid == 2 else i for i in recorded().instances
    )  # content 0 on sdw1
    placed = place(Topology(moved), [], "grouped", Wishes(more_primaries=1))
    assert [i.datadir for i in placed if i.is_primary] == ["/data/primary/gpseg4_new", "/data/primary/gpseg5"]


def test_mirrors_of_additional_primaries_stay_spread_although_gpexpand_would_put_two_together():
    before = cluster(3, 2, mirroring="spread")
    placed = place(before, hosts("sdw4", "sdw5", "sdw6"), "spread", Wishes(more_primaries=1))
    after = grown(before, placed)
    assert after.mirroring == "spread"
    assert Counter(Counter(i.hostname for i in after.mirrors).values()) == {3: 6}


def test_spread_mirrors_for_which_no_host_is_left_are_refused():
    with pytest.raises(PlacementError, match=r"cannot be mirrored each on a host of its own.*or choose grouped"):
        place(cluster(3, 2, mirroring="spread"), [], "spread", Wishes(more_primaries=1))


def test_several_addresses_of_an_existing_host_are_taken_in_turn():
    cards = tuple(
        replace(i, address=f"{i.hostname}-{i.port % 2 + 1}") if i.content >= 0 else i for i in recorded().instances
    )
    placed = place(Topology(cards), [], "grouped", Wishes(more_primaries=2))
    assert [i.address for i in placed if i.is_primary] == ["sdw1-1", "sdw1-2", "sdw2-1", "sdw2-2"]
    assert {i.address for i in placed if not i.is_primary} == {"sdw1-1", "sdw1-2", "sdw2-1", "sdw2-2"}


@given(
    existing=st.integers(2, 9),
    primaries=st.integers(1, 6),
    new=st.integers(0, 9),
    more=st.integers(0, 3),
    was=st.sampled_from(["none", "grouped", "spread"]),
    wished=st.sampled_from(["grouped", "spread"]),
    directories=st.integers(0, 3),
    ports=st.sampled_from([None, 6000, 7000, 9000]),
    moved=st.integers(0, 3),
    seed=st.integers(0, 999),
)
def test_whatever_is_placed_passes_every_rule_and_is_balanced(
    existing, primaries, new, more, was, wished, directories, ports, moved, seed
):
    order = random.Random(seed)
    before = cluster(max(existing, primaries + 1), primaries, mirroring=was)
    names = [f"new{n}" for n in range(new)]
    order.shuffle(names)
    before = _with_moved(before, moved, order)
    mirroring = "none" if was == "none" else wished
    wishes = Wishes(
        more_primaries=more,
        primary_directories=tuple(f"/disk{n}/primary" for n in range(directories)),
        first_primary_port=ports,
    )
    try:
        placed = place(before, hosts(*names), mirroring, wishes)
    except PlacementError as error:
        problem, _, remedy = str(error).rpartition("; ")
        assume(not (problem and remedy))  # an error must say both
        raise

    assert errors(check_input_file(before, placed)) == []
    assert sorted(parse(render(placed)), key=lambda i: i.dbid) == sorted(placed, key=lambda i: i.dbid)
    every = [*before.instances, *placed]
    assert max(Counter((i.hostname, i.port) for i in every).values()) == 1
    assert max(Counter((i.hostname, i.datadir) for i in every).values()) == 1
    assert sorted({i.content for i in placed}) == list(
        range(before.segment_count, before.segment_count + _pairs(placed))
    )
    assert sorted(i.dbid for i in placed) == list(range(max(i.dbid for i in before.instances) + 1, len(every) + 1))
    host_of = {(i.content, i.preferred_role): i.hostname for i in placed}
    for content in {i.content for i in placed}:
        assert host_of[content, "p"] != host_of.get((content, "m"))
    # Balanced: the same on each new host, and the same added on each existing one.
    count = len([i for i in before.primaries if i.hostname == before.pattern_host])
    for role in ("p", "m") if mirroring != "none" else ("p",):
        per_host = Counter(i.hostname for i in placed if i.preferred_role == role)
        assert {per_host[name] for name in names} <= {count + more}
        assert {per_host[name] for name in before.segment_hosts} == {more}
    # As named: all mirrors of a host's new segments on one host in each of the two rounds, or no two on one.
    for name in {i.hostname for i in placed}:
        of_host = [
            host_of[i.content, "m"] for i in placed if i.hostname == name and i.is_primary and mirroring != "none"
        ]
        if mirroring == "spread":
            assert len(set(of_host)) == len(of_host)
        elif mirroring == "grouped":
            first = of_host[: count if name in names else 0]
            assert len(set(first)) <= 1
            assert len(set(of_host[len(first) :])) <= 1


def _pairs(placed) -> int:
    return sum(i.is_primary for i in placed)


def _with_moved(before: Topology, count: int, order: random.Random) -> Topology:
    """Some segments where gprecoverseg has put them: anywhere, on any port."""
    instances = list(before.instances)
    for _ in range(count):
        position = order.randrange(len(instances))
        port = order.choice([6000, 7000, 20000]) + order.randrange(12)
        taken = {(i.hostname, i.port) for i in instances}
        if instances[position].content < 0 or (instances[position].hostname, port) in taken:
            continue
        instances[position] = replace(instances[position], port=port, datadir=f"/moved/{port}")
    return Topology(tuple(instances))

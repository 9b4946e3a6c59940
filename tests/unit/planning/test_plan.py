"""The plan survives its journey, notices a changed cluster, and is approved with the words that matter."""

from dataclasses import replace

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.topology import Host, Instance, Topology
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.placement import place
from greenplum_expansion.planning.plan import DatabaseSize, Plan, differences, human_bytes
from tests.unit.clusters import recorded


def plan(**change) -> Plan:
    new = place(recorded(), [Host("sdw3", "10.0.0.3"), Host("sdw4", "10.0.0.4")], "grouped")
    made = Plan("x", "Greenplum 6 (6.24.3)", recorded(), new, (DatabaseSize("dwh", 5 * 2**30, 40),), ())
    return replace(made, **change)


def grown(count: int | None = None) -> Topology:
    added = [
        Instance(
            i.dbid, i.content, i.preferred_role, i.preferred_role, "s", "u", i.port, i.hostname, i.address, i.datadir
        )
        for i in plan().new[:count]
    ]
    return Topology((*recorded().instances, *added))


def test_a_plan_survives_json():
    noted = plan(findings=(Finding.warning("standby", "none", "add one"),))
    assert Plan.from_dict(noted.to_dict()) == noted


def test_the_digest_changes_with_what_would_be_done_and_not_with_findings():
    assert plan(findings=(Finding.note("a", "b"),)).digest == plan().digest
    assert plan(new=plan().new[::-1]).digest == plan().digest
    assert plan(new=plan().new[:4]).digest != plan().digest


def test_presence_tells_a_whole_from_a_half_expansion():
    assert plan().presence(recorded()) is Presence.NONE
    assert plan().presence(grown(3)) is Presence.SOME
    assert plan().presence(grown()) is Presence.ALL


def test_who_lies_where_the_plan_wanted_to_build_is_known():
    """Somebody has expanded by hand, with the plan's directories and other ports."""
    assert plan().occupants(recorded()) == []
    assert plan().occupants(grown()) == []
    by_hand = Topology(tuple(replace(i, port=i.port + 1, hostname=i.address) for i in grown(2).instances))
    assert [i.datadir for i in plan().occupants(by_hand)] == [i.datadir for i in plan().new[:2]]


def test_a_failover_is_no_difference_but_a_left_segment_is():
    switched = Topology(tuple(replace(i, role="m", mode="n", status="d") for i in recorded().instances))
    assert differences(recorded(), switched) == []
    assert differences(recorded(), grown(1)) == ["not expected: primary of content 4 (dbid 11) on sdw3:6000"]
    assert differences(grown(1), recorded()) == ["missing: primary of content 4 (dbid 11) on sdw3:6000"]


def test_bytes_are_said_as_people_say_them():
    assert [human_bytes(n) for n in (0, 1023, 1536, 5 * 2**30, 2**52)] == [
        "0 B", "1023 B", "1.5 KiB", "5.0 GiB", "4096.0 TiB"
    ]  # fmt: skip

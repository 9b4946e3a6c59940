"""Every rule of gpexpand's validation, each broken once, and the rules gpexpand forgets."""

from dataclasses import replace

import pytest

from greenplum_expansion.checks.input_file import check_input_file
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Host
from greenplum_expansion.planning.placement import place
from tests.unit.clusters import cluster, recorded

GOOD = place(recorded(), [Host("sdw3", "sdw3"), Host("sdw4", "sdw4")], "grouped")


def broken(index: int, **change: object) -> list[NewInstance]:
    return [replace(instance, **change) if i == index else instance for i, instance in enumerate(GOOD)]


def problems(instances) -> str:
    return "\n".join(map(str, check_input_file(recorded(), instances)))


def test_a_generated_file_has_no_finding():
    assert check_input_file(recorded(), GOOD) == []


def test_an_empty_file_is_refused():
    assert "defines no new segment" in problems([])


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        (broken(0, content=3), "ERROR content 3: it exists in the cluster already. Remedy: begin with content 4."),
        (broken(0, content=9), "content 9: it leaves a gap"),
        (broken(0, content=5), "content 5: 2 primaries are defined"),
        (broken(0, dbid=12), "gpexpand accepts only 11 to 18, each once"),
        (broken(0, dbid=5), "gpexpand accepts only 11 to 18, each once"),
        (broken(0, dbid=40), "gpexpand accepts only 11 to 18, each once"),
        (GOOD[:-1], "it has no mirror, but the cluster is mirrored"),
        ([i for i in GOOD if i.is_primary], "it has no mirror, but the cluster is mirrored"),
        (GOOD[1:], "content 4: it has a mirror but no primary"),
        (broken(1, port=6000), "port 6000 on sdw3 belongs to primary of content 4 on sdw3:6000"),
        (broken(0, port=80000), "port 80000 is outside 1024 to 65535"),
        (broken(0, port=22), "port 22 is outside 1024 to 65535"),
        (broken(1, datadir="/data/primary/gpseg4"), "directory /data/primary/gpseg4 on sdw3 belongs to primary"),
        (broken(0, hostname="sdw4", port=6005), "primary and mirror are both on sdw4"),
        (broken(0, hostname="sdw1", datadir="/data/primary/gpseg0"), "/data/primary/gpseg0 on sdw1 belongs to"),
        (broken(0, hostname="sdw1"), "port 6000 on sdw1 belongs to primary of content 0 (dbid 2)"),
    ],
)
def test_a_violated_rule_is_named_with_both_sides(instances, said):
    assert said in problems(instances)


def test_a_mirror_is_refused_when_the_cluster_has_none():
    findings = check_input_file(cluster(mirroring="none"), GOOD)
    assert any("but the cluster has none" in str(finding) for finding in findings)


def test_all_violations_are_told_together():
    instances = broken(0, port=80000, dbid=99, content=3)
    assert len(check_input_file(recorded(), instances)) >= 3

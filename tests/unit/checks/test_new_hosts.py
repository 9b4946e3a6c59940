"""What makes a host unfit, each in one finding."""

from dataclasses import replace

import pytest

from greenplum_expansion.checks.finding import Severity, errors
from greenplum_expansion.checks.new_hosts import DirectoryState, NewHostFacts, check_new_host, check_not_in_cluster
from greenplum_expansion.cluster.topology import Host
from tests.unit.clusters import recorded

VERSION = "postgres (Greenplum Database) 6.24.3 build commit:x"
GOOD = NewHostFacts(
    "sdw3", ("10.0.0.3",), ("127.0.0.1", "10.0.0.3"), VERSION, (), {"/data/primary/gpseg4": DirectoryState.ABSENT}
)


def findings(**change):
    return check_new_host(replace(GOOD, **change), VERSION, "/usr/local/greenplum-db")


def test_a_fit_host_has_no_finding():
    assert findings() == []


@pytest.mark.parametrize(
    ("host", "known_as"),
    [(Host("sdw1", "10.0.0.9"), "sdw1"), (Host("sdw9", "sdw2"), "sdw9"), (Host("mdw", "mdw"), "mdw")],
)
def test_a_host_of_the_cluster_is_refused_by_name_or_address(host, known_as):
    found = check_not_in_cluster(recorded(), [host, Host("sdw3", "10.0.0.3")])
    assert len(found) == 1
    assert f"new host {known_as}: it is in the cluster already" in str(found[0])


def test_a_host_of_the_cluster_under_another_name_is_refused_without_advice_to_end_its_processes():
    found = findings(member="sdw1", ports_in_use=(6000, 6001), resolved=())
    assert len(found) == 1
    assert "behind its name or address is sdw1, which is in the cluster already" in str(found[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resolved": ()}, "the coordinator cannot resolve its name"),
        (
            {"resolved": ("10.0.0.7",)},
            "leads the coordinator to 10.0.0.7, but the host reached has 127.0.0.1, 10.0.0.3",
        ),
        ({"gp_version": None}, "Greenplum is not installed in /usr/local/greenplum-db"),
        ({"gp_version": "postgres 6.20"}, f"it has postgres 6.20, the coordinator {VERSION}"),
        ({"missing_tools": ("rsync", "tar")}, "rsync, tar missing"),
        ({"directories": {"/data/x": DirectoryState.NOT_EMPTY}}, "it is not empty; gpexpand refuses it"),
        ({"directories": {"/data/x": DirectoryState.NOT_A_DIRECTORY}}, "it is not a directory"),
        ({"directories": {"/data/x": DirectoryState.NOT_WRITABLE}}, "can neither make nor write it"),
        ({"ports_in_use": (6000,)}, "port 6000: a process there listens on it already"),
    ],
)
def test_each_fault_is_one_error_that_says_what_to_do(change, said):
    found = findings(**change)
    assert len(errors(found)) == 1
    assert said in str(found[0])
    assert found[0].remedy


def test_a_new_host_key_is_only_noted():
    found = findings(host_key_note="ED25519 SHA256:abc")
    assert [f.severity for f in found] == [Severity.NOTE]

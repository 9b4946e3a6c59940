"""What makes a machine no new host, or its places not free: each in one finding."""

from dataclasses import replace

import pytest

from greenplum_expansion.checks import new_hosts
from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.checks.hosts import HostFacts
from greenplum_expansion.checks.new_hosts import DirectoryState, Login, PlaceFacts
from greenplum_expansion.cluster.topology import Host
from tests.unit.checks.hosts_seen import CLUSTER, host, system
from tests.unit.clusters import recorded

LOGIN = Login("sdw3", "10.0.0.23", "gpadmin", boot_id="boot-sdw3")
GOOD = PlaceFacts("sdw3", {"/data/primary/gpseg4": DirectoryState.ABSENT}, (6000, 7000))
SUBJECT = "new host sdw3"


def only(findings, severity=Severity.ERROR):
    assert [finding.severity for finding in findings] == [severity]
    assert findings[0].remedy or severity is Severity.NOTE
    return str(findings[0])


def test_facts_survive_their_way_through_xcom():
    assert HostFacts.from_dict(host("sdw3").to_dict()) == host("sdw3")
    assert type(CLUSTER).from_dict(CLUSTER.to_dict()) == CLUSTER


@pytest.mark.parametrize(
    ("given", "known_as"),
    [(Host("sdw1", "10.0.0.9"), "sdw1"), (Host("sdw9", "sdw2"), "sdw9"), (Host("mdw", "mdw"), "mdw")],
)
def test_a_host_of_the_cluster_is_refused_by_name_or_address(given, known_as):
    found = new_hosts.check_not_in_cluster(recorded(), [given, Host("sdw3", "10.0.0.3")])
    assert f"new host {known_as}: it is in the cluster already" in only(found)


def test_a_fit_host_has_no_finding():
    sdw3 = host("sdw3")
    assert new_hosts.check_login(LOGIN) == []
    assert new_hosts.check_host_key(LOGIN) == []
    assert new_hosts.check_other_machine(sdw3, CLUSTER) == []
    assert new_hosts.check_name(sdw3, CLUSTER) == []
    assert new_hosts.check_name_right(sdw3, CLUSTER) == []
    assert new_hosts.check_directories_empty(GOOD, SUBJECT) == []
    assert new_hosts.check_directories_writable(GOOD, SUBJECT) == []
    assert new_hosts.check_ports_free(GOOD, SUBJECT) == []
    assert new_hosts.check_ports_not_ephemeral(GOOD, sdw3, SUBJECT) == []
    pair = [sdw3, host("sdw4")]
    assert new_hosts.check_distinct(pair) == []
    assert new_hosts.check_fail_alone(pair, CLUSTER) == []
    assert new_hosts.check_machine_id(pair, CLUSTER) == []


def test_an_alias_of_a_host_of_the_cluster_is_found_by_the_address_the_coordinator_knows():
    behind = host("sdw3", addresses=("127.0.0.1", "10.0.0.21"))
    assert "behind its name or address is sdw1" in only(new_hosts.check_other_machine(behind, CLUSTER))


def test_an_alias_at_another_interface_is_found_by_the_kernel_it_runs():
    cluster = replace(CLUSTER, hosts=tuple(replace(h, addresses=(*h.addresses, "192.168.9.1")) for h in CLUSTER.hosts))
    behind = host("sdw3", addresses=("192.168.9.1",), boot_id="boot-sdw2")
    assert "behind its name or address is sdw2" in only(new_hosts.check_other_machine(behind, cluster))


def test_an_address_that_every_docker_host_has_is_no_alias():
    cluster = replace(CLUSTER, hosts=tuple(replace(h, addresses=(*h.addresses, "172.17.0.1")) for h in CLUSTER.hosts))
    assert new_hosts.check_other_machine(host("sdw3", addresses=("10.0.0.23", "172.17.0.1")), cluster) == []


def test_the_preparing_user_looks_where_the_clusters_user_is_refused():
    found = only(new_hosts.check_login(replace(LOGIN, seen_by="root", refused="sshd refused the key")))
    assert "the cluster's user cannot log in (sshd refused the key); root looked instead" in found


def test_no_login_by_name():
    found = only(new_hosts.check_login(replace(LOGIN, by_name_problem="mdw cannot connect to sdw3 port 22")))
    assert "it can be logged into at 10.0.0.23, but not by its name: mdw cannot connect to sdw3 port 22" in found


def test_another_machine_behind_the_name():
    found = only(new_hosts.check_login(replace(LOGIN, by_name="boot-other")))
    assert "one machine at 10.0.0.23 and another by the name sdw3" in found


def test_a_new_host_key_is_only_noted():
    found = new_hosts.check_host_key(replace(LOGIN, host_key="ED25519 SHA256:abc"))
    assert "met for the first time: ED25519 SHA256:abc" in only(found, Severity.NOTE)


def test_two_names_for_one_machine():
    twin = host("sdw4", boot_id="boot-sdw3", addresses=("127.0.0.1", "10.0.0.23"))
    found = only(new_hosts.check_distinct([host("sdw3"), twin]))
    assert "new hosts sdw3 and sdw4: both names lead to one machine (10.0.0.23)" in found


def test_containers_of_one_kernel_fail_together():
    found = new_hosts.check_fail_alone([host("sdw3"), host("sdw4", boot_id="boot-sdw3")], CLUSTER)
    assert "sdw3, sdw4 run on one kernel" in only(found, Severity.WARNING)


def test_containers_are_only_noted_where_the_cluster_consists_of_them():
    cluster = replace(CLUSTER, hosts=tuple(replace(h, boot_id="one") for h in CLUSTER.hosts))
    found = new_hosts.check_fail_alone([host("sdw3", boot_id="one")], cluster)
    assert "other hosts of the cluster do so, too" in only(found, Severity.NOTE)


def test_copies_of_one_image():
    found = new_hosts.check_machine_id([host("sdw3", machine_id="machine-sdw1")], CLUSTER)
    assert "new hosts sdw3: sdw3, sdw1 have one machine id, machine-sdw1" in only(found, Severity.WARNING)


@pytest.mark.parametrize(
    ("check", "other", "answers", "said"),
    [
        (new_hosts.check_name, new_hosts.check_name_right, (), "the coordinator cannot resolve its name"),
        (
            new_hosts.check_name_right,
            new_hosts.check_name,
            ("10.0.0.7",),
            "leads the coordinator to 10.0.0.7, but the host reached has 127.0.0.1, 10.0.0.23",
        ),
    ],
)
def test_a_name_that_leads_the_coordinator_astray(check, other, answers, said):
    coordinator = host("mdw", answers={"sdw3": answers})
    cluster = replace(CLUSTER, hosts=(coordinator, *CLUSTER.hosts[1:]))
    assert said in only(check(host("sdw3"), cluster))
    assert other(host("sdw3"), cluster) == []


def test_a_host_known_by_its_address_needs_no_name():
    by_address = replace(host("sdw3"), hostname="10.0.0.23")
    assert new_hosts.check_name(by_address, CLUSTER) == []
    assert new_hosts.check_name_right(by_address, CLUSTER) == []
    assert "leads the coordinator to 10.0.0.7" in only(
        new_hosts.check_name_right(replace(by_address, hostname="10.0.0.7"), CLUSTER)
    )


@pytest.mark.parametrize("state", [DirectoryState.NOT_EMPTY, DirectoryState.NOT_A_DIRECTORY])
def test_a_place_that_holds_something(state):
    found = new_hosts.check_directories_empty(replace(GOOD, directories={"/data/x": state}), SUBJECT)
    assert f"{SUBJECT}, /data/x: it is {state}; gpexpand refuses it, and rolling back would then delete" in only(found)


def test_a_place_that_cannot_be_made():
    facts = replace(GOOD, directories={"/data/x": DirectoryState.NOT_WRITABLE})
    assert "can neither make nor write it" in only(new_hosts.check_directories_writable(facts, SUBJECT))
    assert new_hosts.check_directories_empty(facts, SUBJECT) == [], "another check's concern"


def test_a_port_in_use():
    found = new_hosts.check_ports_free(replace(GOOD, ports_in_use=(6000,)), SUBJECT)
    assert "new host sdw3, port 6000: a process there listens on it already" in only(found)


def test_ports_among_those_of_outgoing_connections():
    found = new_hosts.check_ports_not_ephemeral(GOOD, system("sdw3", port_range=(1025, 65535)), SUBJECT)
    said = only(found, Severity.WARNING)
    assert "port 6000, 7000 lies within 1025 to 65535" in said
    assert "begin above 7000, or net.ipv4.ip_local_reserved_ports to 6000,7000" in said


def test_reserved_ports_are_safe():
    facts = system("sdw3", port_range=(1025, 65535), reserved_ports="6000-6003,7000")
    assert new_hosts.check_ports_not_ephemeral(GOOD, facts, SUBJECT) == []


def test_hosts_of_one_kernel_may_share_their_machine_id():
    cluster = replace(CLUSTER, hosts=tuple(replace(h, boot_id="one", machine_id="id") for h in CLUSTER.hosts))
    assert new_hosts.check_machine_id([host("sdw3", boot_id="one", machine_id="id")], cluster) == []

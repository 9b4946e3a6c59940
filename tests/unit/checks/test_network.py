"""What stands between the hosts of the grown cluster."""

from dataclasses import replace

from greenplum_expansion.checks import network
from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.checks.network import Knock, NetworkFacts, Protocol
from tests.unit.checks.hosts_seen import CLUSTER, NAMES, host


def check_names(new, cluster):
    """Both checks of names; what one of them finds the other does not."""
    return [*network.check_names_known(new, cluster), *network.check_names_equal(new, cluster)]


ANSWERS = {name: (address,) for name, address in NAMES.items()}


def answering(**changed):
    return {**ANSWERS, **{name: tuple(answers) for name, answers in changed.items()}}


def in_cluster(changed_host):
    return replace(
        CLUSTER, hosts=tuple(changed_host if h.hostname == changed_host.hostname else h for h in CLUSTER.hosts)
    )


def test_names_that_lead_everybody_to_the_same_machine():
    assert check_names([host("sdw3"), host("sdw4")], CLUSTER) == []


def test_a_new_name_that_an_old_host_does_not_know():
    cluster = in_cluster(host("sdw2", answers=answering(sdw3=[], sdw4=[])))
    found = check_names([host("sdw3"), host("sdw4")], cluster)
    assert [finding.severity for finding in found] == [Severity.ERROR, Severity.ERROR]
    assert str(found[0]) == (
        "ERROR name sdw3: sdw2 cannot resolve it, the coordinator finds 10.0.0.23. "
        "Remedy: add '10.0.0.23 sdw3' to /etc/hosts there, or use the coordinator's DNS."
    )


def test_an_old_name_that_leads_a_new_host_elsewhere():
    found = check_names([host("sdw3", answers=answering(smdw=["10.0.0.99"])), host("sdw4")], CLUSTER)
    assert [str(finding) for finding in found] == [
        "ERROR name smdw: sdw3 finds 10.0.0.99 for it, but it has 10.0.0.11. Remedy: correct /etc/hosts or DNS there."
    ]


def test_many_observers_of_one_fault_are_told_together():
    new = [host(name, answers=answering(mdw=[])) for name in ("sdw3", "sdw4")]
    assert "name mdw: sdw3, sdw4 cannot resolve it" in str(check_names(new, CLUSTER)[0])


def test_a_name_the_coordinator_does_not_know_is_another_checks_concern():
    cluster = in_cluster(host("mdw", answers=answering(sdw3=[])))
    cluster = replace(cluster, hosts=tuple(replace(h, answers=answering(sdw3=[])) for h in cluster.hosts))
    assert check_names([host("sdw3")], cluster) == []


def test_what_old_hosts_think_of_each_other_does_not_block():
    found = check_names([host("sdw3")], in_cluster(host("sdw2", answers=answering(smdw=[]))))
    assert [finding.severity for finding in found] == [Severity.WARNING]


def test_a_host_that_could_not_be_seen_is_compared_with_what_the_coordinator_finds():
    cluster = replace(CLUSTER, hosts=tuple(h for h in CLUSTER.hosts if h.hostname != "smdw"))
    found = check_names([host("sdw3", answers=answering(smdw=["10.0.0.99"]))], cluster)
    assert "sdw3 finds 10.0.0.99 for it, but it has 10.0.0.11" in str(found[0])


def test_the_own_name_at_loopback():
    new = [host("sdw3", answers=answering(sdw3=["127.0.1.1"]))]
    found = network.check_own_name(new, CLUSTER)
    assert [finding.severity for finding in found] == [Severity.WARNING]
    assert "on sdw3 itself it leads to 127.0.1.1" in str(found[0])
    same = replace(
        CLUSTER, hosts=tuple(replace(h, answers=answering(**{h.hostname: ["127.0.1.1"]})) for h in CLUSTER.hosts)
    )
    assert network.check_own_name(new, same) == [], "as on every other host"


def test_trust_is_missed_by_the_host_that_cannot_log_in():
    found = network.check_trust([("sdw3", "mdw"), ("sdw3", "sdw1"), ("smdw", "sdw3")])
    assert [finding.subject for finding in found] == ["ssh from sdw3", "ssh from smdw"]
    assert "no login without a password to mdw, sdw1" in str(found[0])
    assert network.check_trust([]) == []


def test_a_host_that_lets_nobody_in_is_told_once():
    found = network.check_trust([("mdw", "sdw3"), ("sdw1", "sdw3"), ("sdw3", "sdw1")])
    assert [finding.subject for finding in found] == ["ssh to sdw3", "ssh from sdw3"]
    assert "no login without a password from mdw, sdw1" in str(found[0])


def test_a_host_the_coordinator_cannot_log_into():
    found = network.check_hosts_seen({"sdw2": "Permission denied (publickey)."}, "mdw")
    assert "host sdw2: mdw could not look at it over ssh: Permission denied" in str(found[0])


def knock(source, target, port, answer="ok", protocol=Protocol.TCP):
    return Knock(source, target, protocol, port, answer)


def test_a_firewall_is_told_once_for_each_direction():
    facts = NetworkFacts(
        (
            knock("sdw1", "sdw3", 6000, "no answer"),
            knock("sdw1", "sdw3", 6001, "no answer"),
            knock("sdw3", "sdw1", 6000),
            knock("sdw4", "sdw3", 7000, "Connection refused"),
            knock("sdw1", "sdw3", 40000, "no answer", Protocol.UDP),
        )
    )
    tcp = network.check_ports_reachable(facts)
    assert [finding.subject for finding in tcp] == ["network from sdw1 to sdw3", "network from sdw4 to sdw3"]
    assert "TCP does not get through at port 6000, 6001 (no answer)" in str(tcp[0])
    udp = network.check_interconnect(facts)
    assert [str(finding).partition(". ")[0] for finding in udp] == [
        "ERROR network from sdw1 to sdw3: UDP does not get through (no answer)"
    ]


def test_an_interconnect_by_tcp_is_told_apart_from_the_segments_ports():
    facts = NetworkFacts((knock("sdw1", "sdw3", 40000, "no answer", Protocol.CHOSEN_TCP),), udp=False)
    assert network.check_ports_reachable(facts) == []
    (found,) = network.check_interconnect(facts)
    assert "TCP to ports that the kernel chooses does not get through (no answer)" in found.problem
    assert found.remedy == "open TCP above port 1024 between the cluster's hosts"


def test_what_could_not_be_tried_is_said():
    found = network.check_network_tested(NetworkFacts(untested={"sdw3": "there is no Python"}))
    assert [finding.severity for finding in found] == [Severity.WARNING]
    assert "network of sdw3: it could not be tried: there is no Python" in str(found[0])


def test_a_name_that_is_not_known_is_no_firewall():
    facts = NetworkFacts((knock("sdw3", "sdw1", 6000, "name not known"),))
    assert network.check_ports_reachable(facts) == []

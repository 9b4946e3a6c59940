"""Who a new host is, who finds it, who may log into it and who reaches it: one thing wrong at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from airflow.sdk.exceptions import AirflowFailException

from greenplum_expansion.checks.finding import Severity
from tests.support.new_host_checks import UNPREPARED, NewHostChecks, as_root, of
from tests.support.practice import Practice

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("cluster")]


@pytest.fixture(scope="module")
def seen(cluster: Practice) -> NewHostChecks:
    """Both hosts looked at while all is well."""
    checks = NewHostChecks(UNPREPARED)
    assert checks.places() == []
    for name in ("sdw3", "sdw4"):
        assert {found.check for found in checks.host(name)} == {"new-host-key"}
    return checks


@pytest.fixture
def changed(cluster: Practice) -> Iterator[dict[str, str]]:
    """Hosts and the script that puts them right again."""
    undo: dict[str, str] = {}
    yield undo
    for host, script in undo.items():
        as_root(cluster, host, script)


def test_hosts_that_fit_reach_each_other(seen, cluster):
    assert seen.network() == []
    for host in ("mdw", "sdw1", "sdw3"):
        assert cluster.run("pgrep -fa '[g]reenplum-expansion-door'", host).stdout == "", "no listener is left behind"


@pytest.mark.proves("hosts-trust-each-other")
def test_after_the_preparation_missing_keys_are_errors(seen):
    with pytest.raises(AirflowFailException) as failed:
        seen.prepared("sdw3")
    said = str(failed.value)
    assert "New host sdw3 after its preparation. Cause: 2 of 3 findings are errors" in said, said
    assert "ssh to sdw3: no login without a password from mdw, sdw1, sdw2, smdw" in said
    assert "ssh from sdw3: no login without a password to mdw, sdw1, sdw2, sdw4, smdw" in said
    assert "then clear this task" in said


@pytest.mark.proves("new-host-login")
def test_a_key_that_is_not_authorized_yet(seen, cluster, changed):
    as_root(cluster, "sdw3", "mv /home/gpadmin/.ssh/authorized_keys /home/gpadmin/kept")
    changed["sdw3"] = "mv /home/gpadmin/kept /home/gpadmin/.ssh/authorized_keys"
    refused = seen.host("sdw3")
    assert [found.severity for found in refused] == [Severity.ERROR]
    assert "sshd refused the key" in str(refused[0])
    found = of(seen.asking(preparation_parts=["account"]).host("sdw3"), "new-host-login")
    assert "the cluster's user cannot log in (sshd refused the key" in found.problem
    assert "); root looked instead; prepare_hosts mends it (account)" in found.problem


@pytest.mark.proves("new-host-login")
def test_a_host_that_is_switched_off(seen, cluster):
    checks = seen.asking(preparation_parts=["account"])
    cluster.sandbox("fault", "host-down", "sdw4")
    try:
        (found,) = checks.host("sdw4")
    finally:
        cluster.sandbox("fault", "host-up", "sdw4")
    assert found.severity is Severity.ERROR
    assert found.subject.startswith("SSH to sdw4 (10.77.0.24) as gpadmin through ")
    assert "did not get through to it" in found.problem or "cannot connect" in found.problem


@pytest.mark.proves("new-host-login")
def test_a_host_that_presents_another_key_than_promised(seen):
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJOSc55Zk+4pjpXaZhvxb6V5brStO0CbJt8J6oxSKvw"
    (found,) = seen.host("sdw3", host_key=other)
    assert found.severity is Severity.ERROR
    assert "but the request says ssh-ed25519 SHA256:" in found.problem


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mirroring": "spread"}, "2 hosts are given, each gets 2 primaries. Remedy: give at least 3 hosts"),
        ({"new_hosts": ["sdw3=10.77.0.23"]}, "needs at least 2 new hosts, 1 is given. Remedy: add another host"),
        ({"new_hosts": ["sdw3", "sdw3=10.77.0.23"]}, "new host hostname sdw3 is given twice; name each host once"),
    ],
)
def test_hosts_that_cannot_carry_what_is_asked_for(asked, said):
    (found,) = NewHostChecks({**UNPREPARED, **asked}).places()
    assert found.severity is Severity.ERROR
    assert said in str(found)


@pytest.mark.proves("new-host-login")
def test_a_name_at_which_no_sshd_answers(cluster, changed):
    as_root(cluster, "sdw3", "ip addr add 10.77.0.99/24 dev eth0")
    changed["sdw3"] = "ip addr del 10.77.0.99/24 dev eth0"
    as_root(
        cluster,
        "mdw",
        "cp /etc/hosts /var/tmp/hosts\nsed -i 's/.*\\tsdw3$/10.77.0.99\\tsdw3/' /etc/hosts\n"
        "ip route add unreachable 10.77.0.99",
    )
    changed["mdw"] = "cp /var/tmp/hosts /etc/hosts\nip route del unreachable 10.77.0.99"
    checks = NewHostChecks(UNPREPARED)
    checks.places()
    found = of(checks.host("sdw3"), "new-host-login")
    assert "it can be logged into at 10.77.0.23, but not by its name: " in str(found)
    assert "cannot connect to sdw3 port 22" in str(found)


def test_a_name_that_nobody_knows():
    checks = NewHostChecks({**UNPREPARED, "new_hosts": ["sdw9", "sdw4=10.77.0.24"]})
    checks.places()
    (found,) = checks.host("sdw9")
    assert str(found).startswith(
        "ERROR New host sdw9: the coordinator mdw does not know the name sdw9. Remedy: correct"
    )


@pytest.mark.proves("new-host-not-in-cluster")
def test_a_host_of_the_cluster():
    checks = NewHostChecks({**UNPREPARED, "new_hosts": ["sdw1=10.77.0.21", "sdw3=10.77.0.23"]})
    assert "it is in the cluster already" in str(of(checks.places(), "new-host-not-in-cluster"))


@pytest.mark.proves("new-host-other-machine")
def test_a_host_of_the_cluster_under_another_name(seen):
    found = seen.host("sdw3", address="10.77.0.21")
    assert "behind its name or address is sdw1" in str(of(found, "new-host-other-machine"))
    assert len(found) == 1, "nothing is said of the cluster's own ports and directories"


@pytest.mark.proves("cluster-hosts-seen")
def test_an_old_host_that_the_coordinator_cannot_log_into(cluster, changed):
    as_root(cluster, "sdw2", "mv /home/gpadmin/.ssh/authorized_keys /home/gpadmin/kept")
    changed["sdw2"] = "mv /home/gpadmin/kept /home/gpadmin/.ssh/authorized_keys"
    found = of(NewHostChecks(UNPREPARED).places(), "cluster-hosts-seen")
    assert "host sdw2: mdw could not look at it over ssh: " in str(found)
    assert "Permission denied" in str(found)


@pytest.mark.proves("new-directories-empty")
def test_places_on_existing_hosts_are_looked_at_where_they_get_more_segments(cluster, changed):
    as_root(cluster, "sdw1", "mkdir /data/primary/gpseg4\ntouch /data/primary/gpseg4/precious")
    changed["sdw1"] = "rm -r /data/primary/gpseg4"
    checks = NewHostChecks({**UNPREPARED, "new_hosts": [], "more_primaries": 1})
    (found,) = checks.places()
    assert found.severity is Severity.ERROR
    assert str(found).startswith("ERROR host sdw1, /data/primary/gpseg4: it is not empty; gpexpand refuses it")
    assert checks.network() == [], "and their ports are knocked at"

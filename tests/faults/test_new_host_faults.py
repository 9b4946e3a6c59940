"""What is wrong with a new host is found on a real one, told once, and noted only if the preparation will mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from airflow.sdk.exceptions import AirflowFailException

from greenplum_expansion.checks.finding import Finding, Severity
from tests.support.new_host_checks import NewHostChecks
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

ASKED = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}
UNPREPARED = {**ASKED, "preparation_parts": []}
GPHOME = "/usr/local/greenplum-db"


def as_root(practice: Practice, host: str, script: str) -> str:
    """Run a script there; what it printed.

    :raises AssertionError: it failed
    """
    done = practice.run(f"bash -e <<'END'\n{script}\nEND", host, user="root")
    assert done.exit_code == 0, done
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def cluster(practice: Practice) -> Iterator[Practice]:
    """The cluster as other tests leave it, and left so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
        yield practice


def of(findings: list[Finding], check: str) -> Finding:
    """The one finding of a check; another one of it fails the test."""
    mine = [finding for finding in findings if finding.check == check]
    assert len(mine) == 1, findings
    return mine[0]


# --- A host with nearly everything wrong -----------------------------------------------------------------------------

# An own copy of the installation, so that single files of it can be changed on one host.
OWN_GPHOME = f"""
cp -a {GPHOME} /opt/own-gphome
mount --bind /opt/own-gphome {GPHOME}
mkdir -p {GPHOME}/lib/postgresql
"""
UNLIKE = (
    OWN_GPHOME
    + r"""
rm /etc/os-release
printf 'ID=alpine\nVERSION_ID=3.20\nPRETTY_NAME="Alpine Linux 3.20"\n' >/etc/os-release
cd /usr/local/bin
printf '#!/bin/sh\n[ "$*" = -m ] && echo m68k || exec /usr/bin/uname "$@"\n' >uname
printf '#!/bin/sh\n%s\n%s\n%s\n' '[ "$1" = GNU_LIBC_VERSION ] && echo glibc 2.17 && exit' \
    '[ "$1" = _NPROCESSORS_ONLN ] && echo 1 && exit' 'exec /usr/bin/getconf "$@"' >getconf
printf '#!/bin/sh\nexec /usr/bin/date -d "30 seconds ago" "$@"\n' >date
chmod 755 uname getconf date
sed 's/^MemTotal: .*/MemTotal: 1048576 kB/; s/^SwapTotal: .*/SwapTotal: 0 kB/' /proc/meminfo >/var/tmp/meminfo
mount --bind /var/tmp/meminfo /proc/meminfo
mount -t tmpfs none /usr/lib/locale
mount --bind /dev/null /usr/bin/rsync
mount --bind /dev/null /usr/bin/gzip
echo 1025 65535 >/proc/sys/net/ipv4/ip_local_port_range
mount -o remount,bind,noexec /data
sed -i 's/^gpadmin:x:1000:/gpadmin:x:1001:/' /etc/passwd
chown -R 1001 /home/gpadmin /data
mkdir /data/primary
mkdir -p /data/mirror
mount -t tmpfs -o size=64m none /data/mirror
mkdir /data/mirror/gpseg6
touch /data/mirror/gpseg6/precious
chown -R 1001 /data/mirror
cd """
    + GPHOME
    + r"""
printf '#!/bin/sh\n[ "$1" = --version ] && echo Python 2.7.5\n' >bin/python
sed -i 's/ 6\.24\.3 / 6.20.0 /' bin/postgres
library=$(ls /usr/lib/postgresql/*/lib/citext.so | tail -n 1)
sed 's/libc\.so\.6/libq.so.6/g' "$library" >lib/postgresql/broken.so
"""
)
STRONGER = OWN_GPHOME + (
    f"""
touch {GPHOME}/lib/postgresql/postgis-2.5.so
"""
    r"""
sed 's/^SwapTotal: .*/SwapTotal: 8388608 kB/' /proc/meminfo >/var/tmp/meminfo
mount --bind /var/tmp/meminfo /proc/meminfo
"""
)
LISTENER = "import socket; s = socket.create_server(('', 7001)); print('on', flush=True); s.accept()"


BARE = f"mount -t tmpfs none {GPHOME}\numount -l /data\nsed -i /^gpadmin:/d /etc/passwd"
PARTS = ["kernel parameters", "time", "account", "directories", "software"]


@dataclass(frozen=True)
class Looks:
    """What is found if nothing is to be prepared, and if much is."""

    unprepared: list[Finding]
    to_be_prepared: list[Finding]


@pytest.fixture(scope="class")
def unfit(cluster: Practice) -> Iterator[dict[str, Looks]]:
    """sdw3 with all that wrong, beside hosts that have more; sdw4 as it comes from the installer. Each seen twice."""
    for host in ("sdw1", "sdw2"):
        as_root(cluster, host, STRONGER)
    as_root(cluster, "sdw3", UNLIKE)
    as_root(cluster, "sdw4", BARE)
    for locale in _other_locales(cluster)[:1]:
        cluster.run(f"psql -qd postgres -c \"alter role gpadmin set lc_monetary = '{locale}'\"")
    listener = cluster.start(f'/opt/sandbox/bin/python -c "{LISTENER}"', "sdw3")
    assert listener.stdout.readline().strip() == "on"
    checks = NewHostChecks(UNPREPARED)
    assert checks.places() == []
    asked = checks.asking(preparation_parts=PARTS)
    yield {name: Looks(checks.host(name), asked.host(name)) for name in ("sdw3", "sdw4")}
    cluster.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/7001'", "sdw3")
    cluster.finish(listener)
    cluster.reset()


def _other_locales(cluster: Practice) -> list[str]:
    """Those that sort otherwise than by bytes; a small machine has none."""
    return [line for line in cluster.run("locale -a").stdout.splitlines() if not line.startswith(("C", "POSIX"))]


class TestUnfitHosts:
    @pytest.mark.proves(
        "new-host-system",
        "new-host-architecture",
        "new-host-sort-order",
        "new-host-locales",
        "new-host-clock",
        "new-host-memory",
        "new-host-swap",
        "new-host-processors",
        "new-host-filesystem-type",
        "new-host-filesystem-size",
        "new-host-mount-options",
        "new-host-user-ids",
        "new-host-version",
        "new-host-libraries",
        "new-host-extensions",
        "new-host-tools",
        "new-host-usual-tools",
        "new-directories-empty",
        "new-ports-free",
        "new-ports-not-ephemeral",
    )
    @pytest.mark.parametrize(
        ("check", "severity", "said"),
        [
            ("new-host-system", Severity.ERROR, "it runs Alpine Linux 3.20, sdw1 "),
            ("new-host-architecture", Severity.ERROR, "it is m68k, sdw1 "),
            ("new-host-sort-order", Severity.WARNING, "it has glibc 2.17, sdw1 glibc"),
            ("new-host-locales", Severity.ERROR, "it has no locale "),
            ("new-host-clock", Severity.ERROR, " s behind the coordinator's. Remedy: let chronyd or ntpd"),
            ("new-host-memory", Severity.WARNING, "it has 1.0 GiB memory, sdw1 "),
            ("new-host-swap", Severity.WARNING, "it has 0 B swap, sdw1 8.0 GiB"),
            ("new-host-processors", Severity.WARNING, "it has 1 processors, sdw1 "),
            ("new-host-filesystem-type", Severity.WARNING, "/data/mirror: it is tmpfs, on existing hosts ext4"),
            (
                "new-host-filesystem-size",
                Severity.WARNING,
                "/data/mirror: it holds 64.0 MiB, the smallest of existing",
            ),
            ("new-host-mount-options", Severity.WARNING, "/data: its mount has noexec, unlike those of existing"),
            ("new-host-user-ids", Severity.ERROR, "gpadmin is uid 1001, gid 1000 there, uid 1000, gid 1000 on the"),
            ("new-host-version", Severity.ERROR, "it has postgres (Greenplum Database) 6.20.0 build"),
            (
                "new-host-libraries",
                Severity.ERROR,
                "libraries are missing: libq.so.6 (for lib/postgresql/broken.so)",
            ),
            ("new-host-extensions", Severity.ERROR, "it lacks lib/postgresql/postgis-2.5.so, which every"),
            ("new-host-tools", Severity.ERROR, "rsync missing; gpexpand calls them there"),
            ("new-host-usual-tools", Severity.WARNING, "it lacks gzip, which every segment host has"),
            ("new-directories-empty", Severity.ERROR, "/data/mirror/gpseg6: it is not empty; gpexpand refuses it"),
            ("new-ports-free", Severity.ERROR, "port 7001: a process there listens on it already"),
            ("new-ports-not-ephemeral", Severity.WARNING, "port 6000, 6001, 7000, 7001 lies within 1025 to 65535"),
        ],
    )
    def test_each_difference_is_told_once_among_all_the_others(self, unfit, cluster, check, severity, said):
        if check == "new-host-sort-order" and not _other_locales(cluster):
            pytest.skip("this machine has no locale but C")
        found = of(unfit["sdw3"].unprepared, check)
        assert (found.severity, said in str(found)) == (severity, True), found
        assert found.remedy

    @pytest.mark.proves("new-host-python")
    def test_a_python_that_imports_nothing_and_is_old(self, unfit):
        said = [str(found) for found in unfit["sdw3"].unprepared if found.check == "new-host-python"]
        assert any("Python 2.7.5 cannot import psycopg2 there" in text for text in said), said
        assert any(text.startswith("WARNING new host sdw3: it has Python 2.7.5, sdw1 Python 3") for text in said), said

    @pytest.mark.proves("new-directories-writable")
    def test_a_directory_that_belongs_to_root(self, unfit):
        said = [found for found in unfit["sdw3"].unprepared if found.check == "new-directories-writable"]
        assert [found.subject for found in said] == [f"new host sdw3, /data/primary/gpseg{n}" for n in (4, 5)]
        assert {found.severity for found in said} == {Severity.ERROR}

    def test_what_the_preparation_will_mend_is_only_noted(self, unfit):
        before, after = unfit["sdw3"].unprepared, unfit["sdw3"].to_be_prepared
        mended = {found.check for found in after if "; prepare_hosts mends it (" in found.problem}
        assert mended == {
            "new-host-clock",
            "new-ports-not-ephemeral",
            "new-directories-writable",
        }
        assert all(found.severity is Severity.NOTE for found in after if found.check in mended)
        assert {found.check for found in before} == {found.check for found in after}

    def test_nobody_looks_at_a_host_that_lets_nobody_in_if_nothing_is_to_be_prepared(self, unfit):
        assert len(unfit["sdw4"].unprepared) == 1
        assert str(unfit["sdw4"].unprepared[0]).startswith("ERROR SSH to sdw4 (10.77.0.24) as gpadmin through")

    @pytest.mark.proves(
        "new-host-user",
        "new-host-greenplum",
        "new-host-filesystem-type",
        "new-host-key",
    )
    @pytest.mark.parametrize(
        ("check", "severity", "said"),
        [
            ("new-host-user", Severity.NOTE, "gpadmin does not exist there; prepare_hosts mends it (account)"),
            (
                "new-host-greenplum",
                Severity.NOTE,
                f"Greenplum is not installed in {GPHOME}; prepare_hosts mends it",
            ),
            ("new-host-filesystem-type", Severity.WARNING, "it would lie on the root filesystem, while existing"),
            ("new-host-key", Severity.NOTE, "its SSH host key was met for the first time: SHA256:"),
        ],
    )
    def test_the_user_who_prepares_looks_at_a_bare_host(self, unfit, check, severity, said):
        found = of(unfit["sdw4"].to_be_prepared, check)
        assert (found.severity, said in str(found)) == (severity, True), found

    def test_root_cannot_tell_what_the_clusters_user_may_write(self, unfit):
        assert "new-directories-writable" not in {found.check for found in unfit["sdw4"].to_be_prepared}


# --- Who is who, and who finds, trusts and reaches whom --------------------------------------------------------------


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


# --- All hosts together, with nearly everything wrong between them ---------------------------------------------------

# Rules before the one for the host's own addresses: packets of others are dropped without a word, as a firewall does.
FIREWALL = """
ip rule add pref 100 lookup local
ip rule del pref 0
ip rule add pref 50 from 10.77.0.21 ipproto tcp dport 6000-6999 blackhole
ip rule add pref 51 from 10.77.0.22 ipproto udp blackhole
"""
NO_FIREWALL = """
ip rule add pref 0 lookup local
ip rule del pref 100
ip rule del pref 50
ip rule del pref 51
"""
HIDE_PYTHON = """
type -aP python3 python python2 | xargs -rn 1 readlink -f | sort -u >/var/tmp/pythons || true
while read -r python; do mount --bind /dev/null "$python"; done </var/tmp/pythons
"""
SHOW_PYTHON = 'while read -r python; do umount "$python"; done </var/tmp/pythons'
BOOT_ID = "/proc/sys/kernel/random/boot_id"
MACHINE_ID = "echo 0123456789abcdef0123456789abcdef >/etc/machine-id"
KEEP_NAMES, BACK = "cp /etc/hosts /var/tmp/hosts", "cp /var/tmp/hosts /etc/hosts"


@pytest.fixture(scope="class")
def at_odds(cluster: Practice) -> Iterator[list[Finding]]:
    """What is found of sdw3, of sdw4, which shows the same kernel, and of twin, which is sdw3 once more."""
    kernels = {host: as_root(cluster, host, f"cat {BOOT_ID}").strip() for host in ("sdw3", "sdw4")}
    astray = r"s/.*\tsmdw$/10.77.0.99\tsmdw/; s/.*\tsdw4$/127.0.1.1\tsdw4/"
    do = {
        "mdw": f"{KEEP_NAMES}\nsed -i '/sdw3$/d' /etc/hosts\necho 10.77.0.98 twin >>/etc/hosts",
        "sdw1": MACHINE_ID,
        "sdw2": f"{KEEP_NAMES}\nsed -i '/sdw4$/d' /etc/hosts",
        "sdw3": f"ip addr add 10.77.0.99/24 dev eth0\n{FIREWALL}",
        "sdw4": f"{KEEP_NAMES}\nsed -i '{astray}' /etc/hosts\n{MACHINE_ID}\necho {kernels['sdw3']} >{BOOT_ID}\n"
        f"mount -t tmpfs none {GPHOME}\n{HIDE_PYTHON}",
    }
    undo = {
        "mdw": BACK,
        "sdw1": "rm /etc/machine-id",
        "sdw2": BACK,
        "sdw3": f"ip addr del 10.77.0.99/24 dev eth0\n{NO_FIREWALL}",
        "sdw4": f"{BACK}\nrm /etc/machine-id\necho {kernels['sdw4']} >{BOOT_ID}\numount {GPHOME}\n{SHOW_PYTHON}",
    }
    for host, script in do.items():
        as_root(cluster, host, script)
    try:
        checks = NewHostChecks({**UNPREPARED, "new_hosts": [*ASKED["new_hosts"], "twin=10.77.0.99"]})
        found = checks.places()
        for host in ("sdw3", "sdw4", "twin"):
            found += checks.host(host)
        yield found + checks.network()
    finally:
        for host, script in undo.items():
            as_root(cluster, host, script)


class TestHostsAtOdds:
    @pytest.mark.proves("new-host-name")
    def test_the_coordinator_does_not_know_a_name(self, at_odds):
        assert of(at_odds, "new-host-name").subject == "new host sdw3"

    @pytest.mark.proves("new-host-name-right")
    def test_a_name_leads_the_coordinator_to_another_machine(self, at_odds):
        found = str(of(at_odds, "new-host-name-right"))
        assert "new host twin: its name leads the coordinator to 10.77.0.98, but the host reached has " in found

    @pytest.mark.proves("names-resolve-equally", "names-known-everywhere")
    def test_hosts_find_different_machines_behind_a_name(self, at_odds):
        names = sorted(str(found) for found in at_odds if found.check.startswith("names-"))
        assert [name.partition(". Remedy")[0] for name in names] == [
            "ERROR name sdw4: sdw2 cannot resolve it, the coordinator finds 10.77.0.24",
            "ERROR name smdw: sdw4 finds 10.77.0.99 for it, but it has 10.77.0.11",
            "ERROR name twin: sdw1, sdw2, smdw, sdw3, sdw4 cannot resolve it, the coordinator finds 10.77.0.98",
        ]

    @pytest.mark.proves("own-name-not-loopback")
    def test_a_host_finds_loopback_under_its_own_name(self, at_odds):
        assert "on sdw4 itself it leads to 127.0.1.1" in str(of(at_odds, "own-name-not-loopback"))

    @pytest.mark.proves("new-hosts-distinct")
    def test_two_names_of_one_machine(self, at_odds):
        found = of(at_odds, "new-hosts-distinct")
        assert "new hosts sdw3 and twin: both names lead to one machine (10.77.0.23, 10.77.0.99)" in str(found)

    @pytest.mark.proves("new-hosts-fail-alone")
    def test_containers_of_one_kernel(self, at_odds):
        assert "sdw3, sdw4, twin run on one kernel" in str(of(at_odds, "new-hosts-fail-alone"))

    @pytest.mark.proves("new-host-machine-id")
    def test_copies_of_one_image(self, at_odds):
        assert "sdw4, sdw1 have one machine id" in str(of(at_odds, "new-host-machine-id"))

    @pytest.mark.proves("ports-reachable")
    def test_a_firewall_before_the_ports_of_segments(self, at_odds):
        # One of sdw3 and its twin has opened the ports first.
        found = of(at_odds, "ports-reachable")
        assert found.subject in ("network from sdw1 to sdw3", "network from sdw1 to twin")
        assert found.problem == "TCP does not get through at port 6000, 6001 (no answer)"

    @pytest.mark.proves("interconnect-reachable")
    def test_a_firewall_that_knows_nothing_of_the_interconnect(self, at_odds):
        said = {str(found).partition(" (")[0] for found in at_odds if found.check == "interconnect-reachable"}
        # The echo comes back from 10.77.0.22, too: a datagram is lost in either direction.
        assert said == {
            "ERROR network from sdw2 to sdw3: UDP does not get through",
            "ERROR network from sdw2 to twin: UDP does not get through",
            "ERROR network from sdw3 to sdw2: UDP does not get through",
            "ERROR network from twin to sdw2: UDP does not get through",
        }

    @pytest.mark.proves("network-tested")
    def test_a_host_without_python_is_said_to_be_untested(self, at_odds):
        assert "network of sdw4: it could not be tried: there is no Python" in str(of(at_odds, "network-tested"))

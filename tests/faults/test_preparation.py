"""Each part of the preparation on a host that nobody has prepared: shown, made, repeated, interrupted, taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from greenplum_expansion.hooks.claim import ClusterClaim
from greenplum_expansion.preparation.manifest import Undone
from greenplum_expansion.request import FirewallChoice, PreparationPart
from tests.support.practice import Practice
from tests.support.preparing import CONNECTION, Preparing, WorkerKilled, finish, killed_at_change

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

HOST = "sdw4"
STANDINS = Path(__file__).parent / "standins"
_FIREWALLD = "echo enabled > /etc/sandbox/units/firewalld; : > /run/sandbox/units/firewalld"
_DISK = "q=/sys/block/$(df --output=source /data | tail -n 1 | sed s,/dev/,,)/queue"


@pytest.fixture(scope="module", autouse=True)
def bare(practice: Practice) -> Iterator[Practice]:
    """A host without user, software and settings; afterwards it is new, as it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
        patch.setattr(ClusterClaim, "require", lambda *_: None)  # one host of a run that was never triggered
        practice.sandbox("fault", "bare-host", HOST)
        try:
            yield practice
        finally:
            practice.close()
            practice.sandbox("fault", "clear", f"bare-host.{HOST}")


@pytest.fixture
def preparing(practice: Practice, request: pytest.FixtureRequest) -> Preparing:
    """An expansion of its own for each test."""
    assert CONNECTION == "practice"
    return Preparing(practice, HOST, request.node.name)


@dataclass(frozen=True)
class Case:
    """One part, and how one sees on the host that it was done.

    :param shows: a command whose output is `expected` afterwards, and was another before
    :param ground: makes the host need it, as root; :param pattern: does so on the existing segment hosts
    :param level: takes both back
    """

    part: PreparationPart
    shows: str
    expected: str
    ground: str = ""
    pattern: str = ""
    level: str = ""
    standins: tuple[str, ...] = ()


SYSTEM = (
    Case(PreparationPart.HOSTNAME, "hostname; cat /etc/hostname", "sdw4 sdw4"),
    Case(
        PreparationPart.HOSTS_FILE,
        "getent ahostsv4 mdw | head -n 1; getent ahostsv4 sdw4 | head -n 1",
        "10.77.0.10 STREAM mdw 10.77.0.24 STREAM sdw4",
        # As Debian's installer leaves it: its own name leads nobody else to it.
        ground="sed -i 's/^127.0.1.1.*/127.0.1.1 ip-10-77-0-24 sdw4/' /etc/hosts",
        level="sed -i 's/^127.0.1.1.*/127.0.1.1\tip-10-77-0-24/' /etc/hosts",
    ),
    Case(
        PreparationPart.KERNEL,
        "sysctl -n vm.swappiness vm.overcommit_memory; sysctl --system >/dev/null 2>&1; sysctl -n vm.swappiness",
        "10 2 10",
    ),
    Case(
        PreparationPart.LIMITS,
        "cat /etc/security/limits.d/99-greenplum-expansion.conf /etc/security/limits.d/20-nproc.conf"
        " | awk '/nproc/ && $1 !~ /#/ { print $1, $2, $4 }' | LC_ALL=C sort",
        "* soft 131072 gpadmin hard 131072 gpadmin soft 131072 root soft unlimited",
    ),
    Case(
        PreparationPart.HUGE_PAGES,
        "cat /sys/kernel/mm/transparent_hugepage/enabled /etc/tmpfiles.d/greenplum-expansion.conf | grep -v ^#",
        "always madvise [never] w /sys/kernel/mm/transparent_hugepage/enabled - - - - never",
    ),
    Case(
        PreparationPart.SELINUX,
        "getenforce; cat /etc/selinux/config",
        "Permissive # Of the image SELINUX=disabled",
        ground="mkdir /etc/selinux; printf '# Of the image\\nSELINUX=enforcing\\n' > /etc/selinux/config; getenforce",
        level="rm -rf /etc/selinux /usr/local/sbin/*enforce /run/selinux.mode",
        standins=("getenforce", "setenforce"),
    ),
    Case(
        PreparationPart.FIREWALL,
        "grep -c entry /etc/firewalld/ipsets/greenplum.xml; grep -o 'port=.*' /run/firewalld.rules | LC_ALL=C sort",
        '5 port="10000-65535" protocol="tcp" accept port="10000-65535" protocol="udp" accept '
        'port="22" protocol="tcp" accept port="5432" protocol="tcp" accept '
        'port="6000-6001" protocol="tcp" accept port="7000-7001" protocol="tcp" accept',
        ground=f"mkdir -p /etc/firewalld; {_FIREWALLD}; firewall-cmd --reload",
        level="rm -rf /etc/firewalld /etc/sandbox/units/firewalld /run/sandbox/units/firewalld /run/firewalld.*"
        " /usr/local/sbin/firewall-cmd",
        standins=("firewall-cmd",),
    ),
    Case(
        PreparationPart.TIME,
        "grep -E '^(server|pool)' /etc/chrony/chrony.conf; grep chrony /run/sandbox/units.log | tail -n 1",
        "server 10.77.0.1 iburst try-restart chrony",
    ),
    Case(
        PreparationPart.LOGIN,
        "grep RemoveIPC /etc/systemd/logind.conf.d/*; sshd -T | grep -E '^max(sess|star)' | sort",
        "RemoveIPC=no maxsessions 200 maxstartups 200:30:400",
    ),
    Case(
        PreparationPart.BLOCK_DEVICES,
        f"{_DISK}; cat $q/read_ahead_kb $q/scheduler; grep -c ACTION /etc/udev/rules.d/99-greenplum-*",
        "8192 none [mq-deadline] kyber bfq 1",
        ground=f"{_DISK}; echo 128 > $q/read_ahead_kb",
        pattern=f"{_DISK}; echo 8192 > $q/read_ahead_kb; echo mq-deadline > $q/scheduler; sleep 1",
        level=f"{_DISK}; echo 128 > $q/read_ahead_kb; echo none > $q/scheduler",
    ),
)
GREENPLUM = (
    Case(
        PreparationPart.ACCOUNT,
        "getent passwd gpadmin; getent group gpadmin; getent shadow gpadmin | cut -d: -f2; stat -c %U:%a /home/gpadmin",
        "gpadmin:x:1000:1000::/home/gpadmin:/bin/bash gpadmin:x:1000: * gpadmin:700",
    ),
    Case(
        PreparationPart.DIRECTORIES,
        "stat -c '%U %a' /data/primary /data/mirror",
        "gpadmin 755 gpadmin 700",
        # A mount point handed over empty, by root.
        ground="mkdir -m 755 /data/primary",
        level="rmdir /data/primary",
    ),
    Case(
        PreparationPart.SOFTWARE,
        "cd /usr/local/greenplum-db/bin; ./postgres --gp-version | cut -c1-36; ls gpstate",
        "postgres (Greenplum Database) 6.24.3 gpstate",
    ),
)


def prepared_and_taken_back(preparing: Preparing, cases: Sequence[Case]) -> None:
    """Each part on its own is seen to be needed, shown, done, not done again, and taken back to the last byte."""
    parts = [case.part for case in cases]
    try:
        for case in cases:
            for name in case.standins:
                preparing.put(f"/usr/local/sbin/{name}", STANDINS / name)
            preparing.root(case.ground or "true")
            for host in ("sdw1", "sdw2") if case.pattern else ():
                preparing.root(case.pattern, host)
        before = preparing.snapshot()

        shown = preparing.prepare(*parts, dry_run=True)
        assert {change["part"] for change in shown} == set(parts)
        assert all(change["diff"] for change in shown)
        assert preparing.snapshot() == before

        made = preparing.prepare(*parts)
        assert [change["subject"] for change in made] == [change["subject"] for change in shown]
        for case in cases:
            assert preparing.root(case.shows).split() == case.expected.split(), case.part
        assert preparing.prepare(*parts) == []

        outcomes = preparing.undo()
        assert {outcome.outcome for outcome in outcomes} <= {Undone.PUT_BACK, Undone.ALREADY}, outcomes
        assert preparing.snapshot() == before
        assert preparing.undo() == []
    finally:
        preparing.undo()
        for case in cases:
            preparing.root(case.level or "true")
            for host in ("sdw1", "sdw2") if case.pattern else ():
                preparing.root(case.level, host)


@pytest.mark.proves(
    "preparation:hostname",
    "preparation:hosts-file",
    "preparation:kernel-parameters",
    "preparation:limits",
    "preparation:huge-pages",
    "preparation:selinux",
    "preparation:firewall",
    "preparation:time",
    "preparation:login-settings",
    "preparation:block-devices",
)
def test_the_system_is_shown_then_done_then_nothing_is_left_to_do_and_all_can_be_taken_back(
    preparing: Preparing,
) -> None:
    prepared_and_taken_back(preparing, SYSTEM)


@pytest.mark.proves("preparation:account", "preparation:directories", "preparation:software")
def test_user_directories_and_software_are_made_and_can_be_taken_back(preparing: Preparing) -> None:
    prepared_and_taken_back(preparing, GREENPLUM)


@pytest.mark.parametrize("number", [1, 2, 4, 5])
def test_a_worker_killed_anywhere_leaves_what_a_retry_finishes(
    preparing: Preparing, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    parts = (PreparationPart.TIME, PreparationPart.ACCOUNT)
    before = preparing.snapshot()
    try:
        with pytest.raises(WorkerKilled), killed_at_change(monkeypatch, number):
            preparing.prepare(*parts)
        preparing.prepare(*parts)
        assert preparing.prepare(*parts) == []
        assert preparing.root("tail -n 1 /run/sandbox/units.log").split() == ["try-restart", "chrony"]
        assert preparing.root("stat -c %U /home/gpadmin/.ssh/authorized_keys").strip() == "gpadmin"
    finally:
        outcomes = preparing.undo()
    assert {outcome.outcome for outcome in outcomes} <= {Undone.PUT_BACK, Undone.ALREADY}, outcomes
    assert preparing.snapshot() == before


def test_a_worker_killed_for_good_leaves_what_can_be_taken_back(
    preparing: Preparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = preparing.snapshot()
    for number in (2, 5):
        with pytest.raises(WorkerKilled), killed_at_change(monkeypatch, number):
            preparing.prepare(PreparationPart.LIMITS, PreparationPart.ACCOUNT)
        preparing.undo()
        assert preparing.snapshot() == before


def test_a_host_whose_plug_is_pulled_in_the_middle_is_finished_when_it_is_back(
    preparing: Preparing, practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and manifest have outlived it; what was live only is set again."""
    _pull_plug(practice)  # what tests before this one have left live only would be gone afterwards
    before = preparing.snapshot()
    with pytest.raises(WorkerKilled), killed_at_change(monkeypatch, 12):
        preparing.prepare(PreparationPart.LIMITS, PreparationPart.KERNEL, PreparationPart.HUGE_PAGES)
    _pull_plug(practice)
    preparing.prepare(PreparationPart.LIMITS, PreparationPart.KERNEL, PreparationPart.HUGE_PAGES)
    assert preparing.prepare(PreparationPart.LIMITS, PreparationPart.KERNEL, PreparationPart.HUGE_PAGES) == []
    assert preparing.root("sysctl -n vm.swappiness").strip() == "10"
    preparing.undo()
    assert preparing.snapshot() == before


def _pull_plug(practice: Practice) -> None:
    practice.close()
    practice.sandbox("fault", "host-down", HOST)
    practice.sandbox("fault", "host-up", HOST)


@pytest.mark.proves("preparation:reboot")
def test_a_host_is_started_anew_only_if_something_needs_it_and_it_is_allowed(preparing: Preparing) -> None:
    selinux, reboot = PreparationPart.SELINUX, PreparationPart.REBOOT
    task = preparing.reboot_task()
    boot = "cat /proc/sys/kernel/random/boot_id"
    first = preparing.root(boot)
    assert finish(preparing.one_run(reboot), task) == "not needed"
    for name in ("getenforce", "setenforce"):
        preparing.put(f"/usr/local/sbin/{name}", STANDINS / name)
    preparing.root("mkdir -p /etc/selinux; echo SELINUX=enforcing > /etc/selinux/config")
    try:
        preparing.prepare(selinux)
        not_allowed = preparing.one_run(selinux)
        assert finish(not_allowed, task) == "needed, not allowed"
        assert "started anew" in not_allowed.left(task, "findings")[0]["problem"]
        assert preparing.root(boot) == first

        # A server that runs there is never taken down.
        preparing.root("cp /bin/sleep /usr/local/bin/postgres; (/usr/local/bin/postgres 1000 >/dev/null 2>&1 &)")
        with pytest.raises(AirflowFailException, match="a database server runs there"):
            finish(preparing.one_run(selinux, reboot), task)
        assert preparing.root(boot) == first
        preparing.root("kill $(pgrep -x postgres); rm /usr/local/bin/postgres")

        preparing.practice.close()
        assert finish(preparing.one_run(selinux, reboot), task) == "back"
        assert preparing.root(boot) != first
        assert preparing.root("getenforce").strip() == "Disabled"
        assert finish(preparing.one_run(selinux, reboot), task) == "not needed"
    finally:
        preparing.undo()
        assert preparing.root("cat /etc/selinux/config").strip() == "SELINUX=enforcing"
        preparing.root("rm -rf /etc/selinux /usr/local/sbin/*enforce /run/selinux.mode")


def test_existing_hosts_learn_the_names_that_nothing_else_tells_them(preparing: Preparing) -> None:
    task = preparing.old_hosts_task()
    nothing = finish(preparing.one_run(PreparationPart.HOSTS_FILE), task)
    assert nothing == {"changes": []}
    preparing.root("cp -p /etc/hosts /root/hosts.was; sed -i '/sdw4/d' /etc/hosts", "sdw1")
    try:
        before = preparing.root("sha256sum /etc/hosts", "sdw1")
        shown = finish(preparing.one_run(PreparationPart.HOSTS_FILE, dry_run=True), task)
        assert preparing.root("sha256sum /etc/hosts", "sdw1") == before
        made = finish(preparing.one_run(PreparationPart.HOSTS_FILE), task)
        assert made == shown
        assert [change["host"] for change in made["changes"]] == ["sdw1"]
        assert "10.77.0.24" in preparing.root("getent hosts sdw4", "sdw1")
        assert finish(preparing.one_run(PreparationPart.HOSTS_FILE), task) == {"changes": []}
        assert [str(outcome) for outcome in preparing.undo()] == ["sdw1: /etc/hosts: put back"]
        assert preparing.root("sha256sum /etc/hosts", "sdw1") == before
    finally:
        preparing.root("mv /root/hosts.was /etc/hosts", "sdw1")


def test_what_others_changed_since_is_left_and_told(preparing: Preparing) -> None:
    before = preparing.snapshot()
    preparing.prepare(PreparationPart.LIMITS)
    ours = "/etc/security/limits.d/99-greenplum-expansion.conf"
    preparing.root(f"echo '# by the DBA' >> {ours}")
    try:
        told = {outcome.subject: outcome for outcome in preparing.undo()}
        assert told[ours].outcome is Undone.LEFT
        assert "others have changed it" in told[ours].words
        assert preparing.root(f"tail -n 1 {ours}") == "# by the DBA\n"
    finally:
        preparing.root(f"rm {ours}")
    assert preparing.snapshot() == before


def test_without_root_a_ready_host_passes_and_another_is_refused_by_name_of_its_parts(practice: Practice) -> None:
    preparing = Preparing(practice, "sdw3", "without-root")
    preparing.root("mv /root/.ssh/authorized_keys /root/.ssh/away; cp -p /root/.ssh/away /root/.ssh/again")
    # The kept connection of the tests stays open; a new login as root is impossible.
    try:
        assert preparing.prepare(PreparationPart.SOFTWARE, PreparationPart.ACCOUNT) == []
        with pytest.raises(AirflowFailException) as caught:
            preparing.prepare(PreparationPart.LIMITS, PreparationPart.TIME)
        words = str(caught.value)
        assert "only root can change /etc/security/limits.d/99-greenplum-expansion.conf" in words
        assert "without the parts limits, time" in words
        made = preparing.prepare(PreparationPart.DIRECTORIES)
        assert [change["subject"] for change in made] == ["directory /data/mirror", "directory /data/primary"]
        assert len(preparing.undo()) == 2
    finally:
        preparing.root("mv /root/.ssh/away /root/.ssh/authorized_keys; rm -f /root/.ssh/again")


def test_ids_of_another_account_are_for_a_person_to_decide(preparing: Preparing) -> None:
    before = preparing.snapshot()
    preparing.root("groupadd -g 1000 staff2")
    try:
        with pytest.raises(AirflowFailException, match="belongs to group staff2"):
            preparing.prepare(PreparationPart.ACCOUNT)
    finally:
        preparing.root("groupdel staff2; rm -f /etc/*-")
    assert [line for line in preparing.snapshot() if "/etc/" in line] == [line for line in before if "/etc/" in line]


def test_a_firewall_is_switched_off_only_if_asked(preparing: Preparing) -> None:
    preparing.root(_FIREWALLD)
    part = PreparationPart.FIREWALL
    state = "systemctl is-enabled firewalld; systemctl is-active firewalld; true"
    try:
        assert preparing.prepare(part, firewall=FirewallChoice.LEAVE) == []
        preparing.prepare(part, firewall=FirewallChoice.OFF)
        assert preparing.root(state).split() == ["disabled", "inactive"]
        preparing.undo()
        assert preparing.root(state).split() == ["enabled", "active"]
    finally:
        preparing.root("rm -f /etc/sandbox/units/firewalld /run/sandbox/units/firewalld")


def test_a_configuration_that_sshd_refuses_is_put_back_at_once(preparing: Preparing) -> None:
    """The line is right, the rest of the file was wrong before: sshd must not be made to reload it."""
    preparing.root("cp -p /etc/ssh/sshd_config /root/was; echo NoSuchOption yes >> /etc/ssh/sshd_config")
    try:
        before = preparing.root("sha256sum /etc/ssh/sshd_config")
        with pytest.raises(Exception, match="Check of /etc/ssh/sshd_config, which is as before again"):
            preparing.prepare(PreparationPart.LOGIN)
        assert preparing.root("sha256sum /etc/ssh/sshd_config") == before
    finally:
        preparing.root("mv /root/was /etc/ssh/sshd_config")
        preparing.undo()


def test_a_user_who_becomes_root_by_sudo_prepares_as_well(preparing: Preparing) -> None:
    """sudo is a stand-in here, as hosts of the sandbox have no setuid programs: the login has root's id already."""
    preparing.root(
        "echo 'deploy:x:0:0::/root:/bin/bash' >> /etc/passwd; echo 'deploy:*:19600:0:99999:7:::' >> /etc/shadow;"
        ' printf \'#!/bin/sh\\n[ "$1 $2" = "-n --" ] && shift 2 && exec "$@"\\n\' > /usr/local/bin/sudo;'
        " chmod 755 /usr/local/bin/sudo"
    )
    try:
        made = preparing.prepare(PreparationPart.LIMITS, PreparationPart.HUGE_PAGES, preparation_user="deploy")
        assert len(made) == 4
        assert "never" in preparing.root("cat /etc/tmpfiles.d/greenplum-expansion.conf")
        assert {outcome.outcome for outcome in preparing.undo()} == {Undone.PUT_BACK}
    finally:
        preparing.root("sed -i /^deploy:/d /etc/passwd /etc/shadow; rm /usr/local/bin/sudo")

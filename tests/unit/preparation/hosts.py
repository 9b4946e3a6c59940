"""Hosts as they are delivered and as they are prepared, from public documents of their distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from greenplum_expansion.preparation.change import FileChange, PartPlan, StateChange
from greenplum_expansion.preparation.facts import FileState, HostFacts
from greenplum_expansion.preparation.situation import Account, Installation, Situation

OS_RELEASES = {
    "rhel7": 'NAME="Red Hat Enterprise Linux Server"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="7.9"\n'
    'PRETTY_NAME="Red Hat Enterprise Linux Server 7.9 (Maipo)"\n',
    "centos7": 'NAME="CentOS Linux"\nVERSION="7 (Core)"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"\n',
    "rocky8": 'NAME="Rocky Linux"\nVERSION="8.9 (Green Obsidian)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'
    'VERSION_ID="8.9"\nPLATFORM_ID="platform:el8"\n',
    "ol8": 'NAME="Oracle Linux Server"\nVERSION="8.8"\nID="ol"\nID_LIKE="fedora"\nVARIANT="Server"\nVERSION_ID="8.8"\n',
    "rhel9": 'NAME="Red Hat Enterprise Linux"\nVERSION="9.3 (Plow)"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.3"\n',
    "ubuntu22": 'PRETTY_NAME="Ubuntu 22.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu\nID_LIKE=debian\n',
    "debian12": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
    "sles15": 'NAME="SLES"\nVERSION="15-SP5"\nVERSION_ID="15.5"\nID="sles"\nID_LIKE="suse"\n',
}

# chrony.conf of Red Hat 8, shortened to its lines without comments, and with them where a parser could stumble.
CHRONY_RHEL8 = """# Use public servers from the pool.ntp.org project.
# Please consider joining the pool (http://www.pool.ntp.org/join.html).
pool 2.rhel.pool.ntp.org iburst

# Record the rate at which the system clock gains/losses time.
driftfile /var/lib/chrony/drift
makestep 1.0 3
rtcsync
#allow 192.168.0.0/16
#local stratum 10
keyfile /etc/chrony.keys
leapsectz right/UTC
logdir /var/log/chrony
"""
# ntp.conf of CentOS 7
NTP_CENTOS7 = """driftfile /var/lib/ntp/drift
restrict default nomodify notrap nopeer noquery
restrict 127.0.0.1
restrict ::1
server 0.centos.pool.ntp.org iburst
server 1.centos.pool.ntp.org iburst
#broadcast 192.168.1.255 autokey        # broadcast server
server 127.127.1.0
includefile /etc/ntp/crypto/pw
"""
# timesyncd.conf of Ubuntu 22.04
TIMESYNCD = """[Time]
#NTP=
#FallbackNTP=ntp.ubuntu.com
#RootDistanceMaxSec=5
"""
# sshd_config of Ubuntu 22.04, begin and end
SSHD_UBUNTU = """# This is the sshd server system-wide configuration file.
Include /etc/ssh/sshd_config.d/*.conf

#Port 22
KbdInteractiveAuthentication no
UsePAM yes
#MaxSessions 10
#MaxStartups 10:30:100
Subsystem sftp /usr/lib/openssh/sftp-server
"""
# sshd_config of CentOS 7
SSHD_CENTOS7 = """HostKey /etc/ssh/ssh_host_rsa_key
SyslogFacility AUTHPRIV
#MaxSessions 10
PasswordAuthentication yes
UsePAM yes
Match User backup
    MaxSessions 500
"""
LIMITS_20_NPROC = """# Default limit for number of user's processes to prevent
# accidental fork bombs.
# See rhbz #432903 for reasoning.

*          soft    nproc     4096
root       soft    nproc     unlimited
"""
# Greenplum 6's installation guide, section "Recommended OS parameters"
SYSCTL_GREENPLUM = {
    "kernel.shmmni": "4096",
    "kernel.sem": "250 2048000 200 8192",
    "kernel.core_uses_pid": "1",
    "net.ipv4.ip_local_port_range": "10000 65535",
    "net.ipv4.conf.all.arp_filter": "1",
    "net.core.rmem_max": "2097152",
    "vm.overcommit_memory": "2",
    "vm.overcommit_ratio": "95",
    "vm.swappiness": "10",
    "vm.dirty_background_ratio": "0",
    "vm.dirty_ratio": "0",
    "vm.dirty_background_bytes": "1610612736",
    "vm.dirty_bytes": "4294967296",
    "vm.min_free_kbytes": "4026531",
    "kernel.shmall": "16777216",
    "kernel.shmmax": "68719476736",
}
# What a Red Hat 8 says as delivered (sysctl -a), of the same parameters
SYSCTL_RHEL8 = {
    "kernel.shmmni": "4096",
    "kernel.sem": "32000 1024000000 500 32000",
    "kernel.core_uses_pid": "1",
    "net.ipv4.ip_local_port_range": "32768 60999",
    "net.ipv4.conf.all.arp_filter": "0",
    "net.core.rmem_max": "212992",
    "vm.overcommit_memory": "0",
    "vm.overcommit_ratio": "50",
    "vm.swappiness": "60",
    "vm.dirty_background_ratio": "10",
    "vm.dirty_ratio": "20",
    "vm.dirty_background_bytes": "0",
    "vm.dirty_bytes": "0",
    "vm.min_free_kbytes": "67584",
    "kernel.shmall": "18446744073692774399",
    "kernel.shmmax": "18446744073692774399",
}
MEMORY_128G = "pages 33554432\npage_size 4096\n"
GPADMIN = Account("gpadmin", "gpadmin", 530, 530, "/home/gpadmin", "/bin/bash")
VERSION = "postgres (Greenplum Database) 6.24.3 build commit:25d3498a"


def text_of(values: Mapping[str, str]) -> str:
    """As a probe prints ``name value``."""
    return "".join(f"{name} {value}\n" for name, value in values.items())


def host(name: str, files: Mapping[str, str] | None = None, **said: str) -> HostFacts:
    """A host with these texts in its files and these answers to probes."""
    return HostFacts(name, {path: FileState(text) for path, text in (files or {}).items()}, said)


def changed(facts: HostFacts, files: Mapping[str, str] | None = None, **said: str) -> HostFacts:
    """The same host with other files or answers."""
    more = {path: FileState(text) for path, text in (files or {}).items()}
    return replace(facts, files={**facts.files, **more}, said={**facts.said, **said})


def member(name: str) -> HostFacts:
    """A segment host prepared by the installation guide."""
    return host(
        name,
        {"/etc/security/limits.d/gp.conf": "* soft nofile 524288\n* hard nofile 524288\n* - nproc 131072\n"},
        sysctl=text_of(SYSCTL_GREENPLUM),
        memory=MEMORY_128G,
        huge_pages="always madvise [never]",
        selinux="Disabled",
        disks="sdb|8192|noop [deadline] cfq|1",
    )


COORDINATOR = host(
    "mdw",
    {"/etc/chrony.conf": "server ntp1.example.com iburst\nserver ntp2.example.com iburst\n"},
    units="chronyd|enabled|active\n",
)


def situation(new: HostFacts, **more: object) -> Situation:
    """That host among two existing ones."""
    values: dict[str, object] = {
        "new": new,
        "coordinator": COORDINATOR,
        "existing": (member("sdw1"), member("sdw2")),
        "addresses": {"mdw": "10.0.0.1", "sdw1": "10.0.0.11", "sdw3": "10.0.0.13"},
        "directories": ("/data/primary", "/data/mirror"),
        "ports": (5432, 6000, 6001, 7000),
        "account": GPADMIN,
        "software": Installation("/usr/local/greenplum-db", "/usr/local/greenplum-db-6.24.3", VERSION, "530:530"),
        "login_key": "ssh-ed25519 AAAAC3Nz",
    }
    return Situation(**{**values, **more})  # type: ignore[arg-type]


def file_of(plan: PartPlan, path: str) -> FileChange:
    """The change to that file."""
    return next(change for change in plan.changes if isinstance(change, FileChange) and change.path == path)


def states_of(plan: PartPlan) -> dict[str, StateChange]:
    """Changes to anything but files, by what they change."""
    return {change.subject: change for change in plan.changes if isinstance(change, StateChange)}


def problems(plan: PartPlan) -> str:
    """All findings as one text."""
    return " ".join(map(str, plan.findings))

"""In which condition a host comes: prepared for Greenplum, as a data centre hands it over, or bare. As data.

Members of the cluster were prepared by whoever built it, by Greenplum's installation guide. New hosts have the
cluster's user and the software, but the distribution's settings. A bare host (fault ``bare-host.<host>``) has neither:
no user, no Greenplum, nobody's name but its own in /etc/hosts, an image's host name, and sshd's own limits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from sandbox import layout

BARE_MARK = "bare-host.{}"  # fault file of a host that is furnished bare
UNITS = "sandbox/units"  # below /etc: services that systemctl knows by their state, one file each


class Condition(StrEnum):
    """How much of a host is ready."""

    PREPARED = "prepared"
    NEW = "new"
    BARE = "bare"


def condition(host: layout.Host, faults: Path) -> Condition:
    """A member of the cluster is prepared; a new host is bare if the fault says so."""
    if host.member:
        return Condition.PREPARED
    return Condition.BARE if (faults / BARE_MARK.format(host.name)).exists() else Condition.NEW


def image_name(host: layout.Host) -> str:
    """What a bare host calls itself."""
    return f"ip-{host.address.replace('.', '-')}"


def etc_texts(kind: Condition, host: layout.Host) -> Mapping[str, str]:
    """Files below /etc that differ by condition."""
    texts = {
        f"{UNITS}/chrony": "enabled\n",
        f"{UNITS}/systemd-logind": "static\n",
        "systemd/logind.conf": "[Login]\n#KillUserProcesses=no\n#RemoveIPC=yes\n",
        "sysctl.conf": "# Kernel settings; see sysctl.conf(5) and sysctl.d(5)\n",
    }
    if kind is Condition.PREPARED:
        return {
            **texts,
            "chrony/chrony.conf": _CHRONY.format(source=f"server {layout.GATEWAY} iburst"),
            "security/limits.d/99-greenplum.conf": _LIMITS,
            "sysctl.d/99-greenplum.conf": _sysctl(),
            "systemd/logind.conf.d/greenplum.conf": "[Login]\nRemoveIPC=no\n",
            "tmpfiles.d/greenplum.conf": "w /sys/kernel/mm/transparent_hugepage/enabled - - - - never\n",
        }
    texts["chrony/chrony.conf"] = _CHRONY.format(source="pool 2.debian.pool.ntp.org iburst")
    if kind is Condition.BARE:
        texts |= {
            "hostname": f"{image_name(host)}\n",
            "hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{image_name(host)}\n::1\tlocalhost ip6-localhost\n",
            "security/limits.d/20-nproc.conf": _NPROC,
            "sysctl.conf": "# Of the image\nvm.swappiness = 60\n",
        }
    return texts


_CHRONY = """# As the distribution brings it
{source}
driftfile /var/lib/chrony/chrony.drift
makestep 1 3
rtcsync
"""
_LIMITS = """* soft nofile 524288
* hard nofile 524288
* soft nproc 131072
* hard nproc 131072
"""
# Red Hat 7 and later
_NPROC = """# Default limit for number of user's processes to prevent accidental fork bombs.
*          soft    nproc     4096
root       soft    nproc     unlimited
"""
_FIXED = {
    "kernel.core_uses_pid": "1",
    "net.core.netdev_max_backlog": "10000",
    "net.core.rmem_max": "2097152",
    "net.core.wmem_max": "2097152",
    "net.ipv4.conf.all.arp_filter": "1",
    "net.ipv4.conf.default.accept_source_route": "0",
    "net.ipv4.ip_local_port_range": "10000 65535",
    "net.ipv4.tcp_max_syn_backlog": "4096",
    "net.ipv4.tcp_syncookies": "1",
    "vm.dirty_background_ratio": "3",
    "vm.dirty_ratio": "10",
    "vm.dirty_expire_centisecs": "500",
    "vm.dirty_writeback_centisecs": "100",
    "vm.overcommit_memory": "2",
    "vm.overcommit_ratio": "95",
    "vm.swappiness": "10",
    "vm.zone_reclaim_mode": "0",
}


def _sysctl() -> str:
    """As Greenplum's installation guide has it; free memory is 3 % of all."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024 * 3 // 100
    values = {**_FIXED, "vm.min_free_kbytes": str(free)}
    return "# Greenplum\n" + "".join(f"{name} = {value}\n" for name, value in values.items())

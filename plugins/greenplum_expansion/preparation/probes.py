"""What is looked at on a host: files, and commands whose output is a fact. Text of shell only; nothing runs here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from greenplum_expansion.preparation import clock, huge_pages, kernel, limits, login, names, selinux
from greenplum_expansion.preparation.block_devices import OUR_FILE as UDEV_RULES
from greenplum_expansion.preparation.directories import ancestors
from greenplum_expansion.preparation.firewall import OUR_IPSET, SAVED_RULES
from greenplum_expansion.preparation.situation import Account
from greenplum_expansion.preparation.software import version_probe

FILES: tuple[str, ...] = (
    "/etc/os-release",
    names.HOSTS,
    names.HOSTNAME,
    names.CLOUD,
    names.OUR_CLOUD,
    kernel.SYSCTL_CONF,
    *(f"{directory}/*.conf" for directory in ("/etc/sysctl.d", "/run/sysctl.d", "/usr/lib/sysctl.d")),
    limits.LIMITS_CONF,
    "/etc/security/limits.d/*.conf",
    huge_pages.OUR_FILE,
    selinux.CONFIG,
    login.SSHD,
    "/etc/ssh/sshd_config.d/*.conf",
    login.LOGIND,
    "/etc/systemd/logind.conf.d/*.conf",
    *(path for daemon in clock.DAEMONS for path in daemon.configs),
    *(f"{directory}/*{suffix}" for daemon in clock.DAEMONS for directory, suffix in daemon.drop_ins),
    *(OUR_IPSET.format(family=family) for family in ("", "6")),
    *SAVED_RULES,
    UDEV_RULES,
)
"""Files that are read on every host; ``*`` as in a shell."""

_UNITS = (
    *(name for daemon in clock.DAEMONS for name in daemon.units),
    *("firewalld", "ufw", "iptables", "ip6tables", "nftables", "netfilter-persistent"),
    *("sshd", "ssh", "systemd-logind"),
)

COMMON: Mapping[str, str] = {
    "hostname": "hostname",
    "boot_id": "cat /proc/sys/kernel/random/boot_id",
    "sysctl": (
        f"for n in {' '.join(kernel.NAMES)}; do f=/proc/sys/$(echo $n | tr . /); "
        '[ -r $f ] && echo "$n $(tr -s "[:blank:]" " " < $f)"; done'
    ),
    "memory": 'echo "pages $(getconf _PHYS_PAGES)"; echo "page_size $(getconf PAGE_SIZE)"',
    "nr_open": "cat /proc/sys/fs/nr_open",
    "huge_pages": "cat /sys/kernel/mm/transparent_hugepage/enabled",
    "grub_arguments": "command -v grubby >/dev/null && grubby --info=DEFAULT | sed -n 's/^args=//p'",
    "tuned": "systemctl is-active -q tuned.service && tuned-adm active | sed -n 's/^Current active profile: //p'",
    "selinux": "getenforce",
    "units": (
        f"for u in {' '.join(_UNITS)}; do e=$(systemctl is-enabled $u.service 2>/dev/null); "
        '[ -z "$e" ] || echo "$u|$e|$(systemctl is-active $u.service)"; done'
    ),
}
"""Asked of every host, old and new."""

FIREWALL: Mapping[str, str] = {
    "ufw": "command -v ufw >/dev/null && ufw status",
    "ufw_added": "command -v ufw >/dev/null && ufw show added",
    "iptables": "iptables -S",
    "nft": "nft list ruleset",
    "firewalld_zone": "firewall-cmd --get-default-zone",
    "firewalld_rules": "firewall-cmd --permanent --zone=$(firewall-cmd --get-default-zone) --list-rich-rules",
    "sshd": "sshd -T",
}
"""Asked of a new host; all of it only root is told."""


def of_coordinator(user: str, gphome: str) -> dict[str, str]:
    """Probes of the coordinator.

    :param user: the cluster's; :param gphome: as the cluster names its software
    """
    quoted = shlex.quote(user)
    return {
        **COMMON,
        "own_account": f"getent passwd {quoted} && getent group $(getent passwd {quoted} | cut -d: -f4)",
        "software": _software(gphome),
    }


def of_existing(directories: Iterable[str]) -> dict[str, str]:
    """Probes of a segment host. :param directories: its data directories"""
    return {**COMMON, "disks": _disks(directories)}


def of_new(account: Account, gphome: str, host_names: Iterable[str], directories: Iterable[str]) -> dict[str, str]:
    """Probes of a new host.

    :param host_names: every name it should be able to look up
    :param directories: parents of its data directories to come
    """
    wanted = list(directories)
    return {
        **COMMON,
        **FIREWALL,
        "resolves": resolves(host_names),
        "account": _account(account),
        "authorized_keys": f"cat {shlex.quote(account.home)}/.ssh/authorized_keys",
        "directories": _directories(wanted),
        "disks": _disks(wanted),
        "software": _software(gphome),
        "servers": "pgrep -x 'postgres|postmaster' | tr '\\n' ' '",
    }


def resolves(host_names: Iterable[str]) -> str:
    """Prints each name with the addresses it leads to."""
    quoted = " ".join(map(shlex.quote, sorted(host_names)))
    return f"for n in {quoted}; do echo \"$n $(getent ahosts \"$n\" | cut -d' ' -f1 | sort -u | tr '\\n' ' ')\"; done"


def _account(account: Account) -> str:
    asked = (
        ("user_by_name", "passwd", account.user),
        ("user_by_id", "passwd", str(account.uid)),
        ("group_by_name", "group", account.group),
        ("group_by_id", "group", str(account.gid)),
    )
    lines = [f'echo "{key} $(getent {database} {shlex.quote(value)})"' for key, database, value in asked]
    return "; ".join([*lines, f"[ -d {shlex.quote(account.home)} ] && echo home there"])


def _directories(wanted: Iterable[str]) -> str:
    paths = dict.fromkeys(path for directory in wanted for path in ancestors(directory))
    quoted = " ".join(map(shlex.quote, paths))
    return (
        f'for d in {quoted}; do if [ -d "$d" ]; then e=full; [ -n "$(ls -A -- "$d")" ] || e=empty; '
        'echo "directory $(stat -L -c %u:%g -- "$d") $e $d"; '
        'elif [ -e "$d" ] || [ -L "$d" ]; then echo "other - full $d"; else echo "absent - empty $d"; fi; done'
    )


def _disks(directories: Iterable[str]) -> str:
    """Whole disks under the directories, or under what of them exists: name, read-ahead, schedulers, rotational.

    By the number of the filesystem's device, down through volumes and partitions, as /sys knows them: /dev may lack the
    device (containers), and old systems lack options of lsblk.
    """
    quoted = " ".join(map(shlex.quote, directories))
    return f"""
disk() {{
    p=$(readlink -f -- "$1"); [ ! -e "$p/partition" ] || p=$(dirname -- "$p")
    if [ -n "$(ls -A -- "$p/slaves" 2>/dev/null)" ]; then for s in "$p"/slaves/*; do disk "$s"; done
    else basename -- "$p"; fi
}}
for d in {quoted}; do
    while [ ! -d "$d" ]; do d=$(dirname -- "$d"); done
    n=$(stat -c %d -- "$d"); f=/sys/dev/block/$((n >> 8 & 4095)):$((n & 255 | n >> 12 & 1048320))
    [ ! -e $f ] || disk $f
done | sort -u | while read -r n; do
    q=/sys/block/$n/queue
    [ ! -d $q ] || echo "$n|$(cat $q/read_ahead_kb)|$(cat $q/scheduler 2>/dev/null)|$(cat $q/rotational)"
done"""


def _software(gphome: str) -> str:
    home = shlex.quote(gphome)
    return (
        f'[ -e {home} ] || exit 0; [ ! -d {home} ] || [ -n "$(ls -A -- {home})" ] || exit 0; '
        f'r=$(readlink -f -- {home}); echo "real $r"; echo "owner $(stat -c %u:%g -- "$r")"; '
        f'[ -x "$r/bin/postgres" ] && echo "version $({version_probe(gphome)})"'
    )

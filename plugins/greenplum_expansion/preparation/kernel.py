"""Kernel parameters, live and at the next boot."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import HostFacts, agreement
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

# Files are applied in the order of their names, and 99-sysctl.conf is a link to /etc/sysctl.conf: ours comes behind it.
OUR_FILE = "/etc/sysctl.d/99-zz-greenplum-expansion.conf"
SYSCTL_CONF = "/etc/sysctl.conf"
_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_LARGE = 64 * 1024**3  # bytes of memory from which dirty pages are limited in bytes
_HEADER = "# As on the existing hosts of the cluster. Written by greenplum-expansion.\n"


@dataclass(frozen=True)
class Rule:
    """What to wish for where the existing hosts say nothing, or not the same.

    :param value: of Greenplum 6's installation guide; None: leave the parameter alone then
    :param at_least: more is as good
    """

    value: str | None
    at_least: bool = False


RULES: Mapping[str, Rule] = {
    "kernel.shmmni": Rule("4096", at_least=True),
    "kernel.sem": Rule("250 2048000 200 8192", at_least=True),
    "kernel.sysrq": Rule(None),
    "kernel.core_uses_pid": Rule("1"),
    "kernel.msgmnb": Rule("65536", at_least=True),
    "kernel.msgmax": Rule("65536", at_least=True),
    "kernel.msgmni": Rule("2048", at_least=True),
    "kernel.pid_max": Rule(None, at_least=True),
    "fs.aio-max-nr": Rule(None, at_least=True),
    "net.ipv4.tcp_syncookies": Rule("1"),
    "net.ipv4.conf.default.accept_source_route": Rule("0"),
    "net.ipv4.tcp_max_syn_backlog": Rule("4096", at_least=True),
    "net.ipv4.conf.all.arp_filter": Rule("1"),
    "net.ipv4.ip_local_port_range": Rule("10000 65535"),
    "net.ipv4.ipfrag_high_thresh": Rule("41943040", at_least=True),
    "net.ipv4.ipfrag_low_thresh": Rule("31457280", at_least=True),
    "net.ipv4.ipfrag_time": Rule("60", at_least=True),
    "net.core.netdev_max_backlog": Rule("10000", at_least=True),
    "net.core.somaxconn": Rule(None, at_least=True),
    "net.core.rmem_max": Rule("2097152", at_least=True),
    "net.core.wmem_max": Rule("2097152", at_least=True),
    "vm.overcommit_memory": Rule("2"),
    "vm.overcommit_ratio": Rule("95"),
    "vm.swappiness": Rule("10"),
    "vm.zone_reclaim_mode": Rule("0"),
    "vm.dirty_expire_centisecs": Rule("500"),
    "vm.dirty_writeback_centisecs": Rule("100"),
    "vm.max_map_count": Rule(None, at_least=True),
}
COMPUTED = ("kernel.shmall", "kernel.shmmax", "vm.min_free_kbytes")
DIRTY = ("vm.dirty_background_ratio", "vm.dirty_ratio", "vm.dirty_background_bytes", "vm.dirty_bytes")
NAMES = (*RULES, *COMPUTED, *DIRTY)
"""All parameters that are looked at. Not among them: tcp_tw_recycle (gone since Linux 4.12), ip_forward (containers
need it), core_pattern (whose directory, or program, is not ours to make)."""


@dataclass(frozen=True)
class Target:
    """The value wished for, and where the wish comes from."""

    value: str
    why: str
    at_least: bool = False

    def is_met_by(self, value: str | None) -> bool:
        if value is None:
            return False
        have, want = value.split(), self.value.split()
        if not self.at_least or not all(re.fullmatch(r"\d+", number) for number in (*have, *want)):
            return have == want
        return len(have) == len(want) and all(int(h) >= int(w) for h, w in zip(have, want, strict=True))


@part(PreparationPart.KERNEL, "Kernel parameters are those of the existing hosts")
def plan_kernel(situation: Situation) -> PartPlan:
    """Live values of the existing segment hosts are the target. Where they differ among themselves, Greenplum's
    installation guide is, and that is told. Computed from the new host's own memory are `kernel.shmall` (half of it, in
    pages), `kernel.shmmax`, `vm.min_free_kbytes` (3 %) and, if its memory is of another class than theirs (64 GB), the
    limits for dirty pages.

    What differs is set live with `sysctl -w`, and for the next boot in a file of our own in `/etc/sysctl.d`. A line
    elsewhere that would win over it at boot is commented out. What the new host's kernel does not know is left out.
    """
    draft = Draft()
    live = situation.new.pairs("sysctl")
    wished = {name: target for name, target in targets(situation, draft).items() if name in live}
    boot = values_at_boot(situation.new)
    unmet = [name for name, target in wished.items() if not target.is_met_by(live[name])]
    undone = [name for name, target in wished.items() if name in boot and not target.is_met_by(boot[name][0])]
    if not unmet and not undone:
        return draft.plan()
    values = {name: value for name, value in assignments(situation.new.text(OUR_FILE) or "") if name in wished}
    for name in {*unmet, *undone, *values}:
        # A value that is better than the target is kept.
        better = wished[name].is_met_by(live[name])
        values[name] = live[name] if better else wished[name].value
    ours = _HEADER + "".join(f"{name} = {values[name]}\n" for name in sorted(values))
    draft.file(OUR_FILE, situation.new.text(OUR_FILE), ours, "the values for the next boot")
    _silence_others(situation.new, wished, draft)
    for name in sorted(unmet):
        draft.state(_live(name, live[name], wished[name]))
    return draft.plan()


def targets(situation: Situation, draft: Draft) -> dict[str, Target]:
    """What each parameter should be on the new host; disagreements of the existing hosts become findings."""
    wished: dict[str, Target] = {}
    existing = [(host.hostname, host.pairs("sysctl")) for host in situation.existing]
    for name, rule in RULES.items():
        agreed = agreement((host, values.get(name)) for host, values in existing)
        if agreed.value is not None:
            wished[name] = Target(agreed.value, "as on the existing hosts", rule.at_least)
        elif rule.value is not None:
            wished[name] = Target(rule.value, "as Greenplum's installation guide says", rule.at_least)
        if agreed.differing and rule.value is not None:
            problem = (
                f"the existing hosts differ ({agreed.differing}); the new host gets {rule.value}, as the guide says"
            )
            draft.warn(f"kernel parameter {name}", problem, "make it equal on all hosts")
    memory = memory_bytes(situation.new)
    if memory:
        wished |= _computed(situation.new, memory)
        wished |= _dirty(memory, situation.existing)
    return wished


def memory_bytes(host: HostFacts) -> int:
    """Memory of a host; 0 if it did not say."""
    pages, size = host.pairs("memory").get("pages", ""), host.pairs("memory").get("page_size", "")
    return int(pages) * int(size) if pages.isdigit() and size.isdigit() else 0


def values_at_boot(host: HostFacts) -> dict[str, tuple[str, str]]:
    """Each parameter's value after the next boot, and the file that says so.

    As systemd-sysctl: one file of each name, /etc before /run before /usr; by name; a later one wins. /etc/sysctl.conf
    comes last, as `sysctl --system` has it, or as 99-sysctl.conf, which is a link to it.
    """
    chosen: dict[str, str] = {}
    for directory in _DIRECTORIES:
        for path, _ in host.texts_in(directory, ".conf"):
            chosen.setdefault(path.rsplit("/", 1)[1], path)
    values = {}
    for path in [*(chosen[name] for name in sorted(chosen)), SYSCTL_CONF]:
        for name, value in assignments(host.text(path) or ""):
            values[name] = (value, path)
    return values


def assignments(text: str) -> list[tuple[str, str]]:
    """``name = value`` lines of a sysctl file, names with dots, values with single blanks."""
    return [found for line in text.splitlines() if (found := _assignment(line))]


def _assignment(line: str) -> tuple[str, str] | None:
    stripped = line.strip()
    if not stripped or stripped[0] in "#;":
        return None
    name, separator, value = stripped.lstrip("-").partition("=")
    name = name.strip()
    if not separator or not name:
        return None
    if "/" in name and "." not in name.split("/", 1)[0]:  # written as a path: dots inside belong to names of devices
        name = name.replace("/", ".")
    return name, " ".join(value.split())


def _silence_others(host: HostFacts, wished: Mapping[str, Target], draft: Draft) -> None:
    """Comment out assignments that would win over our file."""
    later = [path for path, _ in host.texts_in("/etc/sysctl.d", ".conf") if path > OUR_FILE]
    for path in [*later, SYSCTL_CONF]:
        text = host.text(path)
        if text is None:
            continue
        lines = text.splitlines(keepends=True)
        for number, line in enumerate(lines):
            found = _assignment(line)
            if found and found[0] in wished and not wished[found[0]].is_met_by(found[1]):
                lines[number] = f"# {line.rstrip()}  # see {OUR_FILE}\n"
        draft.file(path, text, "".join(lines), f"would win over {OUR_FILE} at boot")


def _live(name: str, now: str, target: Target) -> StateChange:
    probe = f"tr -s '[:blank:]' ' ' < {shlex.quote('/proc/sys/' + name.replace('.', '/'))}"
    return StateChange(
        subject=f"kernel parameter {name}",
        old=now,
        new=target.value,
        why=target.why,
        probe=probe,
        do=f"sysctl -q -w {shlex.quote(f'{name}={target.value}')}",
        undo=_back(name, now),
    )


def _back(name: str, now: str) -> str:
    """The kernel takes no 0 for dirty bytes: there the ratio was in force, and is set again by itself."""
    if name.endswith("_bytes") and now == "0":
        ratio = name.replace("_bytes", "_ratio")
        return f"sysctl -q -w {ratio}=$(sysctl -n {ratio} | sed 's/^0$/{_KERNEL_RATIO[ratio]}/')"
    return f"sysctl -q -w {shlex.quote(f'{name}={now}')}"


_KERNEL_RATIO = {"vm.dirty_ratio": 20, "vm.dirty_background_ratio": 10}  # Linux's own, if bytes had hidden what it was


def _computed(host: HostFacts, memory: int) -> dict[str, Target]:
    page = int(host.pairs("memory")["page_size"])
    pages = memory // page
    free = memory // 1024 * 3 // 100
    return {
        "kernel.shmall": Target(str(pages // 2), "half of its memory, in pages", at_least=True),
        "kernel.shmmax": Target(str(pages // 2 * page), "half of its memory", at_least=True),
        "vm.min_free_kbytes": Target(str(free), "3 % of its memory", at_least=True),
    }


def _dirty(memory: int, existing: tuple[HostFacts, ...]) -> dict[str, Target]:
    """Of a ratio and its bytes only one is in force; the other reads 0."""
    same_class = [host for host in existing if (memory_bytes(host) > _LARGE) == (memory > _LARGE)]
    wished: dict[str, Target] = {}
    by_rule = (
        {"vm.dirty_background_bytes": "1610612736", "vm.dirty_bytes": "4294967296"}
        if memory > _LARGE
        else {"vm.dirty_background_ratio": "3", "vm.dirty_ratio": "10"}
    )
    for stem in ("vm.dirty_background", "vm.dirty"):
        pair = (f"{stem}_ratio", f"{stem}_bytes")
        for name in pair:
            agreed = agreement((host.hostname, host.pairs("sysctl").get(name)) for host in same_class).value
            if agreed not in (None, "0"):
                wished[name] = Target(agreed, "as on the existing hosts")
        if not any(name in wished for name in pair):
            name = next(name for name in pair if name in by_rule)
            wished[name] = Target(by_rule[name], "as Greenplum's installation guide says for this much memory")
    return wished

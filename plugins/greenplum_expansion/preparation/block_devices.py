"""Read-ahead and I/O scheduler of the disks under the data directories."""

from __future__ import annotations

import re
from dataclasses import dataclass

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import HostFacts, agreement
from greenplum_expansion.preparation.huge_pages import chosen
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

OUR_FILE = "/etc/udev/rules.d/99-greenplum-expansion.rules"
READ_AHEAD = 8192  # KiB: the 16384 sectors of Greenplum's installation guide
_NAME = re.compile(r"[A-Za-z0-9!_-]+\Z")


@dataclass(frozen=True)
class Disk:
    """A block device, as /sys/block shows it.

    :param read_ahead: KiB
    :param schedulers: the kernel's list, the chosen one in brackets; empty for a device without
    :param rotational: whether it has spinning disks, or claims so
    """

    name: str
    read_ahead: int
    schedulers: str
    rotational: bool


@part(PreparationPart.BLOCK_DEVICES, "Disks read ahead and schedule as on the existing hosts")
def plan_block_devices(situation: Situation) -> PartPlan:
    """Of the disks under the data directories. Live values of the existing hosts' data disks are the target; where they
    differ, Greenplum's installation guide is: 8192 KiB (16384 sectors) read ahead, scheduler `none` for disks without
    moving parts, `mq-deadline` (`deadline` on older kernels) for the others. Reading further ahead is kept.

    Set live in `/sys`, and for the next boot by a rule of udev. A disk that has no such scheduler keeps its own.
    """
    draft = Draft()
    rules = []
    for disk in disks(situation.new):
        ahead = _read_ahead(situation)
        scheduler = _scheduler(situation, disk)
        settings = []
        if disk.read_ahead < ahead:
            settings.append(("bdi/read_ahead_kb", "queue/read_ahead_kb", str(disk.read_ahead), str(ahead)))
        now = chosen(disk.schedulers)
        if scheduler and now and scheduler != now:
            settings.append(("queue/scheduler", "queue/scheduler", now, scheduler))
        for _, path, old, new in settings:
            draft.state(_live(disk.name, path, old, new))
        if settings:
            assigned = ", ".join(f'ATTR{{{attribute}}}="{new}"' for attribute, _, _, new in settings)
            rules.append(f'ACTION=="add|change", SUBSYSTEM=="block", KERNEL=="{disk.name}", {assigned}\n')
    if rules:
        kept = [
            line
            for line in (situation.new.text(OUR_FILE) or "").splitlines(keepends=True)
            if line.startswith("ACTION") and not any(_kernel(line) == _kernel(rule) for rule in rules)
        ]
        text = "# As on the existing hosts of the cluster. Written by greenplum-expansion.\n" + "".join([*kept, *rules])
        draft.file(OUR_FILE, situation.new.text(OUR_FILE), text, "the settings at the next boot")
    return draft.plan()


def disks(host: HostFacts) -> list[Disk]:
    """Whole disks under the data directories; of a volume its parts, as the settings are theirs."""
    found = []
    for line in host.lines("disks"):
        words = line.split("|")
        if len(words) == 4 and _NAME.match(words[0]) and words[1].strip().isdigit():
            found.append(Disk(words[0], int(words[1]), words[2].strip(), words[3].strip() == "1"))
    return found


def _read_ahead(situation: Situation) -> int:
    values = [(host.hostname, str(disk.read_ahead)) for host in situation.existing for disk in disks(host)]
    agreed = agreement(values)
    return int(agreed.value) if agreed.value else READ_AHEAD


def _scheduler(situation: Situation, disk: Disk) -> str:
    """The wished one if the disk offers it, else empty."""
    offered = re.sub(r"[\[\]]", "", disk.schedulers).split()
    like = [
        (host.hostname, chosen(other.schedulers) or None)
        for host in situation.existing
        for other in disks(host)
        if other.rotational == disk.rotational
    ]
    agreed = agreement(like).value
    by_rule = ("mq-deadline", "deadline") if disk.rotational else ("none", "noop")
    return next((name for name in ((agreed,) if agreed else by_rule) if name in offered), "")


def _live(disk: str, path: str, old: str, new: str) -> StateChange:
    switch = f"/sys/block/{disk}/{path}"
    scheduler = path.endswith("scheduler")
    return StateChange(
        subject=f"disk {disk}: {path.rsplit('/', 1)[1]}",
        old=old,
        new=new,
        why="as on the existing hosts, or as Greenplum's installation guide says",
        probe=f"sed 's/.*\\[\\(.*\\)\\].*/\\1/' {switch}" if scheduler else f"cat {switch}",
        do=f"echo {new} > {switch}",
        undo=f"echo {old} > {switch}",
    )


def _kernel(rule: str) -> str:
    found = re.search(r'KERNEL=="([^"]*)"', rule)
    return found.group(1) if found else ""

"""Transparent huge pages."""

from __future__ import annotations

import re

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import HostFacts, agreement
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

OUR_FILE = "/etc/tmpfiles.d/greenplum-expansion.conf"
_SWITCH = "/sys/kernel/mm/transparent_hugepage/enabled"
_ARGUMENT = re.compile(r"(?:^|\s)transparent_hugepage=(\w+)")


@part(PreparationPart.HUGE_PAGES, "Transparent huge pages are as on the existing hosts")
def plan_huge_pages(situation: Situation) -> PartPlan:
    """The live setting of the existing hosts is the target; where they differ, `never` (Greenplum's installation
    guide: they slow it down).

    Set live at once, and for the next boot: with grubby, where a distribution has it, as an argument of the kernel;
    else by a file in `/etc/tmpfiles.d`. No reboot is needed. A tuned profile that is active may set it back: told.
    """
    draft = Draft()
    new = situation.new
    now = chosen(new.word("huge_pages"))
    if not now:
        return draft.plan()  # the kernel was built without them
    agreed = agreement((host.hostname, chosen(host.word("huge_pages")) or None) for host in situation.existing)
    target = agreed.value or "never"
    if agreed.differing:
        problem = f"the existing hosts differ ({agreed.differing}); the new host gets {target}"
        draft.warn("transparent huge pages", problem, "make them equal on all hosts")
    at_boot = _at_boot(new)
    if now != target or (at_boot is not None and at_boot != target):
        _for_next_boot(new, at_boot, target, draft)
    if now != target:
        draft.state(
            StateChange(
                subject="transparent huge pages",
                old=now,
                new=target,
                why="as on the existing hosts" if agreed.value else "as Greenplum's installation guide says",
                probe=f"sed 's/.*\\[\\(.*\\)\\].*/\\1/' {_SWITCH}",
                do=_write(target),
                undo=_write(now),
            )
        )
    profile = new.word("tuned")
    if draft.changes and profile:
        draft.warn(
            f"{situation.name}: tuned",
            f"its profile {profile} is active and may set transparent huge pages and kernel parameters, too",
            "compare it with 'tuned-adm active' on the existing hosts",
        )
    return draft.plan()


def chosen(text: str) -> str:
    """``always madvise [never]`` gives ``never``."""
    found = re.search(r"\[(\w+)\]", text)
    return found.group(1) if found else ""


def _at_boot(host: HostFacts) -> str | None:
    """What our file or the kernel's arguments will set; None if nothing says."""
    ours = re.search(rf"^w\s+{re.escape(_SWITCH)}(?:\s+-){{4}}\s+(\w+)", host.text(OUR_FILE) or "", re.MULTILINE)
    if ours:
        return ours.group(1)
    argument = _ARGUMENT.search(host.word("grub_arguments"))
    return argument.group(1) if argument else None


def _write(word: str) -> str:
    # It takes a moment on the practice hosts, and on no kernel longer.
    seen = f"grep -qF '[{word}]' {_SWITCH}"
    return f"echo {word} > {_SWITCH}; for _ in $(seq 50); do {seen} && exit 0; sleep 0.1; done; exit 1"


def _for_next_boot(host: HostFacts, at_boot: str | None, target: str, draft: Draft) -> None:
    if not host.said.get("grub_arguments", "").strip():
        header = "# As on the existing hosts of the cluster. Written by greenplum-expansion.\n"
        text = f"{header}w {_SWITCH} - - - - {target}\n"
        draft.file(OUR_FILE, host.text(OUR_FILE), text, "the setting at the next boot")
        return
    before = f"grubby --update-kernel=ALL --args=transparent_hugepage={at_boot}" if at_boot else ""
    draft.state(
        StateChange(
            subject="kernel argument transparent_hugepage, for the next boot",
            old=at_boot or "",
            new=target,
            why="the setting at the next boot",
            probe="grubby --info=ALL | sed -n 's/^args=.*transparent_hugepage=\\([a-z]*\\).*/\\1/p' | sort -u",
            do=f"grubby --update-kernel=ALL --args=transparent_hugepage={target}",
            undo=before or "grubby --update-kernel=ALL --remove-args=transparent_hugepage",
        )
    )

"""SELinux."""

from __future__ import annotations

import re

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import Family, HostFacts, agreement
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

CONFIG = "/etc/selinux/config"
_SETTING = re.compile(r"^(\s*SELINUX\s*=\s*)(\w+)", re.MULTILINE)
_STRICTNESS = {"disabled": 0, "permissive": 1, "enforcing": 2}
_NO_LONGER_IN_FILE = 9  # release of Red Hat from which the file cannot disable it any more


@part(PreparationPart.SELINUX, "SELinux is no stricter than on the existing hosts")
def plan_selinux(situation: Situation) -> PartPlan:
    """The mode of the existing hosts is the target; where they differ, permissive. It is only ever relaxed: a new host
    that is less strict than the existing ones is told, not tightened.

    Live by `setenforce`, for the next boot in `/etc/selinux/config`. Disabling it altogether is felt only after a
    reboot; from Red Hat 9 on the file cannot do that, so there the host becomes permissive.
    """
    draft = Draft()
    new = situation.new
    live = mode(new)
    if live is None:
        return draft.plan()
    agreed = agreement((host.hostname, mode(host) or "disabled") for host in situation.existing)
    target = agreed.value or "permissive"
    why = "as on the existing hosts" if agreed.value else "the existing hosts differ"
    if agreed.differing:
        problem = f"the existing hosts differ ({agreed.differing}); the new host becomes {target}"
        draft.warn("SELinux", problem, "make it equal on all hosts")
    configured = _configured(new)
    system = new.system
    if target == "disabled" and system.family is Family.REDHAT and system.release >= _NO_LONGER_IN_FILE:
        target, why = "permissive", "disabled on the existing hosts, which the file no longer does on this release"
    if _STRICTNESS[live] < _STRICTNESS[target]:
        draft.note(f"{situation.name}: SELinux", f"it is {live}, on the existing hosts {target}; it is left so")
    text = new.text(CONFIG)
    if text is not None and configured and _STRICTNESS[configured] > _STRICTNESS[target]:
        changed = _SETTING.sub(rf"\g<1>{target}", text)
        reboot = target == "disabled" and live != "disabled"
        draft.file(CONFIG, text, changed, f"the mode at the next boot; {why}", needs_reboot=reboot)
    if live == "enforcing" and target != "enforcing":
        draft.state(
            StateChange(
                subject="SELinux",
                old=live,
                new="permissive",
                why=why,
                probe="getenforce | tr A-Z a-z",
                do="setenforce 0",
                undo="setenforce 1",
            )
        )
    return draft.plan()


def mode(host: HostFacts) -> str | None:
    """The live mode, in lower case; None where there is no SELinux."""
    word = host.word("selinux").lower()
    return word if word in _STRICTNESS else None


def _configured(host: HostFacts) -> str:
    found = _SETTING.search(host.text(CONFIG) or "")
    return found.group(2).lower() if found and found.group(2).lower() in _STRICTNESS else ""

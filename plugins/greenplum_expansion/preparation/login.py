"""Settings of logind and sshd that end sessions, or their shared memory, when Greenplum can least do with it."""

from __future__ import annotations

import re

from greenplum_expansion.preparation import blocks
from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan
from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

LOGIND = "/etc/systemd/logind.conf"
OUR_LOGIND = "/etc/systemd/logind.conf.d/99-greenplum-expansion.conf"
SSHD = "/etc/ssh/sshd_config"
OUR_SSHD = "/etc/ssh/sshd_config.d/00-greenplum-expansion.conf"
SESSIONS = 200  # Greenplum 6, installation guide, for both
_START_RATE = "30"  # sshd's default percentage of refused logins beyond the first number
_DEFAULTS = {"maxstartups": "10:30:100", "maxsessions": "10"}
_INCLUDE = re.compile(r"^\s*Include\s+/etc/ssh/sshd_config\.d/\*\.conf\b", re.IGNORECASE | re.MULTILINE)


@part(PreparationPart.LOGIN, "Logins neither take shared memory away nor run into sshd's limits")
def plan_login(situation: Situation) -> PartPlan:
    """`RemoveIPC=no` for systemd-logind: with its default, the servers' semaphores are removed when the cluster's user
    logs out. `MaxStartups` and `MaxSessions` of sshd at least 200 each, as the gp utilities log in many times at once.

    logind gets a drop-in file. sshd gets one if its configuration includes such files, else a marked block at the top,
    since its first word on a matter counts. The new configuration is tried with `sshd -t` before sshd reloads it, and
    put back if that fails; sessions that are open are not touched.
    """
    draft = Draft()
    new = situation.new
    if "systemd-logind" in new.units and not _keeps_ipc(new):
        text = "# Written by greenplum-expansion.\n[Login]\nRemoveIPC=no\n"
        then = "systemctl try-restart systemd-logind.service"
        draft.file(OUR_LOGIND, new.text(OUR_LOGIND), text, "shared memory survives a logout", then=then)
    _raise_sshd(new, draft)
    return draft.plan()


def _keeps_ipc(host: HostFacts) -> bool:
    texts = [host.text(LOGIND) or "", *(text for _, text in host.texts_in("/etc/systemd/logind.conf.d", ".conf"))]
    found = re.findall(r"^\s*RemoveIPC\s*=\s*(\S+)", "\n".join(texts), re.MULTILINE)
    return bool(found) and found[-1].lower() in ("no", "false", "off", "0")


def _raise_sshd(host: HostFacts, draft: Draft) -> None:
    text = host.text(SSHD)
    if text is None:
        if SSHD in host.files:
            draft.note(f"{host.hostname}: {SSHD}", "only root may read it, so its limits were not looked at")
        return
    have = sshd_settings(host)
    wished: dict[str, str] = {}
    if not _starts_suffice(have["maxstartups"]):
        wished["MaxStartups"] = f"{SESSIONS}:{_START_RATE}:{2 * SESSIONS}"
    if not (have["maxsessions"].isdigit() and int(have["maxsessions"]) >= SESSIONS):
        wished["MaxSessions"] = str(SESSIONS)
    if not wished:
        return
    lines = [f"{name} {value}" for name, value in wished.items()]
    unit = next((name for name in ("sshd", "ssh") if name in host.units), "sshd")
    details = {"check": "sshd -t", "then": f"systemctl reload {unit}.service"}
    why = "the gp utilities log in many times at once"
    if _INCLUDE.search(text):
        # What our own file said before must not be lost when only one of the two is missing.
        kept = [line for line in (host.text(OUR_SSHD) or "").splitlines() if line.split(" ")[0] not in wished]
        ours = "".join(f"{line}\n" for line in [*(kept or ["# Written by greenplum-expansion."]), *lines])
        draft.file(OUR_SSHD, host.text(OUR_SSHD), ours, why, mode=0o600, **details)
    else:
        kept = [line for line in blocks.inside(text) if line.split(" ")[0] not in wished]
        draft.file(SSHD, text, blocks.with_block(text, [*kept, *lines], first=True), why, **details)


def sshd_settings(host: HostFacts) -> dict[str, str]:
    """Limits in force, by lower-case name: what ``sshd -T`` says (root only), else the first word in its files."""
    said = {name.lower(): value for name, value in host.pairs("sshd").items()}
    text = host.text(SSHD) or ""
    included = "\n".join(text for _, text in host.texts_in("/etc/ssh/sshd_config.d", ".conf"))
    before_match = re.split(r"^\s*Match\s", text, maxsplit=1, flags=re.IGNORECASE | re.MULTILINE)[0]
    everything = f"{included}\n{before_match}" if _INCLUDE.search(text) else before_match
    settings = dict(_DEFAULTS)
    for name in settings:
        found = re.search(rf"^\s*{name}[\s=]+(\S+)", everything, re.IGNORECASE | re.MULTILINE)
        settings[name] = said.get(name) or (found.group(1) if found else settings[name])
    return settings


def _starts_suffice(value: str) -> bool:
    first = value.partition(":")[0]
    return first.isdigit() and int(first) >= SESSIONS

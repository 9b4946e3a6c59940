"""Where a host takes the time from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from greenplum_expansion.preparation import blocks
from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart


@dataclass(frozen=True)
class Daemon:
    """A program that keeps the time, as data.

    :param units: names of its service; distributions differ
    :param configs: places of its configuration; the first that exists is it
    :param drop_ins: directories whose files count, too, with their suffix
    :param step: shell that sets a clock at once which is far off; the daemon itself would take hours
    """

    name: str
    units: tuple[str, ...]
    configs: tuple[str, ...]
    drop_ins: tuple[tuple[str, str], ...] = ()
    step: str = ""


CHRONY = Daemon(
    "chrony",
    ("chronyd", "chrony"),
    ("/etc/chrony.conf", "/etc/chrony/chrony.conf"),
    (("/etc/chrony/conf.d", ".conf"), ("/etc/chrony/sources.d", ".sources"), ("/etc/chrony.d", ".conf")),
    "chronyc -a makestep >/dev/null || true",
)
NTP = Daemon("ntp", ("ntpd", "ntp", "ntpsec"), ("/etc/ntp.conf", "/etc/ntpsec/ntp.conf"))
TIMESYNCD = Daemon(
    "systemd-timesyncd",
    ("systemd-timesyncd",),
    ("/etc/systemd/timesyncd.conf",),
    (("/etc/systemd/timesyncd.conf.d", ".conf"),),
)
DAEMONS = (CHRONY, NTP, TIMESYNCD)
OUR_TIMESYNCD = "/etc/systemd/timesyncd.conf.d/99-greenplum-expansion.conf"
_SOURCE = re.compile(r"^\s*(server|pool|peer)\s+(\S+)")


@part(PreparationPart.TIME, "The host takes the time from where the coordinator does")
def plan_time(situation: Situation) -> PartPlan:
    """The servers and pools in the coordinator's configuration (chrony, ntpd or systemd-timesyncd) are the target. A
    new host that already asks all of them, with a service that runs and starts at boot, is left alone.

    Else they are entered in a marked block of the configuration of whichever such program the new host has; its other
    sources are commented out, as two hosts that ask different ones drift apart. Then the service is enabled and started
    anew. If it has none, or the coordinator itself has no source, that is told: installing one is a person's choice.
    """
    draft = Draft()
    wished = sources(situation.coordinator)
    if not wished:
        draft.warn(
            f"{situation.coordinator.hostname}: time",
            "no chrony, ntpd or systemd-timesyncd with a source was found there, so the new host was given none",
            "let all hosts take their time from the same source",
        )
        return draft.plan()
    daemon = _daemon(situation.new)
    if daemon is None:
        draft.warn(
            f"{situation.name}: time",
            "neither chrony nor ntpd nor systemd-timesyncd is installed",
            "install chrony there and clear this task",
        )
        return draft.plan()
    unit = next(situation.new.units[name] for name in daemon.units if name in situation.new.units)
    asked = sources(situation.new)
    missing = [name for name in wished if name not in asked]
    if missing and daemon is TIMESYNCD:
        _write_timesyncd(situation.new, wished, unit.name, draft)
    elif missing:
        _write_sources(situation.new, daemon, wished, unit.name, draft)
    if not (unit.is_active and unit.starts_at_boot):
        old = f"{'enabled' if unit.starts_at_boot else 'disabled'} {'active' if unit.is_active else 'inactive'}"
        back = [] if unit.starts_at_boot else [f"systemctl disable {unit.name}.service"]
        back += [] if unit.is_active else [f"systemctl stop {unit.name}.service"]
        draft.state(
            StateChange(
                subject=f"service {unit.name}",
                old=old,
                new="enabled active",
                why="the host's clock follows its sources",
                probe=f"systemctl is-enabled {unit.name}.service; systemctl is-active {unit.name}.service; true",
                do=_start(daemon, unit.name),
                undo=" && ".join(back),
            )
        )
    return draft.plan()


def sources(host: HostFacts) -> dict[str, str]:
    """What a host asks for the time: name to ``server``, ``pool`` or ``peer``; of its running program, else of any."""
    running = [
        daemon for daemon in DAEMONS if any(name in host.units and host.units[name].is_active for name in daemon.units)
    ]
    for daemon in running or DAEMONS:
        found = _sources_of(host, daemon)
        if found:
            return found
    return {}


def _sources_of(host: HostFacts, daemon: Daemon) -> dict[str, str]:
    texts = [text for path in daemon.configs if (text := host.text(path)) is not None][:1]
    for directory, suffix in daemon.drop_ins:
        texts += [text for _, text in host.texts_in(directory, suffix)]
    found: dict[str, str] = {}
    for text in texts:
        for line in text.splitlines():
            if daemon is TIMESYNCD:
                key, _, value = line.partition("=")
                if key.strip() == "NTP":  # a later line of systemd's adds to it, an empty one forgets
                    found = {**found, **dict.fromkeys(value.split(), "server")} if value.strip() else {}
                continue
            match = _SOURCE.match(line)
            # 127.127.x.y is not a host but a clock of ntpd's own
            if match and not match.group(2).startswith("127.127."):
                found[match.group(2)] = match.group(1)
    return found


def _daemon(host: HostFacts) -> Daemon | None:
    """The one that runs, else the one that would start, else any that is installed."""
    ranked = []
    for order, daemon in enumerate(DAEMONS):
        for name in daemon.units:
            unit = host.units.get(name)
            if unit and unit.enabled != "masked":
                ranked.append((not unit.is_active, not unit.starts_at_boot, order, daemon))
    return min(ranked, key=lambda entry: entry[:3])[3] if ranked else None


def _write_sources(host: HostFacts, daemon: Daemon, wished: Mapping[str, str], unit: str, draft: Draft) -> None:
    path = next((path for path in daemon.configs if path in host.files), daemon.configs[0])
    then = f"systemctl try-restart {unit}.service && {{ {daemon.step or 'true'}; }}"
    ours = [f"{kind} {name} iburst" for name, kind in wished.items()]
    old = host.text(path)
    kept = "".join(_silenced(line, wished) for line in (old or "").splitlines(keepends=True))
    draft.file(path, old, blocks.with_block(kept, ours), "the coordinator's sources", then=then)
    for directory, suffix in daemon.drop_ins:
        for drop_in, text in host.texts_in(directory, suffix):
            changed = "".join(_silenced(line, wished) for line in text.splitlines(keepends=True))
            draft.file(drop_in, text, changed, "only the coordinator's sources are asked", then=then)


def _silenced(line: str, wished: Mapping[str, str]) -> str:
    match = _SOURCE.match(line)
    # Of an earlier preparation the block may be there: its lines are ours, and replaced with it.
    return f"# greenplum-expansion: {line.lstrip()}" if match and match.group(2) not in wished else line


def _write_timesyncd(host: HostFacts, wished: Mapping[str, str], unit: str, draft: Draft) -> None:
    # The empty line forgets what files before said.
    text = "# Written by greenplum-expansion.\n[Time]\nNTP=\n" + f"NTP={' '.join(wished)}\n"
    then = f"systemctl try-restart {unit}.service"
    draft.file(OUR_TIMESYNCD, host.text(OUR_TIMESYNCD), text, "the coordinator's sources", then=then)


def _start(daemon: Daemon, unit: str) -> str:
    start = f"systemctl enable {unit}.service && systemctl start {unit}.service"
    return f"{start} && {{ {daemon.step}; }}" if daemon.step else start

"""Judging what gpcheckperf measured: against the limits asked for, and against the hosts the cluster has.

Greenplum is as fast as its slowest host: every query waits for the last segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding, Severity
from greenplum_expansion.planning.measured import (
    DISK_READ,
    DISK_WRITE,
    MEMORY,
    METRICS,
    NETWORK,
    Measured,
    Metric,
    Outcome,
)
from greenplum_expansion.planning.trials import Group, Omission

_LOOK_AT: Mapping[Metric, str] = {
    DISK_WRITE: "look at its controller's cache and battery, at a RAID being rebuilt, at mount options, read-ahead and "
    "scheduler",
    DISK_READ: "look at a RAID being rebuilt, at read-ahead and scheduler",
    MEMORY: "look at the BIOS's power profile, at missing memory modules and at what else runs there",
    NETWORK: "look at its link's speed and duplex (ethtool), at MTU and bonding on the host and its switch",
}


@dataclass(frozen=True)
class Limits:
    """MB/s a new host must reach (0: no limit), and the share of the existing hosts' median below which is warned."""

    disk_write: float = 0
    disk_read: float = 0
    memory: float = 0
    network: float = 0
    percent_of_existing: int = 0

    def floor(self, metric: Metric) -> float:
        value: float = getattr(self, metric.key)
        return value


def judge_hardware(measured: Measured, limits: Limits, omissions: Sequence[Omission] = ()) -> list[Finding]:
    """All findings about measured hosts."""
    return [
        *check_everything_measured(measured, omissions),
        *check_limits(measured, limits),
        *check_like_existing(measured, limits.percent_of_existing),
        *name_the_slowest(measured),
    ]


@check("hardware-measured", "Disk, memory and network of every new host were measured")
def check_everything_measured(measured: Measured, omissions: Sequence[Omission] = ()) -> list[Finding]:
    """gpcheckperf ends with code 0 even when a host gave no figure; so each host is asked for by name.

    A new host without figures is an error, an existing one only cannot be compared with. What was left out because a
    disk is too full, or measured with less than was asked for, is a warning.
    """
    findings = [
        Finding.warning(f"{omission.group} hosts, {omission.what}", omission.why, omission.remedy)
        for omission in omissions
    ]
    for outcome in measured.outcomes:
        findings += _silent_hosts(outcome)
    for host in measured.left_on:
        findings.append(
            Finding.warning(
                host,
                "gpcheckperf was interrupted, and its files could not be removed",
                "remove the directories gpcheckperf_* beside the data directories",
            )
        )
    return findings


@check("hardware-limits", "Every new host is as fast as was asked for")
def check_limits(measured: Measured, limits: Limits) -> list[Finding]:
    """Compares each figure of each new host, and of each connection, with the limits in the request; 0 is no limit."""
    findings = []
    for host in measured.hosts(Group.NEW):
        for metric in (DISK_WRITE, DISK_READ, MEMORY):
            value, floor = host.get(metric), limits.floor(metric)
            if floor and value is not None and value < floor:
                findings.append(_too_slow(host.hostname, metric, value, floor))
    for link in (*measured.links(Group.NEW), *measured.links(Group.BETWEEN)):
        if limits.network and link.mb_s < limits.network:
            findings.append(_too_slow(str(link), NETWORK, link.mb_s, limits.network))
    return findings


@check("hardware-like-existing", "Every new host is about as fast as the existing hosts")
def check_like_existing(measured: Measured, percent: int) -> list[Finding]:
    """Compares each new host with the median of the existing hosts, measured the same way; 0 percent is never.

    A warning only: measurements beside a working cluster vary. The same for connections between new and existing
    hosts, over which redistribution sends most of the data.
    """
    findings = []
    for metric in METRICS:
        reference = measured.reference(metric)
        if reference is None or not percent:
            continue
        slow = [
            (host.hostname, value)
            for host in measured.hosts(Group.NEW)
            if (value := host.get(metric)) is not None and value < reference * percent / 100
        ]
        if metric is NETWORK:
            links = measured.links(Group.BETWEEN)
            slow += [(str(link), link.mb_s) for link in links if link.mb_s < reference * percent / 100]
        for subject, value in slow:
            findings.append(
                Finding.warning(
                    subject,
                    f"{metric.title}: {value:,.0f} MB/s, {100 * value / reference:.0f} % of the existing hosts' median "
                    f"of {reference:,.0f} MB/s",
                    f"{_LOOK_AT[metric]}; then clear measure_hardware",
                )
            )
    return findings


@check("hardware-slowest", "The slowest new host is known")
def name_the_slowest(measured: Measured) -> list[Finding]:
    """Names the slowest of several new hosts in disk, memory and network, if one stands out: where to look first when
    queries are slow.
    """
    said = []
    for metric in METRICS:
        host = measured.slowest(metric)
        if host is not None and (value := host.get(metric)) is not None:
            said.append(f"{metric.title} {host.hostname} with {value:,.0f} MB/s")
    return [Finding.note("slowest new host", "; ".join(said))] if said else []


def _too_slow(subject: str, metric: Metric, value: float, floor: float) -> Finding:
    return Finding.error(
        subject,
        f"{metric.title}: {value:,.0f} MB/s, at least {floor:,.0f} MB/s are asked for",
        f"{_LOOK_AT[metric]}; then clear measure_hardware, or trigger again with a lower limit",
    )


def _silent_hosts(outcome: Outcome) -> Iterable[Finding]:
    """What a trial should have measured and did not."""
    trial, reading = outcome.trial, outcome.reading
    missing: dict[str, list[str]] = {}
    if trial.is_network:
        heard = {host for link in reading.links for host in (link.source, link.target)}
        heard |= set(reading.sent) | set(reading.received)
        expected = [(NETWORK.title, heard)]
    else:
        expected = [(MEMORY.title, set(reading.memory))]
        if "d" in trial.tests:
            expected = [
                (DISK_WRITE.title, set(reading.disk_write)),
                (DISK_READ.title, set(reading.disk_read)),
                *expected,
            ]
    for what, hosts in expected:
        for host in trial.hosts:
            if host not in hosts:
                missing.setdefault(host, []).append(what)
    if not missing:
        return
    severity = Severity.WARNING if trial.group is Group.EXISTING else Severity.ERROR
    by_metrics: dict[str, list[str]] = {}
    for host, metrics in missing.items():
        by_metrics.setdefault(", ".join(metrics), []).append(host)
    for metrics_missing, silent in by_metrics.items():
        yield Finding(
            severity,
            f"{', '.join(silent)}: {metrics_missing}",
            f"gpcheckperf gave no figure: {_reason(outcome)}",
            "run it by hand as the cluster's user on the coordinator, mend what it says, then clear measure_hardware; "
            "or trigger again with 'none' for the hardware",
        )


def _reason(outcome: Outcome) -> str:
    if outcome.timed_out:
        return f"it was ended after {outcome.trial.patience} s, so the host hangs or is slower than 10 MB/s"
    if outcome.exit_code is None:
        return "it was interrupted"
    if outcome.exit_code == 127:
        return "the coordinator has no gpcheckperf"
    if outcome.reading.complaints:
        return f"it said: {' / '.join(outcome.reading.complaints)}"
    return f"it ended with exit code {outcome.exit_code} without saying why"

"""Which findings are no hindrance, because a step of this very run removes their cause before it matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from greenplum_expansion.checks.finding import Finding, Severity
from greenplum_expansion.request.preparation import PreparationPart


@dataclass(frozen=True)
class Mending:
    """What removes the cause of a finding.

    :param step: the task, as the DAG calls it
    :param part: of the preparation that must have been asked for; None: the step is always taken
    """

    step: str
    part: PreparationPart | None = None


# By id of the check. Only what the step changes for certain: another release of the operating system, say, it does not.
MENDINGS: Mapping[str, Mending] = {
    "new-host-login": Mending("prepare_hosts", PreparationPart.ACCOUNT),
    "new-host-user": Mending("prepare_hosts", PreparationPart.ACCOUNT),
    "new-host-name": Mending("prepare_hosts_files", PreparationPart.HOSTS_FILE),
    "names-resolve-equally": Mending("prepare_hosts_files", PreparationPart.HOSTS_FILE),
    "own-name-not-loopback": Mending("prepare_hosts_files", PreparationPart.HOSTS_FILE),
    "new-host-clock": Mending("prepare_hosts", PreparationPart.TIME),
    "new-ports-not-ephemeral": Mending("prepare_hosts", PreparationPart.KERNEL),
    "new-directories-writable": Mending("prepare_hosts", PreparationPart.DIRECTORIES),
    "new-host-greenplum": Mending("prepare_hosts", PreparationPart.SOFTWARE),
    "new-host-extensions": Mending("prepare_hosts", PreparationPart.SOFTWARE),
    "ports-reachable": Mending("prepare_hosts", PreparationPart.FIREWALL),
    "interconnect-reachable": Mending("prepare_hosts", PreparationPart.FIREWALL),
    "hosts-trust-each-other": Mending("exchange_keys"),
}


def note_what_is_mended(findings: Iterable[Finding], parts: Sequence[PreparationPart]) -> list[Finding]:
    """Turn errors and warnings into notes where a later step mends them; `check_prepared_hosts` looks again after it.

    :param parts: of the preparation that are asked for
    """
    return [_noted(finding, parts) for finding in findings]


def _noted(finding: Finding, parts: Sequence[PreparationPart]) -> Finding:
    mending = MENDINGS.get(finding.check)
    if finding.severity is Severity.NOTE or mending is None:
        return finding
    if mending.part is not None and mending.part not in parts:
        return finding
    asked = f" ({mending.part})" if mending.part else ""
    return replace(
        finding, severity=Severity.NOTE, problem=f"{finding.problem}; {mending.step} mends it{asked}", remedy=""
    )

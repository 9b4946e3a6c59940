"""What an expansion may leave behind on its hosts, looked for when everything is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding


@dataclass(frozen=True)
class Remains:
    """What was found on one host.

    :param processes: of gpexpand and its helpers, as ``number command``
    :param files: templates, archives and state files of gpexpand
    :param servers: data directories served there that are in no row of gp_segment_configuration
    """

    host: str
    processes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@check("nothing-left", "Nothing of gpexpand is left on any host")
def check_nothing_left(remains: Iterable[Remains], silent: Mapping[str, str]) -> list[Finding]:
    """At the end no gpexpand, pg_basebackup or gpconfigurenewsegment runs, no server that the catalog does not know,
    and neither the template nor its archive, each as large as the coordinator's data directory, lies anywhere.

    Looked for on every host by what it is: processes by their program, servers by their data directory.

    :param silent: hosts that did not answer, and why
    """
    findings = [
        Finding.warning(host, f"it could not be looked at: {why}", "look there by hand") for host, why in silent.items()
    ]
    for found in remains:
        findings += [
            Finding.warning(found.host, f"process {process} still runs", "see what it waits for; end it if nothing")
            for process in found.processes
        ]
        findings += [
            Finding.warning(
                found.host,
                f"a server runs in {directory}, which the catalog does not know",
                f"look at its log, then end it: pg_ctl stop -m fast -D {directory}",
            )
            for directory in found.servers
        ]
        findings += [Finding.warning(found.host, f"{path} is left of gpexpand", "delete it") for path in found.files]
    return findings

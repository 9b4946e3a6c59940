"""What an approver may change in the plan: only what was checked is built, and it was checked before."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.tablespaces import instance_directories

Locations = Mapping[int, Sequence[str]]


@check("edited-plan", "An edited plan uses only hosts, ports and directories that were checked")
def check_edited(
    checked: Sequence[NewInstance], checked_locations: Locations, edited: Sequence[NewInstance], locations: Locations
) -> list[Finding]:
    """Hosts, addresses, ports and directories of an input file that was changed at the approval.

    Hosts were looked at, prepared and measured for the plan as it was made: a host it does not name, a port no firewall
    was opened for, or a directory on a disk nobody looked at is refused, with the field of the request that asks for
    it. Segments may be moved among the hosts, contents and dbids exchanged, segments left out.

    :param checked: the instances as they were planned when the hosts were checked
    :param checked_locations, locations: directories of tablespaces by dbid of a primary, before and after
    """
    hosts = _places(checked, checked_locations)
    findings = []
    for instance in edited:
        subject = str(instance)
        known = hosts.get(instance.hostname)
        if known is None:
            findings.append(
                Finding.error(
                    subject,
                    f"host {instance.hostname} was not checked for this expansion",
                    f"use {', '.join(sorted(hosts))}, or trigger again with that host among the new hosts",
                )
            )
            continue
        findings += _outside(subject, instance, known)
    for instance, directory in instance_directories(edited, locations):
        known = hosts.get(instance.hostname)
        location = posixpath.dirname(directory)
        if known is not None and location not in known["locations"]:
            findings.append(
                Finding.error(
                    str(instance),
                    f"directory {location} for tablespaces was not checked on {instance.hostname}",
                    f"use {_listed(known['locations'])}, or trigger again with it under Directories of tablespaces",
                )
            )
    return list(dict.fromkeys(findings))


def _outside(subject: str, instance: NewInstance, known: Mapping[str, set[str]]) -> list[Finding]:
    parent = posixpath.dirname(instance.datadir)
    findings = []
    if instance.address not in known["addresses"]:
        findings.append(
            Finding.error(
                subject,
                f"address {instance.address} of {instance.hostname} was not checked",
                f"use {_listed(known['addresses'])}, or trigger again with the host as name=address",
            )
        )
    if str(instance.port) not in known["ports"]:
        findings.append(
            Finding.error(
                subject,
                f"port {instance.port} on {instance.hostname} was not checked",
                f"use one of {_listed(known['ports'])}, or trigger again with another first port",
            )
        )
    if parent not in known["parents"]:
        findings.append(
            Finding.error(
                subject,
                f"directory {parent} on {instance.hostname} was not checked",
                f"use {_listed(known['parents'])}, or trigger again with it among the directories of primaries or "
                "mirrors",
            )
        )
    return findings


def _places(instances: Sequence[NewInstance], locations: Locations) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for instance in instances:
        places = found.setdefault(instance.hostname, defaultdict(set))
        places["addresses"].add(instance.address)
        places["ports"].add(str(instance.port))
        places["parents"].add(posixpath.dirname(instance.datadir))
    for instance, directory in instance_directories(instances, locations):
        found[instance.hostname]["locations"].add(posixpath.dirname(directory))
    return found


def _listed(values: set[str]) -> str:
    return ", ".join(sorted(values)) or "none"

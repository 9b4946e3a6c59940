"""Puts together what the parts of the preparation are planned from."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.names import is_ip_address
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.preparation_facts import look_at, look_at_members, read_coordinator, resolve_names
from greenplum_expansion.hooks.remote import RemoteHost
from greenplum_expansion.hooks.root_shell import NoRoot, log_in_as_root
from greenplum_expansion.hooks.settings import load_private_key
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.preparation import probes
from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.preparation.situation import Situation


@dataclass(frozen=True)
class Access:
    """How we are on a new host. :param no_root: why not as root; None if as root"""

    host: RemoteHost
    no_root: NoRoot | None = None


def enter(run: ExpansionRun, place: Mapping[str, Any]) -> Access:
    """Log in to a new host as root, else as the cluster's user, who sees enough of a host that is ready.

    A host that does not answer is an error, never one without root: what was done there as root would be overlooked.

    :param place: ``{hostname, address, host_key}``
    :raises RemoteError: neither can log in
    """
    hostname, address, key = place["hostname"], place["address"], place["host_key"]
    as_root = (run.hook, hostname, address, run.request.preparation_user, key)
    try:
        return Access(log_in_as_root(*as_root))
    except RemoteError as error:
        why = error
    own = run.hook.host(hostname, address, host_key=key)
    try:
        own.run(["true"])
    except RemoteError as error:
        cause = f"{why.cause}; and as {own.user}: {error.cause}"
        raise RemoteError(f"Login to new host {hostname}", cause, why.next_action) from error
    if isinstance(why, NoRoot):
        return Access(own, why)
    # The host is up. Cut off once more, it is root who is kept out: pam_access only hangs up.
    try:
        return Access(log_in_as_root(*as_root))
    except NoRoot as error:
        return Access(own, error)
    except RemoteError as error:
        return Access(own, NoRoot(error.subject, error.cause, error.next_action))


def read_situation(
    run: ExpansionRun, place: Mapping[str, Any], host: RemoteHost, *, with_existing: bool
) -> tuple[Situation, list[Finding]]:
    """Everything about one new host.

    :param place: as CheckPlacesOperator returned it
    :param with_existing: whether the existing segment hosts are looked at, too
    :return: the situation, and what could not be seen
    """
    hook, request = run.hook, run.request
    topology = read_topology(hook)
    coordinator, account, software = read_coordinator(hook)
    addresses = host_addresses(run, topology)
    wanted = [*place["directories"], *place.get("tablespace_directories", ())]
    directories = tuple(sorted({posixpath.dirname(path) for path in wanted}))
    found = look_at(host, probes.of_new(account, software.path, addresses, directories))
    findings: list[Finding] = []
    existing: list[HostFacts] = []
    if with_existing:
        new_names = {new.hostname for new in request.new_hosts}
        members: dict[str, dict[str, str]] = {}
        for name in topology.segment_hosts:
            if name not in new_names:
                own = [instance.datadir for instance in topology.segments if instance.hostname == name]
                members[name] = probes.of_existing(own)
        existing, silent = look_at_members(hook, members)
        if silent:
            findings.append(
                Finding.warning(
                    ", ".join(silent),
                    "the coordinator cannot log in there as the cluster's user, so they were not taken as a pattern",
                    "see that 'ssh HOST true' works from the coordinator",
                )
            )
    key = load_private_key(hook.ssh_settings)
    situation = Situation(
        new=found,
        coordinator=coordinator,
        existing=tuple(existing),
        addresses=addresses,
        directories=directories,
        ports=tuple(sorted({instance.port for instance in topology.instances} | set(place["ports"]))),
        account=account,
        software=software,
        login_key=f"{key.get_name()} {key.get_base64()}",
        firewall=request.firewall,
        software_source=request.software_source,
        software_package=request.software_package,
    )
    return situation, findings


def host_addresses(run: ExpansionRun, topology: Topology) -> dict[str, str]:
    """IP address of every name by which a host of the grown cluster is known; names nobody knows are missing."""
    names = {name for instance in topology.instances for name in (instance.hostname, instance.address)}
    known: dict[str, str] = {}
    aliases: dict[str, Sequence[str]] = {}
    for new in run.request.new_hosts:
        if is_ip_address(new.address):
            known[new.hostname] = new.address
        else:
            aliases[new.address] = [new.hostname, *aliases.get(new.address, ())]
    wanted = {name for name in {*names, *aliases} if not is_ip_address(name) and name not in known}
    found = resolve_names(run.hook, wanted)
    for address, hostnames in aliases.items():
        if address in found:
            found |= dict.fromkeys(hostnames, found[address])
    return found | known

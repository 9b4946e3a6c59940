"""Checks of the hosts that are to be added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.checks.input_file import check_input_file
from greenplum_expansion.checks.new_hosts import check_new_host, check_not_in_cluster, places_on
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Host, Topology
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.host_facts import read_gp_version, read_new_host
from greenplum_expansion.operators.checks.base import CheckOperator, DependentCheckOperator
from greenplum_expansion.operators.run import (
    ExpansionRun,
)
from greenplum_expansion.planning.placement import PlacementError, place
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.request import ExpansionRequest, MirroringChoice


class CheckPlacesOperator(DependentCheckOperator):
    """The new hosts are new, enough of them for the mirroring, and get a valid input file.

    :return: for each new host ``{hostname, address, host_key, directories, ports}``, to look at each by itself
    """

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        topology = read_topology(run.hook)
        hosts = request_hosts(run.request)
        findings = check_not_in_cluster(topology, hosts)
        try:
            placed = place(topology, hosts, wished_mirroring(run.request, topology))
            if not findings:  # places on a host of the cluster are taken, of course
                findings = check_input_file(topology, placed)
        except PlacementError as error:
            placed = ()
            problem, _, remedy = str(error).rpartition("; ")
            findings.append(Finding.error("new hosts", problem or remedy, remedy))
        # A host that is in the cluster is not looked at as a new one: that would only say the same in other words.
        known = {finding.subject for finding in errors(findings)}
        return findings, _looks(run.request, [h for h in hosts if f"new host {h.hostname}" not in known], placed)

    def result_when_begun(self, run: ExpansionRun, plan: Plan) -> Any:
        """The places as planned, so that the mapped tasks stay the same."""
        return _looks(run.request, request_hosts(run.request), plan.new)


def _looks(request: ExpansionRequest, hosts: Sequence[Host], placed: Sequence[NewInstance]) -> list[dict[str, Any]]:
    keys = {host.hostname: host.host_key for host in request.new_hosts}
    looks = []
    for host in hosts:
        directories, ports = places_on(placed, host.hostname)
        looks.append(
            {
                "hostname": host.hostname,
                "address": host.address,
                "host_key": keys[host.hostname],
                "directories": list(directories),
                "ports": list(ports),
            }
        )
    return looks


class CheckNewHostOperator(CheckOperator):
    """Look at one new host, through the coordinator: name, software, tools, directories, ports. Mapped over the hosts.

    :param host: what CheckPlacesOperator returned for it
    """

    def __init__(self, *, host: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = host

    template_fields: Sequence[str] = ("host",)

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        facts = read_new_host(
            run.hook,
            self.host["hostname"],
            self.host["address"],
            self.host["directories"],
            self.host["ports"],
            self.host["host_key"],
        )
        return check_new_host(facts, read_gp_version(run.hook), run.hook.environment().gphome), None


def request_hosts(request: ExpansionRequest) -> list[Host]:
    return [Host(host.hostname, host.address) for host in request.new_hosts]


def wished_mirroring(request: ExpansionRequest, topology: Topology) -> Any:
    """What was asked for; "as the cluster" is what the cluster has."""
    if request.mirroring is MirroringChoice.AS_CLUSTER:
        return topology.mirroring
    return request.mirroring.value

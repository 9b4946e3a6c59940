"""Checks of the hosts that are to be added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from greenplum_expansion.checks.finding import Finding, errors
from greenplum_expansion.checks.hosts import Cluster
from greenplum_expansion.checks.input_file import check_input_file, check_tablespace_locations
from greenplum_expansion.checks.mending import note_what_is_mended
from greenplum_expansion.checks.network import check_hosts_seen
from greenplum_expansion.checks.new_hosts import check_not_in_cluster, subject_of
from greenplum_expansion.cluster.topology import Host
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.host_facts import parse_places, places_script, read_cluster
from greenplum_expansion.hooks.members import run_on_members
from greenplum_expansion.operators.checks.base import CheckOperator, DependentCheckOperator
from greenplum_expansion.operators.checks.looking import (
    CLUSTER_KEY,
    PORTS_KEY,
    cluster_of,
    judge_places,
    look_at_host,
    names_of_new,
    parts_that_mend,
)
from greenplum_expansion.operators.placing import NOWHERE, Placing, place_segments
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.planning.placement import PlacementError
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.request import ExpansionRequest
from greenplum_expansion.request.placing import request_hosts


class CheckPlacesOperator(DependentCheckOperator):
    """The new hosts are new, enough of them for the mirroring, and get a valid input file.

    Looks at every host of the cluster, too, in one round trip: they are the measure for the new ones. What they said
    is left under the XCom key "cluster". Where existing hosts get segments, their directories and ports are judged.

    :return: for each new host ``{hostname, address, host_key, directories, tablespace_directories, ports}``, to
        look at each by itself; none if only existing hosts get segments
    """

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        topology = read_topology(run.hook)
        hosts = request_hosts(run.request)
        findings = check_not_in_cluster(topology, hosts)
        placing = NOWHERE
        try:
            placing = place_segments(run, topology)
            if not findings:  # places on a host of the cluster are taken, of course
                findings = check_input_file(topology, placing.new)
                findings += check_tablespace_locations(placing.new, placing.tablespaces, placing.locations)
        except PlacementError as error:
            problem, _, remedy = str(error).rpartition("; ")
            findings.append(Finding.error("new hosts", problem or remedy, remedy))
        # A host that is in the cluster is not looked at as a new one: that would only say the same in other words.
        known = {finding.subject for finding in errors(findings)}
        cluster, unseen = read_cluster(run.hook, topology, names_of_new(run))
        run.context["ti"].xcom_push(key=CLUSTER_KEY, value=cluster.to_dict())
        findings += check_hosts_seen(unseen, cluster.coordinator)
        findings += _places_on_existing(run, cluster, placing)
        return findings, _looks(run.request, [h for h in hosts if subject_of(h.hostname) not in known], placing)

    def result_when_begun(self, run: ExpansionRun, plan: Plan) -> Any:
        """The places as planned, so that the mapped tasks stay the same."""
        placing = Placing(plan.new, plan.tablespaces, plan.locations)
        return _looks(run.request, request_hosts(run.request), placing)


def _looks(request: ExpansionRequest, hosts: Sequence[Host], placing: Placing) -> list[dict[str, Any]]:
    keys = {host.hostname: host.host_key for host in request.new_hosts}
    looks = []
    for host in hosts:
        looks.append(
            {
                "hostname": host.hostname,
                "address": host.address,
                "host_key": keys[host.hostname],
                "directories": placing.directories_on(host.hostname),
                "tablespace_directories": placing.tablespace_directories_on(host.hostname),
                "ports": placing.ports_on(host.hostname),
            }
        )
    return looks


def _places_on_existing(run: ExpansionRun, cluster: Cluster, placing: Placing) -> list[Finding]:
    """Directories and ports of new segments on hosts that are in the cluster already."""
    seen = {host.hostname: host for host in cluster.hosts}
    places = {name: (placing.directories_on(name), placing.ports_on(name)) for name in seen}
    run.context["ti"].xcom_push(key=PORTS_KEY, value={name: ports for name, (_, ports) in places.items() if ports})
    scripts = {name: places_script(*place) for name, place in places.items() if place[0]}
    findings = []
    for name, result in sorted(run_on_members(run.hook, scripts).items()):
        found = parse_places(name, result.stdout, places[name][1])
        findings += judge_places(found, seen[name], f"host {name}")
    return findings


class CheckNewHostOperator(CheckOperator):
    """Look at one new host, through the coordinator, and judge all that concerns it alone. Mapped over the hosts.

    What the requested preparation will mend is only noted. If the cluster's user cannot log in yet and is to be made,
    the user who prepares looks instead.

    :param host: what CheckPlacesOperator returned for it
    :param places_task: task id of the CheckPlacesOperator, which has seen the hosts of the cluster
    :return: what the host said, for the checks of all hosts together; None if it was not seen
    """

    template_fields: Sequence[str] = ("host",)

    def __init__(self, *, host: dict[str, Any], places_task: str = "check_new_hosts.places", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.host = host
        self.places_task = places_task

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        topology = read_topology(run.hook)
        findings, facts = look_at_host(run, self.host, cluster_of(run, topology, self.places_task), topology)
        return note_what_is_mended(findings, parts_that_mend(run.request)), facts.to_dict()

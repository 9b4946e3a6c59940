"""Looking at one new host and judging all that concerns it alone: before its preparation, and again after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from greenplum_expansion.checks import host_software, host_system, new_hosts
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.checks.hosts import Cluster, HostFacts
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.clocks import compare_clocks
from greenplum_expansion.hooks.host_facts import read_boot_id, read_cluster, read_host, read_places
from greenplum_expansion.hooks.known_hosts import Trust
from greenplum_expansion.hooks.remote import RemoteHost
from greenplum_expansion.hooks.session import LoginRefused
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.request import ExpansionRequest
from greenplum_expansion.request.preparation import FirewallChoice, PreparationPart

CLUSTER_KEY = "cluster"
PORTS_KEY = "ports on existing hosts"


def names_of_new(run: ExpansionRun) -> list[str]:
    """Names and addresses of all new hosts."""
    return sorted({text for host in run.request.new_hosts for text in (host.hostname, host.address)})


def parts_that_mend(request: ExpansionRequest) -> list[PreparationPart]:
    """Parts of the preparation that are asked for and will change something."""
    idle = {PreparationPart.FIREWALL} if request.firewall is FirewallChoice.LEAVE else set()
    return [part for part in request.preparation_parts if part not in idle]


def cluster_of(run: ExpansionRun, topology: Topology, places_task: str) -> Cluster:
    """The hosts of the cluster as CheckPlacesOperator saw them; looked at again if it has left nothing.

    :raises RemoteError: the coordinator cannot be asked
    """
    left = run.context["ti"].xcom_pull(task_ids=places_task, key=CLUSTER_KEY)
    if left:
        return Cluster.from_dict(left)
    return read_cluster(run.hook, topology, names_of_new(run))[0]


def look_at_host(
    run: ExpansionRun, place: Mapping[str, Any], cluster: Cluster, topology: Topology, *, prepared: bool = False
) -> tuple[list[Finding], HostFacts]:
    """Everything about one new host: what was found, and what it said.

    :param place: ``{hostname, address, host_key, directories, tablespace_directories, ports}``
    :param prepared: look as the cluster's user only, whatever the request would still prepare
    :raises RemoteError: it cannot be reached or logged into
    """
    _refuse_unknown_address(cluster, place)
    host, refused = _log_in(run, place, prepared)
    facts = read_host(run.hook, host, topology, _directories(place), names_of_new(run))
    behind = new_hosts.check_other_machine(facts, cluster)
    if behind:
        # Nothing else is said of it: a port in use there is the cluster's own, and must not be freed.
        return behind, facts
    environment = run.hook.environment()
    findings = [*new_hosts.check_name(facts, cluster), *new_hosts.check_name_right(facts, cluster)]
    login = _login(run, place, host, refused if facts.account else "", facts, try_name=not findings)
    findings += [*new_hosts.check_login(login), *new_hosts.check_host_key(login)]
    findings += check_places(run, host, facts, place)
    for check in _COMPARED:
        findings += check(facts, cluster)
    findings += host_system.check_user(facts, environment.user)
    findings += host_system.check_user_ids(facts, cluster, environment.user)
    findings += host_software.check_greenplum(facts, cluster, environment.gphome)
    findings += host_software.check_version(facts, cluster)
    findings += host_software.check_tools(facts)
    findings += host_system.check_clock(compare_clocks(host, run.hook.coordinator()))
    return findings, facts


_COMPARED = (
    host_system.check_system,
    host_system.check_architecture,
    host_system.check_locales,
    host_system.check_sort_order,
    host_system.check_memory,
    host_system.check_swap,
    host_system.check_processors,
    host_system.check_filesystem_type,
    host_system.check_mount_options,
    host_system.check_filesystem_size,
    host_software.check_libraries,
    host_software.check_extensions,
    host_software.check_python,
    host_software.check_usual_tools,
)


def check_places(run: ExpansionRun, host: RemoteHost, facts: HostFacts, place: Mapping[str, Any]) -> list[Finding]:
    """Directories and ports planned on one host."""
    seen = read_places(host, _directories(place), place["ports"], run.hook.environment().user)
    subject = new_hosts.subject_of(facts.hostname)
    return judge_places(seen, facts, subject)


def _directories(place: Mapping[str, Any]) -> list[str]:
    return [*place["directories"], *place.get("tablespace_directories", ())]


def judge_places(seen: new_hosts.PlaceFacts, facts: HostFacts, subject: str) -> list[Finding]:
    """Every check of what is where new segments shall lie."""
    return [
        *new_hosts.check_directories_empty(seen, subject),
        *new_hosts.check_directories_writable(seen, subject),
        *new_hosts.check_ports_free(seen, subject),
        *new_hosts.check_ports_not_ephemeral(seen, facts, subject),
    ]


def _refuse_unknown_address(cluster: Cluster, place: Mapping[str, Any]) -> None:
    answers: Mapping[str, Sequence[str]] = cluster.reference.answers if cluster.reference else {}
    if place["address"] in answers and not answers[place["address"]]:
        raise RemoteError(
            f"New host {place['hostname']}",
            f"the coordinator {cluster.coordinator} does not know the name {place['address']}",
            "correct it, or add it to /etc/hosts or DNS on every host of the cluster",
        )


def _log_in(run: ExpansionRun, place: Mapping[str, Any], prepared: bool) -> tuple[RemoteHost, str]:
    """The host, and why it is not the cluster's user who looks (empty if it is).

    :raises RemoteError: nobody gets in; said of the cluster's user
    """
    where = {"address": place["address"], "host_key": place["host_key"]}
    host = run.hook.host(place["hostname"], **where)
    try:
        read_boot_id(host)
        return host, ""
    except LoginRefused as error:
        if prepared or PreparationPart.ACCOUNT not in run.request.preparation_parts:
            raise
        other = run.hook.host(place["hostname"], **where, user=run.request.preparation_user)
        try:
            read_boot_id(other)
        except RemoteError:
            raise error from None
        return other, error.cause


def _login(
    run: ExpansionRun, place: Mapping[str, Any], host: RemoteHost, refused: str, facts: HostFacts, *, try_name: bool
) -> new_hosts.Login:
    by_name, problem = None, ""
    if try_name and place["hostname"] != place["address"]:
        named = run.hook.host(place["hostname"], user=host.user, host_key=place["host_key"])
        try:
            by_name = read_boot_id(named)
        except RemoteError as error:
            problem = error.cause
    key = host.host_key
    return new_hosts.Login(
        hostname=place["hostname"],
        address=place["address"],
        seen_by=host.user,
        refused=refused,
        host_key=key.fingerprint if key.trust is Trust.ACCEPTED else "",
        boot_id=facts.boot_id,
        by_name=by_name,
        by_name_problem=problem,
    )

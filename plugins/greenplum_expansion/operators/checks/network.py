"""Checks of the hosts with one another: names, logins, ports, and whether two of them are one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.checks.hosts import Cluster, HostFacts
from greenplum_expansion.checks.mending import note_what_is_mended
from greenplum_expansion.checks.network import (
    check_interconnect,
    check_names_equal,
    check_names_known,
    check_network_tested,
    check_own_name,
    check_ports_reachable,
)
from greenplum_expansion.checks.new_hosts import check_distinct, check_fail_alone, check_machine_id
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.knocking import Party, try_network
from greenplum_expansion.hooks.logins import LOGIN_SECONDS, login_probe, logins_to_try
from greenplum_expansion.hooks.members import AT_A_TIME, run_on_members
from greenplum_expansion.operators.checks.base import DependentCheckOperator
from greenplum_expansion.operators.checks.looking import PORTS_KEY, cluster_of, parts_that_mend
from greenplum_expansion.operators.run import ExpansionRun


class CheckNetworkOperator(DependentCheckOperator):
    """Every host of the grown cluster finds and reaches every other; new ones are machines of their own.

    Judges what the hosts said in the tasks before, and knocks at the ports of segments; where nothing listens yet, a
    listener is started for that moment. New hosts that could not be seen are left out: of them the tasks before speak.
    What the requested preparation will mend is only noted. Logins between the hosts are tried after exchange_keys, by
    CheckPreparedHostOperator: whether they work before does not matter.

    :param places_task: task id of the CheckPlacesOperator
    :param host_task: task id of the CheckNewHostOperator
    """

    def __init__(
        self,
        *,
        places_task: str = "check_new_hosts.places",
        host_task: str = "check_new_hosts.host",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.places_task = places_task
        self.host_task = host_task

    def find(self, run: ExpansionRun) -> tuple[list[Finding], Any]:
        pull = run.context["ti"].xcom_pull
        seen = [HostFacts.from_dict(facts) for facts in pull(task_ids=[self.host_task]) or [] if facts]
        places = {place["hostname"]: place for place in pull(task_ids=self.places_task) or []}
        on_existing: Mapping[str, list[int]] = pull(task_ids=self.places_task, key=PORTS_KEY) or {}
        topology = read_topology(run.hook)
        cluster = cluster_of(run, topology, self.places_task)
        findings = [
            *check_distinct(seen),
            *check_fail_alone(seen, cluster),
            *check_machine_id(seen, cluster),
            *check_names_known(seen, cluster),
            *check_names_equal(seen, cluster),
            *check_own_name(seen, cluster),
        ]
        new = [place for name, place in places.items() if name in {host.hostname for host in seen}]
        users = {host.hostname: host.seen_by for host in seen}
        findings += knock_everywhere(run, topology, cluster, new, users=users, on_existing=on_existing)
        return note_what_is_mended(findings, parts_that_mend(run.request)), None


def missing_logins(
    run: ExpansionRun,
    old: Sequence[str],
    new: Sequence[Mapping[str, Any]],
    others: Sequence[str] = (),
) -> list[tuple[str, str]]:
    """Who cannot log into whom.

    :param old: names of the hosts of the cluster
    :param new: ``{hostname, address, host_key}`` of the hosts to and from which it is tried
    :param others: names of further new hosts
    :raises RemoteError: the coordinator cannot be asked
    """
    user = run.hook.environment().user
    wanted = logins_to_try(old, [place["hostname"] for place in new], others)
    hosts = {place["hostname"]: place for place in new}
    probes = {name: login_probe(names) for name, names in wanted.items() if name not in hosts}
    with ThreadPoolExecutor(max_workers=AT_A_TIME + 1) as pool:
        of_old = pool.submit(run_on_members, run.hook, probes, timeout=LOGIN_SECONDS)
        of_new = {
            name: pool.submit(_remote(run, place, user).run, login_probe(wanted[name]), timeout=LOGIN_SECONDS)
            for name, place in hosts.items()
        }
        said = {name: future.result().stdout for name, future in of_new.items()}
        said |= {name: result.stdout for name, result in of_old.result().items()}
    return [(source, target) for source, text in sorted(said.items()) for target in sorted(text.split())]


def knock_everywhere(
    run: ExpansionRun,
    topology: Topology,
    cluster: Cluster,
    new: Sequence[Mapping[str, Any]],
    *,
    users: Mapping[str, str],
    others: Sequence[Mapping[str, Any]] = (),
    on_existing: Mapping[str, Sequence[int]] | None = None,
) -> list[Finding]:
    """Knock at the ports of segments between every pair with a host in `new`.

    :param users: by new host the user who looks
    :param others: places of further new hosts, which knock and are knocked at by UDP; their own ports have their turn
    :param on_existing: ports of new segments on hosts of the cluster
    :raises RemoteError: the coordinator cannot be asked
    """
    opens = on_existing or {}
    parties = [_existing(topology, host.hostname, opens.get(host.hostname, ())) for host in cluster.hosts]
    for place in new:
        parties.append(_new(run, place, users, is_new=True))
    parties += [_new(run, place, users, is_new=False) for place in others]
    if not any(party.is_new for party in parties):
        return []
    interconnect = {row["name"]: row["setting"] for row in run.hook.query("cluster_settings")}
    udp = str(interconnect.get("gp_interconnect_type", "udpifc")).lower().startswith("udp")
    facts = try_network(run.hook, parties, udp=udp)
    return [*check_ports_reachable(facts), *check_interconnect(facts), *check_network_tested(facts)]


def _existing(topology: Topology, hostname: str, opens: Sequence[int]) -> Party:
    mine = topology.on_host(hostname)
    return Party(
        hostname,
        mine[0].address,
        opens=tuple(opens),
        is_open=tuple((instance.address, instance.port) for instance in mine if instance.is_up),
        is_new=bool(opens),
    )


def _new(run: ExpansionRun, place: Mapping[str, Any], users: Mapping[str, str], *, is_new: bool) -> Party:
    user = users.get(place["hostname"])
    return Party(
        place["hostname"],
        place["address"],
        host=_remote(run, place, user),
        opens=tuple(place["ports"]) if is_new else (),
        is_new=is_new,
    )


def _remote(run: ExpansionRun, place: Mapping[str, Any], user: str | None) -> Any:
    return run.hook.host(place["hostname"], place["address"], user=user, host_key=place["host_key"])

"""Settings of the servers, held against what an expansion asks of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.topology import Topology

_RESTART = "restart with gpstop -a -M fast -r"
_HOLD = 0.8  # share of the lock table that one transaction may fill; other sessions need some of it, too


@dataclass(frozen=True)
class SettingsFacts:
    """Settings of the coordinator's server and what stands against them.

    :param settings: by name, as text; a name the server does not know is not there
    :param sessions: connections that clients have open now, ours not counted
    :param largest_trees: for each database its largest partitioned table, quoted, and the number of tables in it
    :param tablespaces: made by users, by name
    """

    settings: Mapping[str, str]
    sessions: int = 0
    largest_trees: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    tablespaces: tuple[str, ...] = ()

    def number(self, name: str, default: int = 0) -> int:
        return int(self.settings.get(name, default))


@check("max-connections", "max_connections leaves room for the wished number of moves")
def check_max_connections(facts: SettingsFacts, parallel_moves: int) -> list[Finding]:
    """gpexpand refuses to begin below 2n + 1 (``validate_max_connections``), and its workers open that many.

    It does not look how many connections are taken already: a cluster full of sessions makes moves fail one by one.
    """
    limit = facts.number("max_connections")
    needed = 2 * parallel_moves + 1
    if limit < needed:
        return [
            Finding.error(
                "max_connections",
                f"it is {limit}; moving {parallel_moves} tables at a time needs {needed}",
                f"move at most {(limit - 1) // 2} tables at a time, or raise max_connections",
            )
        ]
    free = limit - facts.sessions
    if free < needed:
        fit = (free - 1) // 2
        less = f"move at most {fit} tables at a time, " if fit > 0 else ""
        return [
            Finding.warning(
                "max_connections",
                f"of {limit} connections {facts.sessions} are taken; moving {parallel_moves} tables at a time "
                f"needs {needed}",
                f"{less}end sessions that are not needed, or raise max_connections",
            )
        ]
    return []


@check("max-locks", "max_locks_per_transaction suffices for the largest partitioned table")
def check_max_locks(facts: SettingsFacts) -> list[Finding]:
    """Preparation locks a partitioned table with all its partitions in one transaction.

    That is ``EXPAND PARTITION PREPARE``, behind the point of no return: "out of shared memory" there leaves the set-up
    unfinished (greenplum-db/gpdb#13153, #13211). The lock table of a server holds max_locks_per_transaction *
    (max_connections + max_prepared_transactions) locks.
    """
    sessions = facts.number("max_connections") + facts.number("max_prepared_transactions")
    per_transaction = facts.number("max_locks_per_transaction", 64)
    room = per_transaction * sessions
    findings = []
    for dbname, (table, tables) in sorted(facts.largest_trees.items()):
        if tables > room * _HOLD:
            wanted = math.ceil(tables / _HOLD / max(1, sessions))
            findings.append(
                Finding.error(
                    f"database {dbname}",
                    f"{table} has {tables} partitions, locked all together; the lock table holds {room} locks "
                    f"(max_locks_per_transaction {per_transaction})",
                    f"gpconfig -c max_locks_per_transaction -v {wanted}, then {_RESTART}",
                )
            )
    return findings


@check("interconnect", "The interconnect does not go through proxies")
def check_interconnect(facts: SettingsFacts) -> list[Finding]:
    """``gp_interconnect_type``: the addresses of proxies name the segments there are, so new ones cannot be reached.

    The documentation of gpexpand asks for UDPIFC before, and the new addresses after it ("Planning Greenplum System
    Expansion").
    """
    if facts.settings.get("gp_interconnect_type", "").lower() != "proxy":
        return []
    return [
        Finding.error(
            "gp_interconnect_type",
            "it is proxy, and gp_interconnect_proxy_addresses does not know the new segments",
            "gpconfig -c gp_interconnect_type -v UDPIFC and gpstop -u before; after the expansion enter the new "
            "segments in gp_interconnect_proxy_addresses and switch back",
        )
    ]


@check("user-tablespaces", "Tablespaces of users are known")
def check_tablespaces(facts: SettingsFacts) -> list[Finding]:
    """With such tablespaces gpexpand needs a second file beside the input file (``.ts``), which is made for it.

    gpexpand 6.24.3 notices a missing one only after it has begun, and has to be rolled back then. The directories must
    exist on the new hosts.
    """
    if not facts.tablespaces:
        return []
    names = ", ".join(facts.tablespaces)
    return [Finding.note("tablespaces", f"users made {names}: the new segments get places for them, too")]


@check("heap-checksums", "Heap checksums are equal everywhere")
def check_heap_checksums(topology: Topology, checksums: Mapping[int, str]) -> list[Finding]:
    """pg_controldata of every instance, mirrors and standby included, against the coordinator's.

    gpexpand compares them before it begins, and ends with an error if they differ; but where no segment answers it
    only logs that and goes on (6.24.3, ``validate_heap_checksums``).

    :param checksums: version of the data page checksums by dbid ("0" is none, empty if it could not be read)
    """
    findings = []
    for instance in topology.instances:
        if instance.dbid in checksums and not checksums[instance.dbid]:
            findings.append(
                Finding.error(
                    str(instance),
                    f"pg_controldata could not read {instance.datadir}",
                    f"run pg_controldata {instance.datadir} on {instance.hostname} and see what it says",
                )
            )
    known = {i: checksums[i.dbid] for i in topology.instances if checksums.get(i.dbid)}
    if len(set(known.values())) > 1:
        usual = checksums.get(topology.coordinator.dbid) or Counter(known.values()).most_common(1)[0][0]
        odd = [instance for instance, value in known.items() if value != usual]
        words = {"0": "off"}
        findings.append(
            Finding.error(
                "heap checksums",
                f"they are {words.get(usual, 'on')} on the coordinator, but {words.get(known[odd[0]], 'on')} on "
                f"{', '.join(map(str, odd))}; gpexpand refuses such a cluster",
                "build those instances anew, mirrors with gprecoverseg -F; checksums are chosen when a server is made",
            )
        )
    return findings


def check_settings(facts: SettingsFacts, parallel_moves: int) -> list[Finding]:
    """All that one look at the coordinator's settings can tell."""
    return [
        *check_max_connections(facts, parallel_moves),
        *check_max_locks(facts),
        *check_interconnect(facts),
        *check_tablespaces(facts),
    ]

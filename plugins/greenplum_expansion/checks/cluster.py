"""Is the cluster fit to be expanded? Each function takes facts and returns findings; all are told together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.flavors import Support, parse_version
from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.cluster.topology import Instance, Topology
from greenplum_expansion.planning.plan import human_bytes

FAR_BEHIND = 1024**3  # bytes of log a standby may be behind until it is worth a word


@dataclass(frozen=True)
class ServerFacts:
    """What the coordinator says of itself; that it is one, and that gpexpand is there, the hook has seen to.

    :param version_text: result of ``SELECT version()``
    """

    version_text: str


@dataclass(frozen=True)
class Replication:
    """One row of ``gp_stat_replication``: who follows a server's log.

    :param content: of the server that is followed; -1 is the coordinator
    :param application: "gp_walreceiver" for a standby or mirror, "pg_basebackup" while one is copied; empty if nobody
        follows
    :param state: "startup", "backup", "catchup" or "streaming"; empty if nobody follows
    :param sync_state: "sync" if commits wait for it
    :param error: what the server knows of the reason why nobody follows ("none" if all is well)
    :param behind_bytes: of log sent but not replayed; None if unknown
    """

    content: int
    application: str
    state: str
    sync_state: str
    error: str
    behind_bytes: int | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Replication:
        """From a row whose locations are called ``…_location`` (Greenplum 6) or ``…_lsn`` (7)."""
        sent = _log_position(row.get("sent_location") or row.get("sent_lsn"))
        replayed = _log_position(row.get("replay_location") or row.get("replay_lsn"))
        return cls(
            content=int(row["gp_segment_id"]),
            application=str(row["application_name"] or ""),
            state=str(row["state"] or ""),
            sync_state=str(row["sync_state"] or ""),
            error=str(row.get("sync_error") or "none"),
            behind_bytes=None if sent is None or replayed is None else max(0, sent - replayed),
        )


def _log_position(text: Any) -> int | None:
    """Bytes since the beginning of the log, of "1/2A0": its two halves of 32 bits in hexadecimal."""
    if text is None:
        return None
    high, _, low = str(text).partition("/")
    return (int(high, 16) << 32) + int(low, 16)


@check("version", "The server is a Greenplum of a version known here")
def check_version(facts: ServerFacts) -> list[Finding]:
    """What ``SELECT version()`` says. Another server at the coordinator's address is noticed here at the latest."""
    version = parse_version(facts.version_text)
    if version is None:
        return [
            Finding.error(
                "version",
                f"the server is of no version known here: {facts.version_text.split(',')[0]}",
                "let the connection point to the coordinator of a Greenplum cluster",
            )
        ]
    return [Finding.note("version", str(version))]


@check("flavor", "Expansions of this member of the Greenplum family are supported")
def check_flavor(facts: ServerFacts) -> list[Finding]:
    """Greenplum 5, 6 and 7, Cloudberry and MatrixDB have a gpexpand each, which differ (cluster/flavors.py)."""
    version = parse_version(facts.version_text)
    if version is None or version.flavor.support is Support.PROVED:
        return []
    if version.flavor.is_supported:
        return [
            Finding.warning(str(version), version.flavor.reservation, "try it on a test cluster of this version first")
        ]
    return [Finding.error(str(version), "it is not supported", version.flavor.reservation)]


def check_server(facts: ServerFacts) -> list[Finding]:
    """A supported member of the family."""
    return [*check_version(facts), *check_flavor(facts)]


@check("segments-up", "Every instance is up")
def check_segments_up(topology: Topology) -> list[Finding]:
    """After every segment was looked at anew (``gp_request_fts_probe_scan``).

    gpexpand itself only warns of a segment that is down and goes on (6.24.3); its last step then recovers that one
    with all the new mirrors, in full and without being asked.
    """
    return [
        Finding.error(str(instance), "it is down", "run gprecoverseg -a, wait until it is in sync, try again")
        for instance in topology.instances
        if not instance.is_up
    ]


@check("preferred-roles", "Every instance acts in its preferred role")
def check_preferred_roles(topology: Topology) -> list[Finding]:
    """After a failover mirrors serve on hosts that carry more than their share; moving tables would double that."""
    findings = []
    for instance in topology.instances:
        if instance.role != instance.preferred_role:
            acting = "primary" if instance.role == "p" else "mirror"
            findings.append(
                Finding.error(
                    str(instance),
                    f"it acts as {acting}, not in its preferred role",
                    "run gprecoverseg -a -r, try again",
                )
            )
    return findings


@check("pairs-in-sync", "Every primary and its mirror are in sync")
def check_pairs_in_sync(topology: Topology) -> list[Finding]:
    """The catalog's column mode; of a pair with an instance that is down "segments-up" speaks already."""
    mirrored = {i.content for i in topology.mirrors}
    return [
        Finding.error(
            f"content {primary.content}",
            "primary and mirror are not in sync",
            "wait until gpstate -e shows no unsynchronised pair; run gprecoverseg -a if it does not end",
        )
        for primary in topology.segments
        if primary.role == "p"
        and primary.content in mirrored
        and primary.mode != "s"
        and all(i.is_up for i in topology.segments if i.content == primary.content)
    ]


@check("standby-present", "The coordinator has a standby")
def check_standby_present(topology: Topology) -> list[Finding]:
    """gpexpand copies its status file to the standby after each step, so that even a lost coordinator loses nothing."""
    if topology.standby is not None:
        return []
    return [
        Finding.warning(
            "standby",
            "the cluster has none: if the coordinator is lost during the expansion, the cluster is lost",
            "add one with gpinitstandby before expanding",
        )
    ]


def check_segments(topology: Topology) -> list[Finding]:
    """What the catalog says of the instances; a cluster that limps is not expanded."""
    return [
        *check_segments_up(topology),
        *check_preferred_roles(topology),
        *check_pairs_in_sync(topology),
        *check_standby_present(topology),
    ]


@check("standby-in-sync", "The standby follows the coordinator")
def check_standby_in_sync(standby: Instance | None, replication: Sequence[Replication]) -> list[Finding]:
    """The coordinator's row of ``gp_stat_replication``, as ``gpstate -f`` shows it.

    Greenplum does not watch the standby: in ``gp_segment_configuration`` one that is long dead still counts as up. But
    gpexpand copies its status file there after every step, and fails where it cannot.
    """
    if standby is None:
        return []
    subject = str(standby)
    mine = [row for row in replication if row.content == -1 and row.application == "gp_walreceiver"]
    if not mine:
        why = next((f" ({row.error})" for row in replication if row.content == -1 and row.error != "none"), "")
        return [
            Finding.error(
                subject,
                f"it does not follow the coordinator{why}; gpexpand copies its status file to it, and would fail",
                f"start it with gpinitstandby -n, or take it out with gpinitstandby -r and add it anew with "
                f"gpinitstandby -s {standby.hostname}",
            )
        ]
    row = mine[0]
    if row.state != "streaming":
        return [
            Finding.error(
                subject,
                f"it is in state {row.state}, not streaming: it still catches up",
                "wait until gpstate -f says streaming, try again",
            )
        ]
    if row.behind_bytes is not None and row.behind_bytes > FAR_BEHIND:
        return [
            Finding.warning(
                subject,
                f"it has yet to replay {human_bytes(row.behind_bytes)} of log",
                "see in gpstate -f whether it catches up, and on its host what keeps it",
            )
        ]
    return []


@check("expansion-state", "No expansion is under way or left half done")
def check_expansion_state(state: ExpansionState) -> list[Finding]:
    """gpexpand's status file, its process and its schema, as docs/reference/states.md tells them apart.

    Which phase gpexpand begins depends on these alone, not on its options: ``gpexpand -i`` beside a prepared expansion
    moves tables at once and without limit.
    """
    if state.phase is Phase.IDLE:
        return []
    return [Finding.error("expansion already under way", f"{state.phase}: {state.because}", state.next_action)]

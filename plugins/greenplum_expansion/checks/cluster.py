"""Is the cluster fit to be expanded? Each function takes facts and returns findings; all are told together."""

from __future__ import annotations

from dataclasses import dataclass

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.flavors import parse_version
from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.cluster.topology import Topology


@dataclass(frozen=True)
class ServerFacts:
    """What the coordinator says of itself; that it is one, and that gpexpand is there, the hook has seen to.

    :param version_text: result of ``SELECT version()``
    :param max_connections: of the coordinator
    """

    version_text: str
    max_connections: int


def check_server(facts: ServerFacts, parallel_moves: int) -> list[Finding]:
    """A supported member of the family, with room for the wished number of sessions."""
    version = parse_version(facts.version_text)
    if version is None:
        return [
            Finding.error(
                "version",
                f"the server is of no version known here: {facts.version_text.split(',')[0]}",
                "let the connection point to the coordinator of a Greenplum cluster",
            )
        ]
    findings = [Finding.note("version", str(version))]
    if not version.flavor.is_supported:
        findings.append(Finding.error(str(version), "it is not supported", version.flavor.reservation))
    # gpexpand's own rule: two connections a worker and one more (6.24.3, validate_max_connections).
    needed = 2 * parallel_moves + 1
    if facts.max_connections < needed:
        findings.append(
            Finding.error(
                "max_connections",
                f"it is {facts.max_connections}; moving {parallel_moves} tables at a time needs {needed}",
                f"move at most {(facts.max_connections - 1) // 2} tables at a time, or raise max_connections",
            )
        )
    return findings


def check_segments(topology: Topology) -> list[Finding]:
    """Every instance up, in its preferred role, every pair in sync; a cluster that limps is not expanded."""
    findings = []
    for instance in topology.instances:
        if not instance.is_up:
            findings.append(
                Finding.error(str(instance), "it is down", "run gprecoverseg -a, wait until it is in sync, try again")
            )
        if instance.role != instance.preferred_role:
            acting = "primary" if instance.role == "p" else "mirror"
            findings.append(
                Finding.error(
                    str(instance),
                    f"it acts as {acting}, not in its preferred role",
                    "run gprecoverseg -a -r, try again",
                )
            )
    mirrored = {i.content for i in topology.mirrors}
    for primary in topology.segments:
        # Only a running pair can be judged: of a down one the line above already speaks.
        pair = [i for i in topology.segments if i.content == primary.content]
        if primary.role == "p" and primary.content in mirrored and primary.mode != "s" and all(i.is_up for i in pair):
            findings.append(
                Finding.error(
                    f"content {primary.content}",
                    "primary and mirror are not in sync",
                    "wait until gpstate -e shows no unsynchronised pair; run gprecoverseg -a if it does not end",
                )
            )
    if topology.standby is None:
        findings.append(
            Finding.warning(
                "standby",
                "the cluster has none: if the coordinator is lost during the expansion, the cluster is lost",
                "add one with gpinitstandby before expanding",
            )
        )
    return findings


def check_expansion_state(state: ExpansionState) -> list[Finding]:
    """No other expansion is under way, nor left half done."""
    if state.phase is Phase.IDLE:
        return []
    return [Finding.error("expansion already under way", f"{state.phase}: {state.because}", state.next_action)]

"""Whether the cluster is stopped, started, or left alone: the only task here after which nothing may answer SQL.

The order is CHECKPOINT, ``gpstop -a -M fast``, ``gpstart -a``. A runbook that stops the coordinator alone, starts it
alone, and then stops everything leaves the cluster down. Facts (gpstop, gpstart of Greenplum 6.24.3):

- gpstop asks when mode smart has waited for two minutes, even with ``-a``; mode fast never asks.
- gpstart does not start with a standby that cannot be reached: with ``-a`` it gives up, and ``-y`` changes nothing
  about that. ``-S`` would skip the question whether the standby has been promoted meanwhile, so it is for a person.
- gpstart ends segments that still run and starts them; one that was killed can be run again. Only if it was killed
  while the coordinator ran alone, that has to be ended first (``gpstop -m``): it refuses while a coordinator runs.
- with ``gpexpand.status`` in the data directory gpstart refuses to start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.planning.decisions import Presence


class RestartAction(StrEnum):
    """What the task does."""

    RESTART = "stop and start"
    START = "start"
    DONE = "nothing"


@dataclass(frozen=True)
class RestartFacts:
    """What was found.

    :param mode: how the coordinator's server runs, in words: "down", "in maintenance mode"
    :param answers: it takes SQL: it is neither down nor in maintenance mode
    :param begun: start time of the server when this task first stopped it; None if it never did. Seconds since 1970
    :param started: start time of the server that runs now; None if it does not answer
    :param state: of the expansion; None if the server does not answer
    :param presence: of the planned segments in the catalog; None if the server does not answer
    """

    mode: str
    answers: bool
    begun: float | None
    started: float | None
    state: ExpansionState | None
    presence: Presence | None


def decide_restart(subject: str, facts: RestartFacts) -> tuple[RestartAction, str]:
    """What to do, and the sentence that says why.

    :raises ActionRefused: redistribution is not complete, or somebody else has stopped the cluster
    """
    if not facts.answers:
        if facts.begun is None:
            raise ActionRefused(
                subject,
                f"the cluster is {facts.mode}, and it was not this task that stopped it",
                "find out why, start it on the coordinator ('gpstart -a', after 'gpstop -a -m' if the coordinator runs "
                "alone), then clear this task",
            )
        return RestartAction.START, f"this task has stopped the cluster, and it is {facts.mode}"
    assert facts.state is not None
    if facts.begun is not None and facts.started is not None and facts.started > facts.begun:
        return RestartAction.DONE, "the server has been restarted since this task began"
    if facts.presence is not Presence.ALL:
        raise ActionRefused(
            subject, "the planned segments are not all in the catalog", "finish the tasks before this one first"
        )
    if facts.state.phase not in (Phase.COMPLETE, Phase.IDLE):
        raise ActionRefused(
            subject,
            f"redistribution is not complete: {facts.state.because}",
            f"{facts.state.next_action}; a restart now would end its moves",
        )
    return RestartAction.RESTART, "redistribution is complete, and the server has not been restarted yet"

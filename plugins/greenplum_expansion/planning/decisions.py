"""What a task does, given what it found: run, follow what runs, be content, or refuse with the reason.

Every task may be retried, cleared or killed at any moment; these functions are why that does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import ActionRefused


class Action(StrEnum):
    RUN = "run"
    FOLLOW = "follow"
    DONE = "done"


class Presence(StrEnum):
    """How many of the plan's new instances are in ``gp_segment_configuration``."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


@dataclass(frozen=True)
class Decision:
    """What to do, and the sentence that says why in the log."""

    action: Action
    because: str


def decide_add_segments(subject: str, state: ExpansionState, job_runs: bool, presence: Presence) -> Decision:
    """May ``gpexpand -i`` run?

    :param job_runs: the newest job of this task is still at work on the coordinator

    Never after success: it would start an unlimited redistribution. Never after an early failure: it would exit 0
    having done nothing (gpexpand 6.24.3, main).

    :raises ActionRefused: the state forbids it; the error names the way on
    """
    phase = state.phase
    if presence is Presence.SOME and phase is not Phase.PREPARING:
        raise ActionRefused(
            subject,
            "only some of the planned segments are in gp_segment_configuration",
            "compare the plan with the catalog; somebody changed the cluster by hand",
        )
    if phase is Phase.PREPARING:
        if job_runs:
            return Decision(Action.FOLLOW, "gpexpand of this task is still at work")
        raise state.refuse(subject)
    if phase in (Phase.PREPARATION_FAILED, Phase.STUCK):
        raise state.refuse(subject)
    if presence is Presence.ALL:
        if phase is Phase.PREPARATION_UNFINISHED:
            return Decision(Action.RUN, f"{state.because}: gpexpand finishes the set-up when run again")
        return Decision(Action.DONE, "all planned segments are in the catalog, and their set-up is finished")
    if phase is Phase.IDLE:
        return Decision(Action.RUN, state.because)
    raise state.refuse(subject)


def decide_move_tables(subject: str, state: ExpansionState, job_runs: bool, presence: Presence) -> Decision:
    """May gpexpand move tables now?

    :raises ActionRefused: preparation is not over, or another gpexpand is at work
    """
    if presence is not Presence.ALL:
        raise ActionRefused(
            subject, "the planned segments are not all in the catalog", "finish task add_segments of this run first"
        )
    if state.phase.may_redistribute:
        return Decision(Action.RUN, state.because)
    if state.phase is Phase.REDISTRIBUTING and job_runs:
        return Decision(Action.FOLLOW, "gpexpand of this task is still at work")
    if state.phase in (Phase.COMPLETE, Phase.IDLE):
        return Decision(Action.DONE, f"nothing is left to move: {state.because}")
    raise state.refuse(subject)


def decide_clean_up(subject: str, state: ExpansionState) -> Decision:
    """May ``gpexpand -c`` drop schema gpexpand? Without the schema it would start its interview instead.

    :raises ActionRefused: tables are left, so the list of them is still needed
    """
    if state.phase is Phase.IDLE:
        return Decision(Action.DONE, "schema gpexpand is gone already")
    if state.phase is Phase.COMPLETE:
        return Decision(Action.RUN, state.because)
    raise state.refuse(subject)


class RollbackAction(StrEnum):
    NOTHING = "nothing to roll back"
    ROLL_BACK = "roll back"
    FORWARD_ONLY = "forward only"


def decide_roll_back(subject: str, state: ExpansionState) -> tuple[RollbackAction, str]:
    """What a rollback can do in this state, and the sentence that says why and what a person does next.

    :raises ActionRefused: gpexpand is at work, or the state needs a person
    """
    if state.phase is Phase.IDLE:
        return RollbackAction.NOTHING, "preparation has not begun, or was rolled back already"
    if state.phase is Phase.PREPARATION_FAILED:
        return RollbackAction.ROLL_BACK, state.because
    if state.phase is Phase.PREPARING:
        raise ActionRefused(subject, state.because, "let it end or send it SIGINT, then run greenplum_rollback again")
    if state.phase is Phase.STUCK:
        raise state.refuse(subject)
    return RollbackAction.FORWARD_ONLY, f"past the point of no return: {state.because}. Next: {state.next_action}"

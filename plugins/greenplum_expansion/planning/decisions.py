"""What a task does, given what it found: run, follow what runs, be content, or refuse with the reason.

Every task may be retried, cleared or killed at any moment; these functions are why that does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from greenplum_expansion.cluster.state import ExpansionState, Phase, StuckBy
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


def decide_wait_for_moves(state: ExpansionState, presence: Presence) -> bool:
    """Whether tables are left that greenplum_redistribute moves, or is moving; anything else is not waited for."""
    return presence is Presence.ALL and (state.phase.may_redistribute or state.phase is Phase.REDISTRIBUTING)


def why_no_window(
    state: ExpansionState | None, presence: Presence | None, *, is_ranked: bool, mover: str, window_is_over: bool
) -> str:
    """Why a run of greenplum_redistribute has nothing to do, as a sentence; empty: it has.

    :param state: None if no expansion is under way on this cluster
    :param presence: of the plan's segments in the catalog; None without a plan
    :param mover: who else moves the tables, or will, in the words "run x of greenplum_expand"; empty: nobody
    """
    if state is None or state.phase is Phase.IDLE:
        return "no expansion is under way on this cluster"
    if state.phase is Phase.COMPLETE:
        return "nothing is left to move; the expansion's own run goes on with the proof, or is cleared to do so"
    if presence is not Presence.ALL or not (state.phase.may_redistribute or state.phase is Phase.REDISTRIBUTING):
        return f"the preparation is not finished: {state.because}"
    if mover:
        return f"{mover} moves the tables"
    if not is_ranked:
        return "the tables are not ranked yet, which task rank_tables of the expansion's own run does"
    if window_is_over:
        return "no time is left of its window, by the clock or by the days and times that the expansion's request names"
    return ""


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
    """What greenplum_rollback does. The values are published (XComs, reports): never rename one."""

    NOTHING = "nothing to roll back"
    ROLL_BACK = "roll back"
    DROP_SCHEMA = "drop schema gpexpand"
    FINISH_FORWARD = "finish forward"
    SET_UP_ANEW = "set up anew"
    RECOVER_MIRRORS = "recover mirrors"
    GO_ON = "go on"

    @property
    def explanation(self) -> str:
        """What is done, in a few sentences (docs/reference/rollback.md)."""
        return _EXPLANATIONS[self]

    @property
    def is_forward(self) -> bool:
        """It completes what cannot be taken back."""
        return self in (RollbackAction.FINISH_FORWARD, RollbackAction.SET_UP_ANEW, RollbackAction.RECOVER_MIRRORS)

    @property
    def needs_approval(self) -> bool:
        """A person decides: it changes the catalog for good, or removes what gpexpand left."""
        return self in (RollbackAction.FINISH_FORWARD, RollbackAction.SET_UP_ANEW, RollbackAction.DROP_SCHEMA)


_EXPLANATIONS = {
    RollbackAction.NOTHING: (
        "The cluster is left alone. On the new hosts it is looked for what an earlier rollback could not reach: "
        "servers without a directory, half-built directories, locks; they are ended and removed."
    ),
    RollbackAction.ROLL_BACK: (
        "What a dead gpexpand left at work is ended, what is not its own is moved aside, `gpexpand -r` runs from the "
        "directory of the expansion, what it leaves is cleaned up, and what was moved aside is put back. Then the "
        "catalog, the new hosts and every table are compared with what they were."
    ),
    RollbackAction.DROP_SCHEMA: (
        "After an approval, and if no table lies on more segments than there were, schema `gpexpand` is dropped: "
        "without a status gpexpand neither goes on nor begins, and `gpexpand -c` does not remove it."
    ),
    RollbackAction.FINISH_FORWARD: (
        "After an approval gpexpand runs once more: with a status file past the point of no return it makes its schema "
        "anew and has the new mirrors made. If a new segment's server is gone, the cluster is restarted first. Then "
        "`add_segments` can be cleared: it finds its work done, and the expansion goes on."
    ),
    RollbackAction.SET_UP_ANEW: (
        "The same, after the status file was written as it stood when the catalog had been changed. Tables that have "
        "moved already are found out before any is moved."
    ),
    RollbackAction.RECOVER_MIRRORS: (
        "`gprecoverseg -a -F`, which is the last step of the preparation; the status file is gone by then. Not while "
        "other instances are down: it would rebuild those in full, too."
    ),
    RollbackAction.GO_ON: (
        "Nothing is done, and the run fails with the task to clear: tables that have not moved, or failed to move, are "
        "never a reason to roll back."
    ),
}


@dataclass(frozen=True)
class RollbackDecision:
    """What to do, why, and what a person does after it."""

    action: RollbackAction
    because: str
    next_action: str


_START_AGAIN = "mend the cause and trigger greenplum_expand again"
_GO_ON = "clear task add_segments of the expansion's run with all that follows: it finds its work done and goes on"


def decide_roll_back(
    subject: str, state: ExpansionState, presence: Presence | None, mirrors_missing: bool = False
) -> RollbackDecision:
    """What can be done about an expansion in this state.

    Only what failed before the catalog changed is taken back. Tables that have not moved, or failed to move, are never
    a reason to roll back.

    :param presence: of the plan's segments in the catalog; None if no expansion of ours was planned
    :param mirrors_missing: some of the plan's mirrors are down, which preparation leaves behind if its last step failed
    :raises ActionRefused: gpexpand is at work, the expansion is over, or the state needs a person
    """
    phase = state.phase
    if phase is Phase.PREPARING:
        raise ActionRefused(
            subject,
            state.because,
            "let it end; or trigger greenplum_rollback with 'Stop a gpexpand that is at work'",
        )
    if phase is Phase.IDLE:
        if presence in (Presence.SOME, Presence.ALL):
            raise ActionRefused(
                subject,
                "the expansion has been carried out; its segments are in the catalog",
                "nothing is to be rolled back; taking segments out of a cluster again is not what gpexpand can do",
            )
        return RollbackDecision(
            RollbackAction.NOTHING, "preparation has not begun, or was rolled back already", _START_AGAIN
        )
    if phase is Phase.PREPARATION_FAILED:
        return RollbackDecision(RollbackAction.ROLL_BACK, state.because, _START_AGAIN)
    if phase is Phase.PREPARATION_UNFINISHED:
        return RollbackDecision(RollbackAction.FINISH_FORWARD, state.because, _GO_ON)
    if phase is Phase.STUCK:
        return _decide_stuck(subject, state, presence)
    if phase is Phase.READY and mirrors_missing:
        because = f"{state.because}, but not all new mirrors run: the last step of the preparation did not succeed"
        return RollbackDecision(RollbackAction.RECOVER_MIRRORS, because, _GO_ON)
    return RollbackDecision(
        RollbackAction.GO_ON,
        f"past the point of no return, and nothing is half done: {state.because}",
        state.next_action,
    )


def _decide_stuck(subject: str, state: ExpansionState, presence: Presence | None) -> RollbackDecision:
    if state.stuck_by is not StuckBy.SCHEMA_WITHOUT_STATUS or presence in (None, Presence.SOME):
        raise state.refuse(subject)
    if presence is Presence.NONE:
        return RollbackDecision(
            RollbackAction.DROP_SCHEMA, f"{state.because}; the new segments are not in the catalog", _START_AGAIN
        )
    return RollbackDecision(
        RollbackAction.SET_UP_ANEW,
        f"{state.because}; the new segments are in the catalog, so gpexpand has to list the tables once more",
        _GO_ON,
    )

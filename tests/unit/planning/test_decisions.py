"""Which state allows which action: above all, that nothing runs twice and nothing wrong runs at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.cluster.state import ExpansionState, Phase, StuckBy
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.planning.decisions import (
    Action,
    Presence,
    RollbackAction,
    decide_add_segments,
    decide_clean_up,
    decide_move_tables,
    decide_roll_back,
)


def state(phase: Phase) -> ExpansionState:
    return ExpansionState(phase, "because", "next")


def add(phase: Phase, job: bool = False, presence: Presence = Presence.NONE) -> str:
    return _outcome(decide_add_segments, phase, job, presence)


def move(phase: Phase, job: bool = False, presence: Presence = Presence.ALL) -> str:
    return _outcome(decide_move_tables, phase, job, presence)


def _outcome(decide, phase, *facts) -> str:
    try:
        return decide("Expansion x", state(phase), *facts).action
    except ActionRefused:
        return "refused"


@pytest.mark.parametrize(
    ("phase", "job", "presence", "expected"),
    [
        (Phase.IDLE, False, Presence.NONE, Action.RUN),
        # Cleared after the whole expansion is over.
        (Phase.IDLE, False, Presence.ALL, Action.DONE),
        (Phase.PREPARING, True, Presence.NONE, Action.FOLLOW),
        (Phase.PREPARING, True, Presence.SOME, Action.FOLLOW),
        (Phase.PREPARING, False, Presence.NONE, "refused"),
        # A second -i would exit 0 having done nothing.
        (Phase.PREPARATION_FAILED, False, Presence.NONE, "refused"),
        (Phase.PREPARATION_UNFINISHED, False, Presence.ALL, Action.RUN),
        (Phase.PREPARATION_UNFINISHED, False, Presence.NONE, "refused"),
        # A second -i would redistribute without limit.
        (Phase.READY, False, Presence.ALL, Action.DONE),
        (Phase.READY, False, Presence.NONE, "refused"),
        (Phase.REDISTRIBUTING, False, Presence.ALL, Action.DONE),
        (Phase.COMPLETE, False, Presence.ALL, Action.DONE),
        (Phase.COMPLETE, False, Presence.NONE, "refused"),
        (Phase.IDLE, False, Presence.SOME, "refused"),
        (Phase.STUCK, False, Presence.ALL, "refused"),
    ],
)
def test_adding_segments(phase, job, presence, expected):
    assert add(phase, job, presence) == expected


@given(st.sampled_from(list(Phase)), st.booleans(), st.sampled_from(list(Presence)))
def test_gpexpand_i_runs_only_when_idle_and_new_or_to_finish_the_set_up(phase, job, presence):
    if add(phase, job, presence) == Action.RUN:
        fresh = phase is Phase.IDLE and presence is Presence.NONE
        forward = phase is Phase.PREPARATION_UNFINISHED and presence is Presence.ALL
        assert fresh or forward


@pytest.mark.parametrize(
    ("phase", "job", "presence", "expected"),
    [
        (Phase.READY, False, Presence.ALL, Action.RUN),
        (Phase.REDISTRIBUTION_STOPPED, False, Presence.ALL, Action.RUN),
        (Phase.REDISTRIBUTION_CRASHED, False, Presence.ALL, Action.RUN),
        (Phase.REDISTRIBUTING, True, Presence.ALL, Action.FOLLOW),
        (Phase.REDISTRIBUTING, False, Presence.ALL, "refused"),
        (Phase.COMPLETE, False, Presence.ALL, Action.DONE),
        (Phase.IDLE, False, Presence.ALL, Action.DONE),
        (Phase.IDLE, False, Presence.NONE, "refused"),
        (Phase.READY, False, Presence.NONE, "refused"),
        (Phase.PREPARATION_UNFINISHED, False, Presence.ALL, "refused"),
    ],
)
def test_moving_tables(phase, job, presence, expected):
    assert move(phase, job, presence) == expected


@given(st.sampled_from(list(Phase)), st.booleans(), st.sampled_from(list(Presence)))
def test_a_bare_gpexpand_never_runs_where_it_would_ask_or_prepare(phase, job, presence):
    if move(phase, job, presence) == Action.RUN:
        assert phase.may_redistribute


def test_the_schema_is_dropped_only_when_every_table_has_moved():
    outcomes = {phase: _outcome(decide_clean_up, phase) for phase in Phase}
    assert [phase for phase, outcome in outcomes.items() if outcome == Action.RUN] == [Phase.COMPLETE]
    assert outcomes[Phase.IDLE] == Action.DONE
    assert outcomes[Phase.REDISTRIBUTION_STOPPED] == "refused"


def roll_back(
    phase: Phase,
    presence: Presence | None = Presence.NONE,
    mirrors_missing: bool = False,
    stuck_by: StuckBy | None = None,
) -> RollbackAction | str:
    found = ExpansionState(phase, "because", "next", stuck_by=stuck_by)
    try:
        return decide_roll_back("Rollback", found, presence, mirrors_missing).action
    except ActionRefused:
        return "refused"


SCHEMA = StuckBy.SCHEMA_WITHOUT_STATUS


@pytest.mark.parametrize(
    ("phase", "presence", "mirrors_missing", "stuck_by", "expected"),
    [
        (Phase.IDLE, None, False, None, RollbackAction.NOTHING),
        (Phase.IDLE, Presence.NONE, False, None, RollbackAction.NOTHING),
        (Phase.IDLE, Presence.ALL, False, None, "refused"),
        (Phase.IDLE, Presence.SOME, False, None, "refused"),
        (Phase.PREPARING, Presence.NONE, False, None, "refused"),
        (Phase.PREPARATION_FAILED, None, False, None, RollbackAction.ROLL_BACK),
        (Phase.PREPARATION_FAILED, Presence.NONE, False, None, RollbackAction.ROLL_BACK),
        # Killed between the commit of the catalog and its line in the status file.
        (Phase.PREPARATION_FAILED, Presence.ALL, False, None, RollbackAction.ROLL_BACK),
        (Phase.PREPARATION_UNFINISHED, Presence.ALL, True, None, RollbackAction.FINISH_FORWARD),
        (Phase.STUCK, Presence.NONE, False, SCHEMA, RollbackAction.DROP_SCHEMA),
        (Phase.STUCK, Presence.ALL, False, SCHEMA, RollbackAction.SET_UP_ANEW),
        (Phase.STUCK, Presence.SOME, False, SCHEMA, "refused"),
        (Phase.STUCK, None, False, SCHEMA, "refused"),
        (Phase.STUCK, Presence.NONE, False, StuckBy.STATUS_FILE_UNREADABLE, "refused"),
        (Phase.STUCK, Presence.ALL, False, StuckBy.UNKNOWN_STATUS, "refused"),
        (Phase.READY, Presence.ALL, True, None, RollbackAction.RECOVER_MIRRORS),
        (Phase.READY, Presence.ALL, False, None, RollbackAction.GO_ON),
        # Tables that failed to move are never a reason to roll back.
        (Phase.REDISTRIBUTING, Presence.ALL, False, None, RollbackAction.GO_ON),
        (Phase.REDISTRIBUTION_CRASHED, Presence.ALL, False, None, RollbackAction.GO_ON),
        (Phase.REDISTRIBUTION_STOPPED, Presence.ALL, True, None, RollbackAction.GO_ON),
        (Phase.COMPLETE, Presence.ALL, False, None, RollbackAction.GO_ON),
    ],
)
def test_rolling_back(phase, presence, mirrors_missing, stuck_by, expected):
    assert roll_back(phase, presence, mirrors_missing, stuck_by) == expected


@given(
    st.sampled_from(list(Phase)),
    st.sampled_from([None, *Presence]),
    st.booleans(),
    st.sampled_from([None, *StuckBy]),
)
def test_nothing_is_taken_back_but_an_early_failure_and_nothing_dropped_with_segments_in_the_catalog(
    phase, presence, mirrors_missing, stuck_by
):
    action = roll_back(phase, presence, mirrors_missing, stuck_by)
    if action == RollbackAction.ROLL_BACK:
        assert phase is Phase.PREPARATION_FAILED
    if action == RollbackAction.DROP_SCHEMA:
        assert presence is Presence.NONE
    if isinstance(action, RollbackAction) and action.is_forward:
        assert phase in (Phase.PREPARATION_UNFINISHED, Phase.STUCK, Phase.READY)

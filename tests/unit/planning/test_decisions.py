"""Which state allows which action: above all, that nothing runs twice and nothing wrong runs at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.cluster.state import ExpansionState, Phase
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


def test_rolling_back_happens_only_after_an_early_failure():
    actions = {}
    for phase in Phase:
        try:
            actions[phase] = decide_roll_back("Expansion x", state(phase))[0]
        except ActionRefused:
            actions[phase] = None
    assert [phase for phase, action in actions.items() if action is RollbackAction.ROLL_BACK] == [
        Phase.PREPARATION_FAILED
    ]
    assert actions[Phase.IDLE] is RollbackAction.NOTHING
    assert actions[Phase.PREPARING] is None
    # Tables that failed to move are never a reason to roll back.
    assert actions[Phase.REDISTRIBUTION_STOPPED] is RollbackAction.FORWARD_ONLY

"""When the cluster is stopped, when only started, when left alone."""

import pytest

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.planning.decisions import Presence
from greenplum_expansion.planning.restart import RestartAction, RestartFacts, decide_restart


def decide(*, mode="normal", begun=None, started=100.0, phase=Phase.COMPLETE, presence=Presence.ALL):
    if mode == "normal":
        facts = RestartFacts(mode, True, begun, started, ExpansionState(phase, "as it was found", "act"), presence)
    else:
        facts = RestartFacts(mode, False, begun, None, None, None)
    return decide_restart("Restart", facts)[0]


@pytest.mark.parametrize("phase", [Phase.COMPLETE, Phase.IDLE])
def test_a_complete_expansion_is_restarted_once(phase):
    assert decide(phase=phase) is RestartAction.RESTART
    assert decide(phase=phase, begun=100.0, started=100.0) is RestartAction.RESTART, "noted, but killed before gpstop"
    assert decide(phase=phase, begun=100.0, started=160.0) is RestartAction.DONE


@pytest.mark.parametrize("mode", ["down", "in maintenance mode"])
def test_a_cluster_that_this_task_has_stopped_is_started(mode):
    assert decide(mode=mode, begun=100.0) is RestartAction.START


@pytest.mark.parametrize("mode", ["down", "in maintenance mode"])
def test_a_cluster_that_somebody_else_has_stopped_is_left_alone(mode):
    with pytest.raises(ActionRefused, match=f"the cluster is {mode}, and it was not this task that stopped it"):
        decide(mode=mode)


@pytest.mark.parametrize(
    "phase",
    [phase for phase in Phase if phase not in (Phase.COMPLETE, Phase.IDLE)],
)
def test_tables_on_the_move_are_not_interrupted(phase):
    with pytest.raises(ActionRefused, match="redistribution is not complete"):
        decide(phase=phase)


@pytest.mark.parametrize("presence", [Presence.NONE, Presence.SOME])
def test_an_expansion_that_never_was_is_no_reason_to_restart(presence):
    with pytest.raises(ActionRefused, match="not all in the catalog"):
        decide(phase=Phase.IDLE, presence=presence)

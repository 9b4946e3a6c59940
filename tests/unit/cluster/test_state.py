"""One test for each row of the state table: docs/reference/states.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.cluster.state import ExpansionFacts, Phase, Stage, StatusFile, classify

# Recording 51b_after_interrupt: SIGINT while the segments were being built.
INTERRUPTED = """\
UNINITIALIZED:None
EXPANSION_PREPARE_STARTED:/home/gpadmin/conf/expand_4seg
BUILD_SEGMENT_TEMPLATE_STARTED:/data/master/gpexpand_11202026_20021
BUILD_SEGMENT_TEMPLATE_DONE:None
BUILD_SEGMENTS_STARTED:./gpexpand_schema.tar
"""
# Recording 70b_state: failed after the catalog lock was released.
PAST_THE_POINT = INTERRUPTED + (
    "BUILD_SEGMENTS_DONE:8\n"
    "UPDATE_CATALOG_STARTED:/data/master/gpseg-1/gpexpand.gp_segment_configuration\n"
    "UPDATE_CATALOG_DONE:None\n"
    "SETUP_EXPANSION_SCHEMA_STARTED:None\n"
)


def phase(file: str | None = None, pid: int | None = None, schema: bool = False, status: str | None = None) -> Phase:
    return classify(ExpansionFacts(file, pid, schema, status)).phase


@pytest.mark.parametrize(
    ("expected", "file", "pid", "schema", "status"),
    [
        (Phase.IDLE, None, None, False, None),
        (Phase.PREPARING, None, 7, False, None),
        (Phase.PREPARING, INTERRUPTED, 7, False, None),
        (Phase.PREPARATION_FAILED, INTERRUPTED, None, False, None),
        (Phase.PREPARATION_FAILED, "", None, False, None),
        (Phase.PREPARING, PAST_THE_POINT, 7, True, None),
        (Phase.PREPARATION_UNFINISHED, PAST_THE_POINT, None, True, None),
        (Phase.PREPARATION_UNFINISHED, PAST_THE_POINT, None, True, "SETUP"),
        (Phase.STUCK, None, None, True, None),
        (Phase.STUCK, None, None, True, "SETUP"),
        (Phase.STUCK, None, None, True, "A NEW WORD"),
        (Phase.READY, None, None, True, "SETUP DONE"),
        (Phase.REDISTRIBUTING, None, 7, True, "SETUP DONE"),
        (Phase.REDISTRIBUTING, None, 7, True, "EXPANSION STARTED"),
        (Phase.REDISTRIBUTION_CRASHED, None, None, True, "EXPANSION STARTED"),
        (Phase.REDISTRIBUTION_STOPPED, None, None, True, "EXPANSION STOPPED"),
        (Phase.COMPLETE, None, None, True, "EXPANSION COMPLETE"),
        # The documentation's word for the end; the code never writes it.
        (Phase.STUCK, None, None, True, "COMPLETED"),
    ],
)
def test_each_row_of_the_state_table(expected, file, pid, schema, status):
    assert phase(file, pid, schema, status) is expected


@pytest.mark.parametrize("stage", list(Stage))
def test_the_point_of_no_return_is_update_catalog_done(stage):
    text = "".join(f"{s.name}:None\n" for s in Stage if s <= stage)
    failed_early = stage < Stage.UPDATE_CATALOG_DONE
    assert phase(text) is (Phase.PREPARATION_FAILED if failed_early else Phase.PREPARATION_UNFINISHED)
    assert phase(text).is_past_point_of_no_return is not failed_early


def test_a_colon_in_a_path_makes_the_file_unreadable_and_says_which_line():
    state = classify(ExpansionFacts("UNINITIALIZED:None\nEXPANSION_PREPARE_STARTED:/a:b\n", None, False, None))
    assert state.phase is Phase.STUCK
    assert "line 2 of gpexpand.status is 'EXPANSION_PREPARE_STARTED:/a:b'" in state.because


def test_the_input_file_of_an_interrupted_preparation_is_known():
    assert StatusFile.parse(INTERRUPTED).input_file == "/home/gpadmin/conf/expand_4seg"


@given(
    file=st.one_of(st.none(), st.text(), st.sampled_from([INTERRUPTED, PAST_THE_POINT])),
    pid=st.one_of(st.none(), st.integers(1, 99999)),
    schema=st.booleans(),
    status=st.one_of(st.none(), st.text(), st.sampled_from(["SETUP", "SETUP DONE", "EXPANSION STARTED"])),
)
def test_every_combination_has_a_phase_a_reason_and_a_next_action(file, pid, schema, status):
    state = classify(ExpansionFacts(file, pid, schema, status))
    assert state.because
    assert state.next_action
    if pid is None:
        assert not state.phase.is_running
    if state.phase.may_redistribute:
        assert pid is None
        assert file is None

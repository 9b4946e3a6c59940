"""How an expansion ended, judged from what its tasks left and from the cluster's state."""

import pytest

from greenplum_expansion.cluster.state import ExpansionState, Phase
from greenplum_expansion.planning.section import Section
from greenplum_expansion.report import Report, render_text

SEGMENTS = {
    "added": 4,
    "segments_before": 4,
    "segments_after": 8,
    "hosts_before": {"sdw1": 2, "sdw2": 2},
    "hosts_after": {"sdw1": 2, "sdw2": 2, "sdw3": 2, "sdw4": 2},
}
PROOF = {
    "proven": True,
    "tables": 64,
    "rows": 7105524,
    "checksums": True,
    "differences": [],
    "appeared": [],
    "not_moved": [],
    "skew_before": {"rows_by_content": {"0": 10, "1": 12}, "worst_ratio": 1.09, "worst_tables": []},
    "skew_after": {"rows_by_content": {"0": 5, "1": 6}, "worst_ratio": 1.1, "worst_tables": [["d.s.t", 7.3]]},
}


def report(phase=Phase.IDLE, **change) -> Report:
    facts = {
        "dry_run": False,
        "rejected": False,
        "rolled_back": None,
        "gpexpand_said": "",
        "segments": SEGMENTS,
        "proof": PROOF,
        "expect_writes": False,
        "cleaned_up": True,
        "steps": [{"task_id": "add_segments", "started": 0, "seconds": 70.2, "outcome": "4 segments added"}],
        **change,
    }
    state = ExpansionState(phase, "because", "next")
    return Report.build(expansion_id="x", connection="gp", state=state, **facts)


def test_a_proven_expansion_is_complete():
    made = report()
    assert (made.outcome, made.failure, made.is_proven, made.is_over) == ("complete", "", True, True)


@pytest.mark.parametrize(
    ("outcome", "phase", "change"),
    [
        ("dry run", Phase.IDLE, {"dry_run": True, "segments": None, "proof": None}),
        ("rejected", Phase.IDLE, {"rejected": True, "segments": None, "proof": None}),
        ("not begun", Phase.IDLE, {"segments": None, "proof": None}),
        ("rolled back", Phase.IDLE, {"segments": None, "proof": None, "rolled_back": True}),
        ("stopped", Phase.IDLE, {"segments": None, "proof": None, "rolled_back": False}),
        ("stopped", Phase.PREPARATION_UNFINISHED, {"segments": None, "proof": None, "rolled_back": True}),
        ("not proven", Phase.REDISTRIBUTION_STOPPED, {"proof": None}),
        ("not proven", Phase.COMPLETE, {"proof": {**PROOF, "proven": False, "not_moved": ["d.s.t lies on 4 of 8"]}}),
        ("not proven", Phase.IDLE, {"proof": {**PROOF, "proven": False, "differences": ["d.s.t: 9 rows before"]}}),
        ("not cleaned up", Phase.COMPLETE, {}),
        ("complete", Phase.COMPLETE, {"cleaned_up": False}),
    ],
)
def test_every_ending_has_its_name(outcome, phase, change):
    made = report(phase, **change)
    assert made.outcome == outcome
    ended_well = outcome in ("complete", "rejected", "dry run")
    assert bool(made.failure) is not ended_well
    assert bool(made.next_action) is not ended_well


def test_rows_that_differ_are_no_failure_if_writes_were_expected_but_nothing_is_proven_either():
    made = report(proof={**PROOF, "proven": False, "differences": ["d.s.t: 9 rows before"]}, expect_writes=True)
    assert (made.outcome, made.is_proven) == ("complete", False)


def test_tables_that_did_not_move_are_a_failure_even_if_writes_were_expected():
    made = report(proof={**PROOF, "proven": False, "not_moved": ["d.s.t lies on 4 of 8"]}, expect_writes=True)
    assert made.outcome == "not proven"


def test_a_rolled_back_expansion_tells_why_it_had_failed():
    made = report(segments=None, proof=None, rolled_back=True, gpexpand_said="no space left on sdw3")
    assert made.failure.endswith("the cluster is as it was. gpexpand had said: no space left on sdw3")


def test_the_cluster_is_released_only_when_nothing_of_the_expansion_is_left():
    assert report(Phase.IDLE).is_over
    assert not report(Phase.COMPLETE, cleaned_up=False).is_over
    assert not report(Phase.PREPARATION_FAILED, segments=None, proof=None).is_over


def test_the_text_shows_segments_proof_skew_and_times():
    text = render_text(report())
    for line in (
        "Expansion x of gp: complete",
        "Segments: 4 before, 8 after",
        "  sdw3                   0 -> 2",
        "Proof: 64 tables, 7105524 rows; rows and checksums all equal before and after",
        "  every table lies on all segments",
        "  after   1.100   0:5  1:6",
        "  least even now: d.s.t 7.30",
        "  add_segments        70 s  4 segments added",
    ):
        assert line in text.splitlines()


PARTS = {
    **PROOF,
    "places": {"tables": 60, "rows": 500000, "full": False},
    "misplaced": [],
    "scattered": [],
    "invalid_indexes": [],
    "mirrors": [],
    "skew_tables": [["d.s.t", 4000, 1.0, 1.25]],
}


def test_each_part_of_the_proof_has_a_line():
    lines = render_text(report(proof=PARTS)).splitlines()
    for line in (
        "  a sample of each table, 500000 rows in 60 tables, lies where its hash says",
        "  no table became random",
        "  all indexes are as valid as before",
        "  all instances are up and in sync",
        "    d.s.t  1.000  1.250  4000 rows",
    ):
        assert line in lines


@pytest.mark.parametrize("part", ["misplaced", "scattered", "invalid_indexes", "mirrors"])
def test_each_part_fails_the_expansion_and_is_told(part):
    made = report(proof={**PARTS, part: ["this is wrong"]}, expect_writes=True)
    assert made.outcome == "not proven"
    assert "  this is wrong" in render_text(made).splitlines()


def test_the_text_of_a_failure_ends_with_what_to_do():
    text = render_text(report(Phase.REDISTRIBUTION_STOPPED, proof=None))
    assert text.rstrip().endswith("Cause: the cluster is 'redistribution stopped': because.\nNext: next.")


def test_a_section_is_shown_as_a_table_with_numbers_to_the_right():
    rows = (("sdw1", "512.0", "ok"), ("sdw3", "88.5", "slowest"))
    made = report(sections=[Section("Disk", ("Measured for 15 s.",), ("host", "MB/s", "verdict"), rows)])
    assert """Disk
  Measured for 15 s.
  host   MB/s  verdict
  sdw1  512.0  ok
  sdw3   88.5  slowest
""" in render_text(made)
    assert Section.from_dict(made.to_dict()["sections"][0]) == made.sections[0]

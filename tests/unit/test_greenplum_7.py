"""What a real Greenplum 7.0.0 wrote is understood by everything that reads the words of 6 (recordings/greenplum7)."""

from __future__ import annotations

import re
from pathlib import Path

from greenplum_expansion.checks.gpstate import GpstateReports, check_gpstate
from greenplum_expansion.cluster.gpexpand_log import ControlDataFilter
from greenplum_expansion.cluster.state import ExpansionFacts, Phase, Stage, StatusFile, classify
from greenplum_expansion.operators.segments import errors_said
from greenplum_expansion.redistribution import engine
from tests.unit.clusters import recorded

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings" / "greenplum7"


def _said(name: str) -> str:
    """What the recorded command wrote, without the recording's own lines."""
    lines = (RECORDINGS / f"{name}.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("# host:", "$ ", "[exit code")))


def test_a_status_file_of_an_interrupted_preparation() -> None:
    text = "".join(line for line in _said("40b_status_file_after").splitlines(keepends=True) if line[:1].isupper())

    state = classify(ExpansionFacts(status_file=text, gpexpand_pid=None, schema_exists=False, schema_status=None))

    assert StatusFile.parse(text).input_file == "/home/gpadmin/in.txt"
    assert (state.phase, state.stage) == (Phase.PREPARATION_FAILED, Stage.BUILD_SEGMENTS_STARTED)


def test_a_status_file_past_the_point_of_no_return() -> None:
    said = _said("50_after_a_kill_past_the_point_of_no_return").splitlines(keepends=True)
    text = "".join(line for line in said if re.match(r"[A-Z_]+:", line) and not line.startswith(("ERROR", "LINE")))

    state = classify(ExpansionFacts(status_file=text, gpexpand_pid=None, schema_exists=False, schema_status=None))

    assert (state.phase, state.stage) == (Phase.PREPARATION_UNFINISHED, Stage.SETUP_EXPANSION_SCHEMA_STARTED)


def test_the_reason_why_a_preparation_failed() -> None:
    said = errors_said(_said("40_gpexpand_i_directory_not_empty"))

    assert any("Segment directory '/data/primary/gpseg7' exists but is not empty!" in error for error in said)
    assert not any("gpexpand -r" in error or "gppkg" in error for error in said)


def test_the_log_of_a_preparation_without_control_data() -> None:
    recorded_lines = _said("30_gpexpand_i").splitlines()
    passes = ControlDataFilter().passes
    left = [line for line in recorded_lines if passes(line)]

    assert len(left) < 60 < 300 < len(recorded_lines)
    assert [line for line in recorded_lines if "gpexpand:mdw:" in line] == [
        line for line in left if "gpexpand:mdw:" in line
    ]


class _Left:
    """A cluster on which the tables of recording 35b are left."""

    def query(self, *_: object, **__: object) -> list[dict[str, object]]:
        names = ['odd."Grand child"', "odd.of_two", "odd.mv_empty"]
        return [{"dbname": "demo", "fq_name": name, "status": "NOT STARTED"} for name in names]


def test_why_tables_have_not_moved() -> None:
    left = engine.read_tables_left(_Left(), _said("35_gpexpand_moves_with_a_family"))  # type: ignore[arg-type]

    assert [table.error for table in left] == [
        'cannot expand table "Grand child"; DETAIL:  table has already been expanded',
        'cannot expand table "of_two"; DETAIL:  table has already been expanded',
        'materialized view "mv_empty" has not been populated; HINT:  Use the REFRESH MATERIALIZED VIEW command.',
    ]


def test_gpstate_of_a_healthy_cluster_is_no_finding() -> None:
    reports = GpstateReports(*(_said(f"04_gpstate_{option}") for option in "efim"))

    assert check_gpstate(reports, recorded()) == []

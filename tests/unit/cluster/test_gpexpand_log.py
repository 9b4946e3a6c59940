"""A preparation's log without the control data of every segment, and without losing a word of gpexpand."""

from pathlib import Path

from greenplum_expansion.cluster.gpexpand_log import ControlDataFilter

RECORDING = Path(__file__).resolve().parents[2] / "recordings" / "30_gpexpand_i_plain.txt"


def kept(lines: list[str]) -> list[str]:
    passes = ControlDataFilter().passes
    return [line for line in lines if passes(line)]


def test_the_recorded_preparation_shrinks_to_what_gpexpand_says():
    recorded = RECORDING.read_text().splitlines()
    left = kept(recorded)
    assert len(recorded) > 300
    assert len(left) < 70
    assert not [line for line in left if line.startswith("Latest checkpoint")]
    assert [line for line in recorded if "gpexpand:mdw:gpadmin-[" in line] == [
        line for line in left if "gpexpand:mdw:gpadmin-[" in line
    ]


def test_what_stands_behind_an_error_is_kept():
    lines = [
        "20261120:07:17:36:015573 gpexpand:mdw:gpadmin-[ERROR]:-gpexpand failed: cannot copy",
        "Traceback (most recent call last):",
        '  File "gpexpand", line 2637, in main',
    ]
    assert kept(lines) == lines


def test_a_log_that_begins_in_the_middle_is_kept():
    assert kept(["a line without a time"]) == ["a line without a time"]

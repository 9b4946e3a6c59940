"""The rules that make texts equal hide chance and nothing else: each difference below must stay visible."""

from __future__ import annotations

import pytest

from .compare import Outcome, differences, everything, moved_part, tables_in_any_order
from .normal import RULES, normalise
from .recordings import Recording, parse

LOG = "20261120:07:08:22:005822 gpexpand:mdw:gpadmin-"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{LOG}[INFO]:-Rollback complete.", f"{LOG}[ERROR]:-Rollback complete."),
        (f"{LOG}[INFO]:-Rollback complete.", f"{LOG}[INFO]:-Rollback done."),
        ("BUILD_SEGMENTS_DONE:8", "BUILD_SEGMENTS_DONE:4"),
        (" 11 | 4 | p | p | n | u | 6000 ", " 11 | 4 | p | p | s | u | 6000 "),
        ("11|4|p|n|u", "11|4|p|n|d"),
        ("   Total primary segments   = 4", "   Total primary segments   = 8"),
        ("Port 6000 is used multiple times on host sdw3", "Port 6001 is used multiple times on host sdw3"),
        ("<pg_controldata /data/mirror/gpseg1 dbid 7>", "<pg_controldata /data/mirror/gpseg1 dbid 8>"),
        ("-   PID   = Not found", "-   PID   = 17"),
        ("{'sdw4': '/data/a', 'sdw3': '/data/b'}", "{'sdw4': '/data/b', 'sdw3': '/data/a'}"),
        (
            "drwx------ 22 gpadmin gpadmin 4096 Nov 20 07:21 gpseg4",
            "drwxr-xr-x 22 gpadmin gpadmin 4096 Nov 20 07:21 gpseg4",
        ),
        ("Permission denied (publickey).", "Connection refused"),
        ("sdw1 (dbid 3): no rewind required", "sdw1 (dbid 3): Done!"),
    ],
)
def test_a_difference_on_which_a_decision_hangs_stays_visible(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{LOG}[INFO]:-Exiting...", "20261121:17:00:01:000042 gpexpand:mdw:gpadmin-[INFO]:-Exiting..."),
        ("-Sent Location: 0/C30C3E8", "-Sent Location: 0/14000BE0"),
        (" a | b ", "   a    |   b"),
        ("written to 'gpexpand_inputfile_20261120_071330'", "written to 'gpexpand_inputfile_20270101_000000'"),
        ("{'sdw4': '/data/a', 'sdw3': '/data/b'}", "{'sdw3': '/data/b', 'sdw4': '/data/a'}"),
        ("Date: Fri Nov 20 07:11:08 AM UTC 2026", "Date: Sat Nov 21 09:11:08 UTC 2026"),
    ],
)
def test_chance_is_hidden(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_every_rule_has_a_reason() -> None:
    assert all(len(rule.reason) > 10 for rule in RULES)


def _recording(stdout: str, code: int = 0) -> Recording:
    return Recording("x", "mdw", "gpexpand", stdout, "", code)


def test_another_exit_code_is_a_difference() -> None:
    assert differences(_recording("a", 3), Outcome(0, "a"), everything) == ["exit code: recorded 3, replayed 0"]


def test_tables_may_come_in_any_order_but_a_failed_one_is_seen() -> None:
    recorded = (
        f"{LOG}[INFO]:-Expanding demo.sales.orders\n{LOG}[INFO]:-Expanding demo.stage.ao_row\n{LOG}[INFO]:-Exiting..."
    )
    swapped = (
        f"{LOG}[INFO]:-Expanding demo.stage.ao_row\n{LOG}[INFO]:-Expanding demo.sales.orders\n{LOG}[INFO]:-Exiting..."
    )
    failed = swapped + f"\n{LOG}[ERROR]:-Table demo.sales.orders failed to expand: error 'x' in 'y'"
    assert not differences(_recording(recorded), Outcome(0, swapped), tables_in_any_order)
    assert differences(_recording(recorded), Outcome(0, failed), tables_in_any_order)


def test_how_far_a_stopped_run_came_is_hidden_but_not_that_it_cancelled() -> None:
    end = f"{LOG}[INFO]:-End"
    recorded = f"{LOG}[INFO]:-Expanding demo.a.b\n{LOG}[INFO]:-ALTER TABLE of demo.a.b canceled\n{end}"
    other = (
        f"{LOG}[INFO]:-Expanding demo.hr.bloaty\n{LOG}[INFO]:-ALTER TABLE of demo.hr.bloaty canceled\n{LOG}[INFO]:-End"
    )
    without = f"{LOG}[INFO]:-Expanding demo.hr.bloaty\n{LOG}[INFO]:-End"
    assert not differences(_recording(recorded), Outcome(0, other), moved_part)
    assert differences(_recording(recorded), Outcome(0, without), moved_part)


def test_stderr_that_stuck_out_behind_stdout_is_not_stdout() -> None:
    text = (
        "# host: mdw  user: gpadmin  date: 2026\n$ psql -c x; ls\nCREATE TABLE\nines the distribution of data.\n\n"
        "[exit code 0, 0.7 s]\n[of which on stderr:]\nNOTICE: determines the distribution of data.\n"
    )
    recording = parse("51g", text)
    assert (recording.command, recording.stdout, recording.exit_code) == ("psql -c x; ls", "CREATE TABLE", 0)

"""gpexpand's stand-in where it needs no cluster: input files, placement, times, options, the status file."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from sandbox import layout
from sandbox.utilities.errors import ExpansionError
from sandbox.utilities.gpexpand import inputfile, options
from sandbox.utilities.gpexpand.placement import as_line, place
from sandbox.utilities.gpexpand.statusfile import STAGES, StatusFile
from sandbox.utilities.gpexpand.times import parse_duration, parse_moment
from sandbox.utilities.segments import Array, Segment
from tests.sandbox.conformance.recordings import load


def _array() -> Array:
    """The cluster that was recorded."""
    rows = [
        Segment(s.dbid, s.content, s.role, s.role, "s", "u", s.port, s.host, s.host, s.datadir) for s in layout.SEGMENTS
    ]
    return Array(tuple(sorted(rows, key=lambda s: (s.content, s.dbid))))


def _recorded_file(name: str) -> str:
    rows = [line for line in load(name).stdout.split("\n")[:10] if line.startswith("sdw")]
    return "".join(f"{row}\n" for row in rows)


BAD = (
    "6fields", "colon", "content_exists", "content_gap", "dbid_exists", "dup_datadir", "dup_dbid", "dup_port", "empty",
    "no_mirror", "only_primaries", "port", "role", "same_host",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_file_is_refused_in_the_recorded_words(name: str) -> None:
    recording = load(f"23_gpexpand_i_bad_{name}")
    wanted = next(line for line in recording.stdout.split("\n") if "gpexpand failed: " in line)
    with pytest.raises(ExpansionError) as caught:
        inputfile.validate(_array(), inputfile.parse(_recorded_file(recording.name), f"conf/bad_{name}"))
    assert str(caught.value) == wanted.split("gpexpand failed: ")[1].strip()


def test_a_missing_input_file_is_refused_in_the_recorded_words(tmp_path: Path) -> None:
    with pytest.raises(ExpansionError, match=r"^Input file .* not found$"):
        inputfile.read(str(tmp_path / "missing"), _array())


@pytest.mark.parametrize("name", ["30_gpexpand_i_plain", "23x_gpexpand_i_trailing_space_after_role_ACCEPTED"])
def test_a_good_input_file_is_accepted(name: str) -> None:
    segments = inputfile.parse(_recorded_file(name), "conf/x")
    inputfile.validate(_array(), segments)
    assert inputfile.new_hosts(_array(), segments) == ["sdw4", "sdw3"]


@pytest.mark.parametrize(("name", "extra"), [("20b_interview_stdin_pipe", 0), ("20g_interview_two_more_segs", 1)])
def test_the_interview_places_segments_as_recorded(name: str, extra: int) -> None:
    rows = place(_array(), ["sdw3", "sdw4"], "grouped", ["/data/primary"] * extra, ["/data/mirror"] * extra)
    assert [as_line(row) for row in rows] == _recorded_lines(name)


def _recorded_lines(name: str) -> list[str]:
    return [line for line in load(name).stdout.split("\n") if line.startswith("sdw")]


def test_spread_needs_more_hosts_than_primaries_per_host() -> None:
    with pytest.raises(ExpansionError, match="Not enough hosts for spread mirroring"):
        place(_array(), ["sdw3", "sdw4"], "spread", (), ())


def test_spread_puts_the_mirrors_of_a_host_on_different_hosts() -> None:
    rows = place(_array(), ["sdw3", "sdw4", "sdw5"], "spread", (), ())
    primary = {row.content: row.hostname for row in rows if row.role == "p"}
    mirror = {row.content: row.hostname for row in rows if row.role == "m"}
    assert all(primary[content] != mirror[content] for content in primary)
    assert {mirror[content] for content in primary if primary[content] == "sdw3"} == {"sdw4", "sdw5"}


def test_a_bare_number_is_hours() -> None:
    assert parse_duration("60") == datetime.timedelta(hours=60)
    assert parse_duration("00:00:05") == datetime.timedelta(seconds=5)
    assert parse_duration(":90") == datetime.timedelta(minutes=90)


@pytest.mark.parametrize("text", ["abc", "", "1:2:3:4", "-1"])
def test_a_malformed_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_duration(text)


@pytest.mark.parametrize("text", ["2026-12-31 10:20:30", "20261231 102030", "2026-12-31T10:20:30"])
def test_end_times_may_be_written_in_several_ways(text: str) -> None:
    assert parse_moment(text) == datetime.datetime(2026, 12, 31, 10, 20, 30)  # noqa: DTZ001 (local time)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["-n", "200"], 1), (["-r", "-c"], 1), (["-e", "2001-01-01 00:00:00"], 1), (["-d", "abc"], 2), (["-D", "x"], 2)],
)
def test_bad_options_end_with_the_recorded_code(
    arguments: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        options.parse(arguments)
    capsys.readouterr()
    assert ended.value.code == code


def test_the_earlier_of_duration_and_end_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    parsed = options.parse(["-d", "00:10:00", "-e", "2999-12-31 00:00:00"])
    assert parsed.end is not None
    assert parsed.end.year < 2999
    assert "The duration argument will be used for the expansion end time." in capsys.readouterr().out


def test_the_status_file_is_written_line_by_line_and_read_back(tmp_path: Path) -> None:
    status = StatusFile(tmp_path)
    status.write("UNINITIALIZED")
    status.write("EXPANSION_PREPARE_STARTED", "/home/gpadmin/conf/expand_4seg")
    assert status.path.read_text() == "UNINITIALIZED:None\nEXPANSION_PREPARE_STARTED:/home/gpadmin/conf/expand_4seg\n"
    again = StatusFile(tmp_path)
    assert again.read()
    assert again.stage == "EXPANSION_PREPARE_STARTED"
    assert not again.cannot_roll_back


def test_a_colon_in_the_input_file_s_path_makes_the_status_file_unreadable(tmp_path: Path) -> None:
    StatusFile(tmp_path).write("EXPANSION_PREPARE_STARTED", "/home/gpadmin/manual__2026-11-20T10:00/file")
    with pytest.raises(ValueError, match="too many values to unpack"):
        StatusFile(tmp_path).read()


def test_no_rollback_from_the_change_of_the_catalog_on(tmp_path: Path) -> None:
    status = StatusFile(tmp_path)
    for stage in STAGES[: STAGES.index("UPDATE_CATALOG_DONE")]:
        status.write(stage)
        assert not status.cannot_roll_back
    status.write("UPDATE_CATALOG_DONE")
    assert status.cannot_roll_back
    status.write("SETUP_EXPANSION_SCHEMA_STARTED")
    status.rewind("UPDATE_CATALOG_DONE")
    assert status.stage == "UPDATE_CATALOG_DONE"

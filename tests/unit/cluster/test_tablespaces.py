"""The .ts file: as gpexpand writes and reads it, and nothing else is let through."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from greenplum_expansion.cluster.tablespaces import Tablespace, instance_directories, parse, render
from greenplum_expansion.cluster.topology import Host
from greenplum_expansion.planning.placement import PlacementError, Wishes, place
from greenplum_expansion.planning.tablespaces import locate
from tests.unit.clusters import recorded

RECORDING = Path(__file__).parents[2] / "recordings" / "78_interview_with_tablespace.txt"
NEW = place(recorded(), [Host("sdw3", "sdw3"), Host("sdw4", "sdw4")], "grouped")
FAST = Tablespace("fastts", 17012, "/data/ts1", dict.fromkeys(range(4), "/data/ts1"))
COLD = Tablespace("cold", 18000, "/data/cold", {0: "/disk1/cold", 1: "/disk2/cold", 2: "/disk1/cold", 3: "/disk2/cold"})


def test_the_recorded_interview_wrote_the_same_file() -> None:
    said = RECORDING.read_text()
    written = said[said.index("tableSpaceNameOrders=") : said.index("\n\n[exit code")] + "\n"
    assert render([FAST], locate(recorded(), NEW, [FAST], {})) == written


def test_without_tablespaces_there_is_no_file() -> None:
    assert render([], {}) == ""
    assert parse("\n# nothing\n", []) == {}


def test_what_is_written_is_read_again() -> None:
    located = locate(recorded(), NEW, [FAST, COLD], {})
    assert parse(render([FAST, COLD], located), [FAST, COLD]) == located


def test_the_order_of_the_file_is_not_that_of_the_oids() -> None:
    text = "tableSpaceNameOrders=cold|fastts\ntableSpaceOidOrders=18000|17012\n11|/c|/f\n"
    assert parse(text, [FAST, COLD]) == {11: ("/f", "/c")}


def test_a_name_that_would_break_the_lines_is_written_without_what_breaks_them() -> None:
    odd = Tablespace("a|b=c\nd", 17, "/x")
    assert render([odd], {11: ["/x"]}).splitlines() == [
        "tableSpaceNameOrders=a_b_c_d",
        "tableSpaceOidOrders=17",
        "11|/x",
    ]


HEAD = "tableSpaceNameOrders=fastts\ntableSpaceOidOrders=17012\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the first two lines must begin with"),
        ("11|/data/ts1\n", "the first two lines must begin with"),
        ("tableSpaceNameOrders=x\ntableSpaceOidOrders=99\n", "names 99; the cluster's tablespaces are 17012"),
        (HEAD + "x|/a\n", "line 3: dbid is 'x', must be a number"),
        (HEAD + "11|/a|/b\n", "line 3: expected 1 directories after the dbid, found 2"),
        (HEAD + "11|/a\n11|/b\n", "line 4: dbid 11 is given twice"),
        (HEAD + "11|data\n", "line 3: directory 'data' is not absolute"),
        (HEAD + "11|/$(reboot)\n", "contains '$', which gpexpand cannot carry"),
    ],
)
def test_a_wrong_line_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(text, [FAST])


def test_lines_for_tablespaces_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="the cluster has no user tablespace"):
        parse(HEAD, [])


def test_new_segments_follow_the_existing_one_on_the_same_disk() -> None:
    wishes = Wishes(primary_directories=("/disk1/primary", "/disk2/primary"))
    before = recorded()
    disks = {0: "/disk1", 1: "/disk2", 2: "/disk1", 3: "/disk2"}
    rows = [
        {**row, "datadir": f"{disks[row['content']]}/primary/gpseg{row['content']}"}
        if row["content"] >= 0 and row["preferred_role"] == "p"
        else row
        for row in before.to_rows()
    ]
    on_disks = type(before).from_rows(rows)
    new = place(on_disks, [Host("sdw3", "sdw3"), Host("sdw4", "sdw4")], "grouped", wishes)
    assert locate(on_disks, new, [COLD], {}) == {
        11: ("/disk1/cold",), 12: ("/disk2/cold",), 13: ("/disk1/cold",), 14: ("/disk2/cold",)
    }  # fmt: skip


def test_a_wished_directory_goes_before_all_others() -> None:
    assert set(locate(recorded(), NEW, [FAST], {"fastts": "/nvme"}).values()) == {("/nvme",)}


def test_a_wish_for_an_unknown_tablespace_is_refused() -> None:
    with pytest.raises(PlacementError, match="the cluster's tablespaces are: fastts; correct the name"):
        locate(recorded(), NEW, [FAST], {"fast": "/nvme"})


def test_a_directory_gpexpand_cannot_carry_is_refused_with_the_way_out() -> None:
    spaced = Tablespace("odd", 17, "/my data")
    with pytest.raises(PlacementError, match=r"tablespace odd: .*give it another directory"):
        locate(recorded(), NEW, [spaced], {})


def test_mirrors_have_the_directories_of_their_primaries_with_dbids_of_their_own() -> None:
    directories = instance_directories(NEW, {11: ("/a",), 12: ("/b",), 13: ("/a",), 14: ("/b",)})
    assert {(i.hostname, path) for i, path in directories if i.content == 5} == {("sdw3", "/b/12"), ("sdw4", "/b/18")}
    assert len(directories) == 8

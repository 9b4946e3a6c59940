"""What an approver makes of the plan: taken if it holds, refused with every reason if not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenplum_expansion.cluster.input_file import render
from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.cluster.topology import Host
from greenplum_expansion.planning.edit import Edit, judge_edit
from greenplum_expansion.planning.placement import place
from greenplum_expansion.planning.plan import Plan
from tests.unit.clusters import recorded

TABLESPACE = Tablespace("fastts", 17012, "/data/ts1")
PLAIN = Plan(
    "x",
    "Greenplum 6",
    recorded(),
    place(recorded(), [Host("sdw3", "10.0.0.3"), Host("sdw4", "10.0.0.4")], "grouped"),
    (),
    (),
)
WITH_TABLESPACE = replace(
    PLAIN, tablespaces=(TABLESPACE,), locations={11: ("/ts",), 12: ("/ts",), 13: ("/ts",), 14: ("/ts2",)}
)


def edit(*changes: tuple[str, str], plan: Plan = PLAIN, tablespaces: str | None = None) -> Edit:
    text = plan.input_file
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return judge_edit(plan.before, plan, text, plan.tablespace_file if tablespaces is None else tablespaces)


def digest(found: Edit) -> str:
    assert found.plan is not None, found.errors
    return found.plan.digest


def said(found: Edit) -> str:
    assert found.plan is None
    return "\n".join(map(str, found.errors))


def test_an_unchanged_text_is_the_plan() -> None:
    assert digest(edit()) == PLAIN.digest
    assert digest(edit(plan=WITH_TABLESPACE)) == WITH_TABLESPACE.digest


def test_comments_blank_lines_and_line_ends_of_browsers_change_nothing() -> None:
    text = "# looked at by me\r\n\r\n" + PLAIN.input_file.replace("\n", "\r\n")
    assert digest(judge_edit(recorded(), PLAIN, text, "")) == PLAIN.digest


def test_dbids_may_be_exchanged_and_give_another_digest() -> None:
    found = edit(("|11|4|p", "|00|4|p"), ("|12|5|p", "|11|5|p"), ("|00|4|p", "|12|4|p"))
    assert found.plan is not None
    assert found.plan.digest != PLAIN.digest
    assert found.deviations == ()


def test_leaving_out_a_segment_is_accepted_only_after_a_second_look() -> None:
    left = [i for i in PLAIN.new if i.content != 7]
    numbered = [replace(i, dbid=11 + position) for position, i in enumerate(left)]
    found = judge_edit(recorded(), PLAIN, render(numbered), "")
    assert found.plan is not None
    assert "it will have 1 primaries, sdw1 2" in "\n".join(map(str, found.deviations))


@pytest.mark.proves("edited-plan")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("sdw3|10.0.0.3|6000", "sdw9|10.0.0.9|6000"), "sdw9 was not checked for this expansion. Remedy: use sdw3, "),
        (("sdw3|10.0.0.3|6000", "sdw1|sdw1|6005"), "host sdw1 was not checked for this expansion"),
        (("sdw3|10.0.0.3|6000", "sdw3|10.9.9.9|6000"), "address 10.9.9.9 of sdw3 was not checked"),
        (("|6000|/data/primary/gpseg4", "|6009|/data/primary/gpseg4"), "port 6009 on sdw3 was not checked"),
        (("/data/primary/gpseg4", "/other/gpseg4"), "directory /other on sdw3 was not checked"),
        (("/data/primary/gpseg4", "/data/pri mary/gpseg4"), "line 1: directory '/data/pri mary/gpseg4' contains ' '"),
        (("|6000|/data/primary/gpseg4", "|6000|$(reboot)"), "line 1: directory '$(reboot)' is not absolute"),
        (("sdw3|10.0.0.3|6000", "-oProxyCommand=x|10.0.0.3|6000"), "line 1: '-oProxyCommand=x' is not a host name"),
        (("|11|4|p", "|11|4"), "line 1: expected 7 fields"),
        (("|11|4|p", "|11|9|p"), "content 9: it leaves a gap"),
        (("|11|4|p", "|12|4|p"), "gpexpand accepts only 11 to 18, each once"),
        (("sdw4|10.0.0.4|7000", "sdw3|10.0.0.3|7000"), "primary and mirror are both on sdw3"),
    ],
)  # fmt: skip
def test_what_was_not_checked_or_cannot_be_is_refused(change: tuple[str, str], reason: str) -> None:
    assert reason in said(edit(change))


def test_an_emptied_text_is_refused() -> None:
    assert "it defines no new segment" in said(judge_edit(recorded(), PLAIN, "", ""))


def test_all_reasons_are_told_at_once() -> None:
    found = edit(("|6000|/data/primary/gpseg4", "|6009|/other/gpseg4"), ("|12|5|p", "|99|5|p"))
    assert len(found.errors) == 3


@pytest.mark.proves("tablespace-locations")
@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("11|/ts\n", "", "primary of content 4 on sdw3:6000: it has no line in the tablespace file"),
        ("11|/ts", "21|/ts", "dbid 21 in the tablespace file: no new primary has this dbid"),
        ("11|/ts\n", "11|/nvme\n", "directory /nvme for tablespaces was not checked on sdw3"),
        ("tableSpaceOidOrders=17012", "tableSpaceOidOrders=1", "the cluster's tablespaces are 17012"),
        ("11|/ts", "11|/../etc", "contains '..'"),
    ],
)
def test_a_wrong_tablespace_file_is_refused(old: str, new: str, reason: str) -> None:
    text = WITH_TABLESPACE.tablespace_file
    assert old in text
    assert reason in said(edit(plan=WITH_TABLESPACE, tablespaces=text.replace(old, new)))


def test_tablespaces_may_be_exchanged_between_checked_directories() -> None:
    text = WITH_TABLESPACE.tablespace_file.replace("13|/ts", "13|/ts2")
    found = edit(plan=WITH_TABLESPACE, tablespaces=text)
    assert found.plan is not None
    assert found.plan.locations[13] == ("/ts2",)

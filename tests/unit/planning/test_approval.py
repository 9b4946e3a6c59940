"""What the approver reads: what happens, what cannot be undone, what was found; and no name can form markup in it."""

from __future__ import annotations

from dataclasses import replace

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.planning.approval import approval_text
from greenplum_expansion.planning.placement import Wishes, place
from greenplum_expansion.planning.section import Section
from greenplum_expansion.request import RollbackRequest
from tests.unit.clusters import recorded
from tests.unit.planning.test_plan import plan


def test_it_says_what_happens_and_what_cannot_be_undone() -> None:
    text = approval_text(plan(), [Finding.warning("standby", "`none`", "add one")])
    assert "grows from 4 to 8 segments by the hosts sdw3, sdw4." in text
    assert "40 tables, 5.0 GiB in 1 databases, are rewritten" in text
    assert "**From there on the way is forward only.**" in text
    assert "no table can be created, altered or dropped" in text
    assert "- `WARNING standby: 'none'. Remedy: add one.`" in text


def test_it_owns_up_to_what_was_changed_before_and_how_that_is_taken_back() -> None:
    text = approval_text(plan(), [])
    assert "nothing in the cluster has changed" not in text
    for said in ("`/etc/hosts`", "`gpssh-exkeys`", "`gpcheckcat` may have dropped", "takes nothing of that back"):
        assert said in text
    assert str(RollbackRequest.model_fields["undo_preparation"].title) in text


def test_old_and_new_hosts_stand_in_one_table() -> None:
    lines = approval_text(plan(), []).splitlines()
    assert "| sdw1 |  | 0-1 | 6000-6001 | /data/primary | 2-3 | 7000-7001 | /data/mirror | sdw2 |" in lines
    assert "| sdw3 | new | 4-5 | 6000-6001 | /data/primary | 6-7 | 7000-7001 | /data/mirror | sdw4 |" in lines


def test_existing_hosts_that_get_segments_are_named() -> None:
    grown = plan(new=place(recorded(), [], "grouped", Wishes(more_primaries=1)))
    assert "grows from 4 to 6 segments on sdw1, sdw2." in approval_text(grown, [])


def test_warnings_come_before_what_is_only_for_information() -> None:
    findings = [Finding.warning("standby", "it is down", "start it"), Finding.note("sdw3", "its key was met")]
    text = approval_text(plan(), findings)
    assert text.index("WARNING standby") < text.index("For information (1):") < text.index("NOTE sdw3")
    assert "No warnings." in approval_text(plan(), findings[1:])


def test_what_earlier_steps_found_out_is_shown() -> None:
    sections = [Section("Backup", ("It restores the old layout only.",), ("Database", "Size"), (("dwh", "5 GiB"),))]
    text = approval_text(plan(), [], sections)
    assert (
        "### Backup\n\nIt restores the old layout only.\n\n| Database | Size |\n| --- | --- |\n| dwh | 5 GiB |" in text
    )


def test_a_long_table_is_cut_and_says_so() -> None:
    text = approval_text(plan(), [], [Section("Survey", (), ("Table",), tuple((f"t{n}",) for n in range(99)))])
    assert "| t29 |" in text
    assert "| t30 |" not in text
    assert "and 69 more rows, which the report shows" in text


def test_tablespaces_are_shown_where_they_will_lie() -> None:
    tablespace = Tablespace("fast|ts", 17, "/data/ts")
    text = approval_text(
        plan(tablespaces=(tablespace,), locations={11: ("/a",), 12: ("/b",), 13: ("/a",), 14: ("/b",)}), []
    )
    assert "| fast\\|ts | /data/ts | /a | 4, 6 |" in text
    assert "| fast\\|ts | /data/ts | /b | 5, 7 |" in text


def test_why_an_edit_was_refused_stands_on_top() -> None:
    refused = approval_text(plan(), [], (), [Finding.error("content 9", "it leaves a gap", "number them")])
    assert refused.startswith("## The edited plan cannot be carried out\n")
    assert "- `ERROR content 9: it leaves a gap. Remedy: number them.`" in refused
    doubted = approval_text(plan(), [], (), [Finding.warning("sdw3", "less", "accept it")])
    assert doubted.startswith("## The edited plan differs from the pattern\n")


def test_no_name_can_form_markup_or_end_a_row() -> None:
    odd = Topology(
        tuple(
            replace(i, datadir=f"/a|b_`*<script>[x](http://evil)\n# h/gpseg{i.content}") for i in recorded().instances
        )
    )
    text = approval_text(plan(before=odd), [Finding.note("a`b\n# c", "d")])
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\n# " not in text
    rows = [line for line in text.splitlines() if line.startswith("| sdw1 ")]
    directory = r"/a\|b\_\`\*\<script\>\[x\](http://evil) \# h"
    assert rows == [f"| sdw1 |  | 0-1 | 6000-6001 | {directory} | 2-3 | 7000-7001 | {directory} | sdw2 |"]

"""Pages that bring themselves up to date, drafts that are kept, and names that are only names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from playwright.sync_api import expect
from sqlalchemy import update

from greenplum_expansion.planning.record import TableRecord
from tests.pages.browser.conftest import Served
from tests.pages.scenes import FAILED, MOVING, NEW, OVER, WAITING, WATCH, Stage, moves_of, progress_of, report_of
from tests.support.browsing import Person
from tests.unit.planning.test_record import leave

pytestmark = pytest.mark.airflow

EVIL = """x"'><script>document.title='owned'</script>%2F&amp;"""
"""Part of a name that ends every context a careless page could put it in."""


def test_every_cluster_is_seen_as_it_is(person: Person) -> None:
    person.open("/clusters")
    cards = person.page.locator("section.card")
    for conn_id in (FAILED, MOVING, NEW, OVER, WAITING):
        expect(cards.filter(has=person.page.get_by_role("heading", name=conn_id, exact=True))).to_have_count(1)
    expect(cards.filter(has_text=f"The cluster {MOVING}")).to_contain_text("under way")
    assert person.complaints == []


def test_an_expansion_goes_on_under_the_eyes_of_who_looks(person: Person, served: Served) -> None:
    """What tasks leave is shown by the next look of the page, without its being loaded anew."""
    stage, of_run = Stage(served.seeds, tables=120), {"run_id": "goes-on"}
    stage.moving("grows", "goes-on")
    page = person.page
    page.clock.install()  # its five seconds pass when the test says so
    person.open("/runs/greenplum_expand/goes-on")
    expect(page.locator("#tables .counts")).to_contain_text("59 moved")
    page.locator("#search").fill("region")
    page.clock.run_for(1000)  # whoever types is waited for
    expect(page.locator("#tables .counts")).to_contain_text("120 found")
    page.evaluate("() => { window.was_never_left = true; }")

    moved = [replace(table, state="c", seconds=1.0) for table in stage.tables]
    served.seeds.left(WATCH, "progress", progress_of(moved), **of_run)
    served.seeds.left(WATCH, "moves", {**moves_of(moved), "sessions": []}, **of_run)
    served.seeds.left(WATCH, "moved.0", leave(moved)["moved.0"], **of_run)
    page.clock.run_for(6000)
    expect(page.locator("#progress-title")).to_have_text("Moved so far: 100 %")
    expect(page.locator("#tables .counts")).to_contain_text("120 moved")
    expect(page.locator("#search")).to_have_value("region")

    served.seeds.question("approve_edit", body="Is **this** right?", **of_run)
    page.clock.run_for(6000)
    expect(page.locator("#question")).to_contain_text("Is this right?")

    served.seeds.left("report", "report", report_of("grows"), **of_run)
    with served.seeds.session() as session:
        session.execute(update(TaskInstance).where(TaskInstance.run_id == "goes-on").values(state="success"))
        session.execute(update(DagRun).where(DagRun.run_id == "goes-on").values(state="success"))
    page.clock.run_for(6000)
    expect(page.locator("#found")).to_contain_text("Report: complete")
    expect(page.locator("#question")).to_be_empty()
    assert page.evaluate("() => window.was_never_left")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(20_000)
    assert [url for url in asked if "/live" in url] == []  # it is over

    # Somebody has a task run again in Airflow: a page that is still open goes on.
    with served.seeds.session() as session:
        session.execute(update(DagRun).where(DagRun.run_id == "goes-on").values(state="running"))
    with page.expect_navigation():
        page.clock.run_for(61_000)
    expect(page.locator("#live .state")).to_contain_text("running")
    assert person.complaints == []


def test_an_edit_outlives_an_answer_that_is_refused(person: Person, served: Served) -> None:
    Stage(served.seeds, tables=0).moving("edits", "edited")
    served.seeds.question("approve_edit", body="Right?", run_id="edited", params={"input_file": "sdw3|a|1"})
    person.open("/runs/greenplum_expand/edited")
    field = person.page.locator("#question textarea")
    field.fill("sdw3|edited|1")
    person.page.evaluate("() => { document.querySelector('meta[name=\"greenplum-token\"]').content = 'too old'; }")
    person.page.locator("#question button").first.click()
    expect(person.page.locator("#said")).to_contain_text("token")
    expect(field).to_have_value("sdw3|edited|1")


def test_a_token_is_renewed_while_a_page_is_open(person: Person, served: Served) -> None:
    page = person.page
    page.clock.install()
    person.open("/clusters")
    page.evaluate("() => { document.querySelector('meta[name=\"greenplum-token\"]').content = 'too old'; }")
    with page.expect_response("**/trouble"):
        page.clock.run_for(61_000)
    page.wait_for_function("() => document.querySelector('meta[name=\"greenplum-token\"]').content !== 'too old'")


def test_trouble_is_told_once_and_until_it_is_over(person: Person) -> None:
    page = person.page
    page.clock.install()
    person.open("/clusters")
    page.route("**/clusters/list", lambda route: route.fulfill(status=503, body="Airflow is being restarted"))
    with page.expect_response("**/clusters/list"):
        page.clock.run_for(5_500)
    expect(page.locator("#said")).to_have_text("Airflow is being restarted")
    page.unroute("**/clusters/list")
    with page.expect_response("**/clusters/list"):
        page.clock.run_for(5_500)
    expect(page.locator("#said")).to_be_empty()


def test_each_cluster_has_a_draft_and_no_failure_loses_one(person: Person) -> None:
    page = person.page
    for conn_id, primaries in ((OVER, "1"), (NEW, "2")):
        person.open(f"/wizard?conn={conn_id}")
        person.next_step("New hosts")
        person.choose({"more_primaries": primaries})
    person.open(f"/wizard?conn={OVER}")
    expect(page.locator("#f-more_primaries")).to_have_value("1")
    person.open(f"/wizard?conn={NEW}")
    expect(page.locator("#f-more_primaries")).to_have_value("2")

    page.route("**/wizard/step", lambda route: route.fulfill(status=503, body="Airflow is being restarted"))
    page.reload()
    expect(page.get_by_text("The draft cannot be shown now")).to_be_visible()
    page.unroute("**/wizard/step")
    page.get_by_role("link", name="Try again").click()
    expect(page.locator("#f-more_primaries")).to_have_value("2")
    person.button("Forget the draft").click()
    expect(page.locator("#step-title")).to_have_text("What will happen")
    person.open(f"/wizard?conn={OVER}")
    expect(page.locator("#f-more_primaries")).to_have_value("1")


def test_a_request_is_used_again(person: Person, served: Served) -> None:
    conf: dict[str, Any] = {"new_hosts": ["sdw8=10.0.0.8"], "parallel_moves": 7, "of_another_version": 1}
    served.seeds.run(run_id="rejected", state="success", minutes=9, **conf)
    person.open("/runs/greenplum_expand/rejected")
    person.page.get_by_role("link", name="Use this request again").click()
    expect(person.page.locator("#step-title")).to_have_text("Review")
    expect(person.page.locator("#step")).to_contain_text("sdw8=10.0.0.8")
    assert person.draft()["draft"]["parallel_moves"] == 7
    assert person.page.url.endswith("/wizard")


def test_a_draft_survives_a_reload_and_another_page(person: Person) -> None:
    person.open("/wizard")
    person.page.locator("#f-greenplum_conn_id").select_option(OVER)
    expect(person.page.locator("#step")).to_have_attribute("data-draft", re.compile(OVER))  # shown anew for it
    person.next_step("New hosts")
    person.choose({"memory": "256 GB"} if person.page.locator("#f-memory").count() else {"more_primaries": 1})
    person.open("/clusters")
    person.page.reload()
    person.open("/wizard")
    expect(person.page.locator("#step-title")).to_have_text("New hosts")
    expect(person.page.locator("#f-more_primaries")).to_have_value("1")
    assert person.draft()["draft"]["greenplum_conn_id"] == OVER
    person.button("Forget the draft").click()
    expect(person.page.locator("#step-title")).to_have_text("What will happen")
    person.page.reload()
    expect(person.page.locator("#step-title")).to_have_text("What will happen")


def test_names_are_only_names(person: Person, served: Served) -> None:
    """Of tables, hosts, connections, runs, sessions, and in what servers and people say."""
    stage = Stage(served.seeds, tables=0)
    stage.tables = [
        TableRecord(EVIL, EVIL, 5, "f", None, 5, EVIL),
        TableRecord("dwh", f"sales.{EVIL}", 9, "m"),
    ]
    conn_id, run_id = f"conn {EVIL}", f"run {EVIL}".replace("/", "")  # no server tells '/' and '%2F' in a path apart
    stage.moving(conn_id, run_id)
    stage.look(conn_id, "look-at-evil", {f"{EVIL}=10.0.0.9": []})
    served.seeds.connection("told", description=EVIL)  # Airflow takes no such id, but for what a run was asked
    served.seeds.question(
        "approve_edit", body=f"<b>{EVIL}</b> [x](javascript:alert(1))", run_id=run_id, params={EVIL: EVIL}
    )
    person.open(f"/runs/greenplum_expand/{quote(run_id, safe='')}")
    page = person.page
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Expansion of {conn_id}")
    expect(page.locator("#tables tbody tr")).to_have_count(2)
    expect(page.locator("#tables tbody tr").first).to_contain_text(f"{EVIL}.{EVIL}")
    expect(page.locator("#question textarea")).to_have_value(EVIL)
    expect(page.locator("#question .text")).to_contain_text("<script>document.title='owned'</script>%2F")

    person.open("/clusters")
    card = page.locator("section.card").filter(has_text=conn_id)
    expect(page.locator("section.card", has_text="told").locator(".quiet").first).to_have_text(EVIL)
    card.locator("p a").click()  # the address of its last expansion holds all of this
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Expansion of {conn_id}")
    person.open(f"/wizard?conn={quote(conn_id)}")
    expect(page.locator("#f-greenplum_conn_id")).to_have_value(conn_id)

    assert page.locator("script:not([src])").count() == 0
    assert page.title() != "owned"
    assert person.complaints == []

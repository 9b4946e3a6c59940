"""What somebody does with parts of a page that are replaced under their hands, at a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.pages.browser.conftest import Served
from tests.support.browsing import Person

pytestmark = pytest.mark.airflow


def test_a_line_of_the_bar_that_was_closed_stays_away_until_there_is_news(person: Person, served: Served) -> None:
    served.seeds.run(run_id="closing", greenplum_conn_id="closing")
    line = person.page.locator("#bar .bar", has_text="Expansion of closing")
    person.open("/clusters")
    person.button("Close: Expansion of closing").click()
    expect(line).to_have_count(0)
    person.open("/wizard")
    expect(person.page.locator("#step-title")).to_be_visible()
    expect(line).to_have_count(0)
    served.seeds.task("approve_plan", "awaiting_input", run_id="closing")
    person.open("/clusters")
    expect(line).to_contain_text("waits for an answer")
    assert person.complaints == []


def test_what_is_open_and_what_has_the_focus_stay_so_while_the_page_looks_again(person: Person) -> None:
    page = person.page
    page.clock.install()
    person.open("/runs/greenplum_expand/moving")
    summary = page.locator("#chart-table-summary")
    summary.click()
    summary.focus()
    rows = page.locator("#chart-table tbody tr")
    expect(rows.first).to_be_visible()
    old = rows.first.element_handle()
    assert old is not None
    with page.expect_response(lambda answer: "/moving/live" in answer.url):
        page.clock.run_for(6000)
    page.wait_for_function("row => !row.isConnected", arg=old)
    expect(rows.first).to_be_visible()
    expect(summary).to_be_focused()
    assert person.complaints == []


def test_one_button_shows_only_what_failed(person: Person) -> None:
    person.open("/runs/greenplum_expand/stuck")
    person.button("Show only these").click()
    expect(person.page.get_by_label("Status")).to_have_value("f")
    expect(person.page.locator("#tables .counts")).to_contain_text("found")
    expect(person.page.locator("#tables tbody tr").first).to_contain_text("lock timeout")
    expect(person.page.locator("#tables .tag.moved")).to_have_count(0)
    assert person.complaints == []

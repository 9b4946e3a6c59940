"""The wizard while somebody types: what it would come to follows, and half a time is no time."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.pages.scenes import OVER
from tests.support.browsing import Person

pytestmark = pytest.mark.airflow

DRAFT = {"greenplum_conn_id": OVER, "new_hosts": ["sdw5", "sdw6=10.0.0.6"]}


def begin_at(person: Person, step: str) -> None:
    person.open("/clusters")
    person.page.evaluate(
        "kept => localStorage.setItem('greenplum-expansion-draft', kept)", json.dumps({"step": step, "draft": DRAFT})
    )
    person.open("/wizard")
    expect(person.page.locator(f'form[data-step="{step}"]')).to_be_visible()


def test_half_a_time_is_refused_where_a_browser_would_leave_it_out(person: Person) -> None:
    begin_at(person, "tables")
    page = person.page
    page.locator("#f-not_before").press("1")
    expect(page.locator("#preview")).to_contain_text("is no time")
    person.button("Next").click()
    expect(page.locator("#wrong")).to_contain_text("is no time")


def test_the_review_shows_the_request_as_it_will_be_sent(person: Person) -> None:
    begin_at(person, "tables")
    page = person.page
    page.locator("#f-not_before").fill("2030-11-28T20:00")
    expect(page.locator("#preview")).to_contain_text("From Thu 2030-11-28 20:00 (UTC)")
    person.button("Next").click()
    expect(page.locator("#step-title")).to_have_text("Review")
    page.get_by_text("The same request as JSON").click()
    page.locator("summary", has_text="More choices").click()
    page.locator("#f-mail_to").fill("dba@example.com")
    shown = page.locator("#conf")
    expect(shown).to_contain_text("dba@example.com")
    expect(shown).to_be_visible()  # what was opened stays open
    assert json.loads(shown.text_content() or "") == {
        **DRAFT,
        "not_before": "2030-11-28T20:00",
        "mail_to": ["dba@example.com"],
    }
    assert person.complaints == []

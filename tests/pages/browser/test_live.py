"""Pages that bring themselves up to date, at a real browser before a real API server."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.pages.scenes import FAILED, MOVING, NEW, OVER, WAITING
from tests.support.browsing import Person

pytestmark = pytest.mark.airflow


def test_every_cluster_is_seen_as_it_is(person: Person) -> None:
    person.open("/clusters")
    cards = person.page.locator("section.card")
    expect(cards.get_by_role("heading")).to_have_text(sorted([FAILED, MOVING, NEW, OVER, WAITING]))
    expect(cards.filter(has_text=f"The cluster {MOVING}")).to_contain_text("under way")
    assert person.complaints == []

"""Every page in every state, wide and wider, light and dark: no barrier, nothing to the side, nothing from outside."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.pages.views import PAGES
from tests.support.browsing import Person

pytestmark = pytest.mark.airflow

WIDTHS = (1280, 1920)
EXPECTED_COMPLAINTS = {"nobody": "401", "no permission": "403", "no such run": "404"}
"""A browser notes each answer that refuses a page."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier_and_needs_nothing_from_outside(name: str, person_of: Callable[..., Person]) -> None:
    person = person_of("viewer" if name == "no permission" else "op")
    PAGES[name](person)
    found = {}
    for width in WIDTHS:
        person.page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            person.page.emulate_media(color_scheme=scheme)
            if name != "nobody":  # style and scripts are for who is logged in
                expect(person.page.locator("html")).to_have_attribute("data-theme", scheme)
            found[width, scheme] = person.barriers()
        found[width, "hidden at the side"] = person.beside_the_window()
    assert {where: what for where, what in found.items() if what} == {}
    assert [said for said in person.complaints if EXPECTED_COMPLAINTS.get(name, "nothing") not in said] == []
    assert person.elsewhere == []

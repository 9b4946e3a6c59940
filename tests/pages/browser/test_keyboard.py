"""The wizard from its first step to the run, without a mouse."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.pages.browser.conftest import Served
from tests.pages.scenes import NEW
from tests.support.browsing import Person

pytestmark = pytest.mark.airflow

CLUSTER = "typed"
_MOST_TABS = 120


@pytest.fixture
def cluster(served: Served) -> str:
    """One that may be expanded; a run of it disturbs no other test."""
    served.seeds.connection(CLUSTER)
    served.stage.look(CLUSTER, "look-at-typed")
    return CLUSTER


def tab_to(person: Person, wanted: Locator) -> None:
    """By Tab alone; whatever has the focus on the way shows it."""
    expect(wanted).to_be_attached()
    for _ in range(_MOST_TABS):
        person.page.keyboard.press("Tab")
        focused = person.page.locator(":focus")
        if focused.count():
            assert focused.evaluate(
                "it => it.matches(':focus-visible') && parseFloat(getComputedStyle(it).outlineWidth) >= 2"
            )
            assert focused.evaluate("it => it.getBoundingClientRect().height > 0")
        if wanted.evaluate("it => it === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not reached by {_MOST_TABS} Tabs")


def press(person: Person, wanted: Locator, key: str = "Enter") -> None:
    """Go there, and press."""
    tab_to(person, wanted)
    person.page.keyboard.press(key)


def test_the_wizard_needs_no_mouse(person: Person, cluster: str) -> None:
    page, keys = person.page, person.page.keyboard
    title = page.locator("#step-title")
    person.open("/clusters")
    keys.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    press(person, page.get_by_role("link", name="Expand a cluster"))
    expect(title).to_have_text("What will happen")

    chosen = page.locator("#f-greenplum_conn_id")
    tab_to(person, chosen)
    for key, name in (("End", NEW), ("ArrowUp", cluster)):  # the focus is there at every step
        with page.expect_response("**/wizard/step") as shown:
            keys.press(key)
        shown.value.finished()
        expect(page.locator("#step")).to_have_attribute("data-draft", re.compile(f'"greenplum_conn_id": "{name}"'))
        expect(chosen).to_be_focused()
    press(person, person.button("Next"))
    expect(title).to_have_text("New hosts")
    expect(title).to_be_focused()

    press(person, person.button("Next"))  # too early: the focus is where the mistakes are told
    expect(page.locator("#wrong")).to_contain_text("name at least one host")
    expect(page.locator("#wrong")).to_be_focused()
    tab_to(person, page.locator("#add"))
    keys.type("sdw5, sdw6=10.0.0.6, sdw7")
    keys.press("Enter")
    expect(page.locator(".host")).to_have_count(3)
    expect(page.locator("#add")).to_be_focused()
    press(person, person.button("Remove sdw7"), "Space")
    expect(page.locator(".host")).to_have_count(2)
    expect(page.locator("#add")).to_be_focused()  # what had the focus is gone
    press(person, person.button("Next"))
    expect(title).to_have_text("Paths and placement")

    expect(page.locator(".rack.new")).to_have_count(2)
    mirroring = page.locator("#f-mirroring")
    tab_to(person, mirroring)
    keys.press("ArrowDown")
    expect(mirroring).not_to_have_value("as existing")
    keys.press("ArrowUp")
    press(person, person.button("Next"))
    expect(title).to_have_text("Redistribution")

    press(person, person.button("In windows"))
    expect(page.locator("#f-windows")).to_be_focused()
    expect(page.locator("#preview")).to_contain_text("The next windows")
    expect(page.locator("#preview .forecast")).to_contain_text("Windows needed")
    tab_to(person, page.locator("#f-parallel_moves"))
    keys.press("ArrowUp")
    expect(page.locator("#preview")).to_contain_text("5 tables at a time")  # the forecast follows what is typed
    press(person, person.button("Next"))
    expect(title).to_have_text("Review")

    press(person, page.locator("[data-expand=expand]"))
    page.wait_for_url("**/runs/greenplum_expand/**")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Expansion of {cluster}")
    assert person.complaints == []

"""A whole expansion by the browser alone: looked at, asked for, approved, watched, reported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_api import AirflowApi
from demo.airflow_stack import AirflowStack
from tests.integration.conftest import CONNECTION, NEW_HOSTS
from tests.support.practice import Practice

pytest.importorskip("playwright", reason="the tests of the pages need the packages of requirements-dev.txt")
from playwright.sync_api import expect

from tests.support.browsing import NoBrowser, Person, browsing

pytestmark = [pytest.mark.integration, pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.slow]

# Pictures for the guide and the README are taken on the way, if somebody names a folder for them: `make pictures`.
PICTURES = Path(os.environ["PAGES_PICTURES"]) if os.environ.get("PAGES_PICTURES") else None


@pytest.fixture
def person(stack: AirflowStack, airflow: AirflowApi) -> Iterator[Person]:
    """The operator of the SimpleAuthManager: no administrator is needed."""
    try:
        with browsing(stack.base_url, "op", stack.password("op")) as somebody:
            yield somebody
    except NoBrowser as error:
        pytest.skip(str(error))


def test_an_expansion_needs_nothing_but_the_browser(person: Person, practice: Practice) -> None:
    card = person.look_at_cluster(CONNECTION)
    expect(card).to_contain_text("4 on 2 hosts, mirrored")
    assert person.barriers() == []
    person.picture(PICTURES, "pages-clusters")

    card.get_by_role("link", name="Expand", exact=True).click()
    expect(person.page.locator("#step-title")).to_have_text("What will happen")
    person.choose({"proof": "rows", "catalog_check": "skip"})
    assert person.barriers() == []
    person.next_step("New hosts")
    person.add_hosts(NEW_HOSTS)
    person.choose({"hardware_check": "none"})
    assert person.barriers() == []
    person.picture(PICTURES, "pages-wizard-hosts")
    person.next_step("Paths and placement")
    expect(person.page.locator(".rack.new")).to_have_count(2)
    person.picture(PICTURES, "pages-wizard-places")
    person.page.reload()  # the draft is kept, and the step
    expect(person.page.locator("#step-title")).to_have_text("Paths and placement")
    assert person.draft()["draft"]["new_hosts"] == NEW_HOSTS
    person.next_step("Redistribution")
    person.button("In windows").click()
    expect(person.page.locator("#preview")).to_contain_text("The next windows")
    expect(person.page.locator("#preview .forecast")).to_contain_text("Windows needed")
    assert person.barriers() == []
    person.picture(PICTURES, "pages-wizard-tables")
    person.button("Now").click()
    expect(person.page.locator("#preview")).to_contain_text("until all have moved")
    person.next_step("Review")
    expect(person.page.locator("#looks")).to_contain_text("sdw3")
    person.picture(PICTURES, "pages-wizard-review")
    person.choose({"backup": "none"})
    expect(person.page.locator("#conf")).to_contain_text('"backup": "none"')
    assert person.barriers() == []
    run_id = person.expand()
    assert person.draft() == {}

    question = person.page.locator("#question")
    expect(question).to_contain_text("Approve the expansion of")
    expect(question.locator("textarea")).to_contain_text("sdw3|")
    expect(person.phase("Plan and approval")).to_contain_text("waiting")
    assert person.barriers() == []
    person.picture(PICTURES, "pages-approval")
    practice.set_fault("slow-moves", "0.5")
    practice.set_fault("table.demo.sales.orders", "disk quota exceeded")
    person.button("Approve", question).click()

    # Tables move; somebody pauses it, and lets it go on.
    person.button("Pause").click()
    expect(person.page.locator("#live .figures")).to_contain_text("paused")
    person.picture(PICTURES, "pages-paused")
    assert person.barriers() == []
    practice.clear_faults("slow-moves")
    person.button("Resume").click()
    expect(person.page.locator("#live .figures")).not_to_contain_text("paused")

    # A table that was made to fail is told with its error, and tried again.
    failed = person.page.locator("#live section", has_text="What failed")
    expect(failed).to_contain_text("demo.sales.orders")
    expect(failed).to_contain_text("disk quota exceeded")
    person.page.get_by_label("Status").select_option("failed")
    expect(person.page.locator("#tables tbody tr")).to_have_count(1)
    person.picture(PICTURES, "pages-failed")
    assert person.barriers() == []
    practice.clear_faults()
    person.button("Try again", failed.locator("li", has_text="redistribute.move_tables")).click()

    expect(person.phase("Add the segments")).to_contain_text("done")
    expect(person.page.locator("#progress-title")).to_have_text("Moved so far: 100 %")
    expect(person.page.locator("#found")).to_contain_text("Report: complete")
    expect(person.page.locator("#found")).to_contain_text("rows and checksums are as before")
    person.picture(PICTURES, "pages-proven")
    person.page.get_by_role("searchbox").fill("sales")
    expect(person.page.locator("#tables .counts")).to_contain_text("found")
    assert person.barriers() == []
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="Report as HTML").click()
    assert run_id.split("T")[0].removeprefix("manual__") in download.value.suggested_filename

    person.open("/clusters")
    expect(person.page.locator("section.card")).to_contain_text("success")
    assert person.complaints == []
    assert person.elsewhere == []

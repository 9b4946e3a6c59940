"""The pages where people meet them: in Airflow's own UI, and below whatever path Airflow is reached."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FrameLocator, expect

from tests.pages.browser.conftest import Served
from tests.pages.scenes import NEW, OVER
from tests.support.api_server import ApiServer
from tests.support.browsing import Person

pytestmark = pytest.mark.airflow

TAB = "/dags/greenplum_expand/runs/moving/plugin/expansion"


@pytest.fixture
def person(below_prefix: ApiServer, person_of: Callable[..., Person]) -> Person:
    """Whoever it is must find everything below the path of this Airflow: what goes elsewhere is noted."""
    return person_of(server=below_prefix)


def ours(person: Person) -> FrameLocator:
    """Our page in Airflow's."""
    return person.page.frame_locator("iframe")


def test_airflows_navigation_leads_to_the_clusters(person: Person) -> None:
    person.page.goto(f"{person.base_url}/plugin/greenplum")
    expect(person.page.get_by_role("link", name="Greenplum", exact=True).locator("img")).to_have_js_property(
        "complete", True
    )
    expect(ours(person).get_by_role("heading", level=1)).to_have_text("Clusters")
    ours(person).locator(".card", has_text=OVER).get_by_role("link", name="Expand", exact=True).click()
    expect(ours(person).locator("#step-title")).to_have_text("What will happen")
    ours(person).get_by_role("button", name="Next").click()
    expect(ours(person).locator("#step-title")).to_have_text("New hosts")
    assert person.complaints == []
    assert person.elsewhere == []


@pytest.mark.parametrize("prefix", ["", "/some/prefix"])
def test_the_tab_of_a_run_shows_its_page_as_dark_as_airflow_is(
    prefix: str, served: Served, below_prefix: ApiServer, person_of: Callable[..., Person]
) -> None:
    person = person_of(server=below_prefix if prefix else served.server)
    person.page.goto(person.base_url + TAB)
    expect(ours(person).locator("#progress-title")).to_have_text("Moved so far: 50 %")
    page = ours(person).locator("html")
    for chosen, theme in {"Dark Mode": "dark", "Light Mode": "light"}.items():
        person.page.get_by_role("button", name="User").click()
        person.page.get_by_role("menuitem", name="Appearance").click()
        person.page.get_by_role("menuitemradio", name=chosen).click()
        expect(page).to_have_attribute("data-theme", theme)
    person.page.evaluate("() => { window.was_never_left = true; }")
    ours(person).get_by_role("link", name="All tasks in Airflow").click()
    person.page.wait_for_url(f"{person.base_url}/dags/greenplum_expand/runs/moving")
    expect(person.page.locator("iframe")).to_have_count(0)
    assert person.page.evaluate("() => window.was_never_left")
    assert person.complaints == []
    assert person.elsewhere == []


def test_a_run_of_another_dag_has_the_tab_but_says_that_it_is_not_for_it(person: Person) -> None:
    person.page.goto(f"{person.base_url}/greenplum/runs/payroll/monday")
    expect(person.page.locator("p")).to_contain_text("payroll is none of the DAGs that these pages show")


def test_links_actions_and_updates_stay_below_the_prefix(person: Person) -> None:
    person.open("/clusters")
    card = person.page.locator(".card", has_text=f"The cluster {NEW}")
    person.button("Look now", card).click()
    expect(card).to_contain_text("Looking at it")
    person.page.locator("#bar a[href*=greenplum_expand]").first.click()
    person.page.wait_for_url("**/some/prefix/greenplum/runs/greenplum_expand/*")
    person.page.clock.install()
    person.open("/runs/greenplum_expand/moving")
    expect(person.page.locator("#tables tbody tr")).to_have_count(50)
    with person.page.expect_response(re.compile(r"/some/prefix/greenplum/runs/greenplum_expand/moving/live\?")) as live:
        person.page.get_by_role("searchbox").fill("region_000013")
        person.page.clock.run_for(6000)  # by then the page has looked again
    assert live.value.status == 200
    expect(person.page.locator("#tables tbody tr")).to_have_count(1)
    person.open("/runs/greenplum_expand/over")
    with person.page.expect_download() as download:
        person.page.get_by_role("link", name="Report as HTML").click()
    assert download.value.failure() is None
    assert person.complaints == []
    assert person.elsewhere == []


def test_who_logs_in_comes_back_to_the_page(person: Person, below_prefix: ApiServer) -> None:
    person.page.context.clear_cookies()
    person.open("/runs/greenplum_expand/over")
    person.page.get_by_role("link", name="Log in").click()
    person.page.get_by_label("Username").fill("op")
    person.page.get_by_label("Password").fill(below_prefix.password("op"))
    person.page.get_by_role("button", name="Sign in").click()
    person.page.wait_for_url(f"{below_prefix.base_url}/greenplum/runs/greenplum_expand/over")
    expect(person.page.locator("#report-title")).to_have_text("Report: complete")

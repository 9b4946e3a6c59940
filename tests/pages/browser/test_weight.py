"""What of a page comes over the wire, with a hundred thousand tables and nothing in the browser's cache."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from benchmarks.pages import BYTES_GOAL, TABLES, look, seat
from tests.pages.browser.conftest import Served

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize("name", ["clusters", "moving", "tables that did not move", "review"])
def test_a_page_weighs_little_whatever_the_cluster_holds(name: str, browser: Browser, served: Served) -> None:
    assert len(served.stage.tables) == TABLES
    with seat(browser, served.server, name) as load:
        first, second = load(), load()
    assert 0 < first.document < first.all < BYTES_GOAL
    assert second.all < first.all / 2  # style and scripts are kept
    assert first.paint > 0
    assert first.document < BYTES_GOAL / 20


def test_a_look_of_an_open_page_weighs_next_to_nothing(served: Served) -> None:
    assert 0 < look(served.server, "/live").size < 10_000

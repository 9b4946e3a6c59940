"""What the page says before tables move, and while they wait: the forecast, windows, a pause."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from greenplum_expansion.pages.access import DAGS
from greenplum_expansion.planning.forecast import forecast
from greenplum_expansion.planning.record import TableRecord
from tests.pages.run_page import BASE, MOVES, PROGRESS
from tests.pages.test_access import url
from tests.unit.planning.test_forecast import question, tables
from tests.unit.planning.test_record import leave

WATCH = "redistribute.watch_progress"


@pytest.fixture
def client(client_of):
    return client_of("USER")


@pytest.fixture
def waiting(seeds):
    """The task that moves tables waits without a worker, and nothing is recorded beside it yet."""
    seeds.dag(*DAGS)
    seeds.run()
    seeds.task("make_plan", "success")
    seeds.task("redistribute.move_tables", "deferred", begin=2)
    seeds.task(WATCH, "deferred", begin=2)
    return seeds


def test_a_pause_is_told_with_who_has_set_it(client, waiting):
    steered = {"paused": True, "by": "<b>alice</b> (run manual__1)", "since": "2026-11-20 22:00:01 UTC"}
    waiting.left(WATCH, "progress", {**PROGRESS, "steered": steered})
    waiting.left(WATCH, "moves", MOVES)
    page = client.get(url(BASE)).text
    at = '<time datetime="2026-11-20T22:00:01+00:00">2026-11-20 22:00:01 UTC</time>'
    assert f"<strong>Paused</strong> by &lt;b&gt;alice&lt;/b&gt;, {at}." in page
    assert "Ends, if resumed now" in page
    assert 'id="resume" class="primary"' in page


def test_a_wait_for_a_window_is_told_also_before_tables_are_counted(client, waiting):
    opens = time.time() + 3600
    waiting.left(WATCH, "moves", {**MOVES, "windows": [[opens, opens + 3600]]})
    page = client.get(url(BASE)).text
    told = datetime.fromtimestamp(opens, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert "Waiting for a window." in page
    assert told in page
    assert "Moved so far" not in page


def test_the_chart_shows_the_windows_and_both_axes(client, waiting):
    begin = PROGRESS["at"] - 3600
    points = [[begin, 0], [begin + 3600, 6 * 2**30]]
    waiting.left(WATCH, "progress", PROGRESS)
    waiting.left(
        WATCH, "moves", {**MOVES, "points": points, "windows": [[begin + 60, begin + 120], [begin + 200, None]]}
    )
    page = client.get(url(BASE)).text
    assert page.count('<rect class="window') == 2
    assert page.count('<text class="size"') >= 4
    assert page.count('<text class="time') >= 3
    assert "2.0 GiB</text>" in page
    assert "The same as a table" in page
    assert "style=" not in page


def test_the_forecast_is_shown_from_the_plan_on_until_tables_are_counted(client, waiting):
    assert client.get(url(BASE + "/ahead")).text.strip() == ""
    made = forecast(replace(question(tables(*[200_000] * 12)), zone="Europe/Berlin"))
    waiting.left("make_plan", "forecast", made.to_dict())
    shown = client.get(url(BASE + "/ahead")).text
    assert "Forecast of the moves" in shown
    assert f"{made.best.windows} to {made.worst.windows} windows" in shown
    assert '<polyline class="forecast"' in shown
    assert 'class="moved"' not in shown
    waiting.left(WATCH, "progress", PROGRESS)
    assert client.get(url(BASE + "/ahead")).text.strip() == ""


def test_a_forecast_of_nothing_is_said_in_words(client, waiting):
    waiting.left("make_plan", "forecast", forecast(question([])).to_dict())
    shown = client.get(url(BASE + "/ahead")).text
    assert "nothing to move" in shown
    assert "<svg" not in shown


FAILED = [TableRecord("dwh", "sales.a", 10, "f", None, 6, "disk full"), TableRecord("dwh", "sales.b", 10, "c", 2.0)]


@pytest.mark.parametrize(
    ("state", "told"), [("running", "The next window tries it again"), ("failed", "only what is left")]
)
def test_a_failed_table_is_tried_again_from_the_list_too(client, client_of, seeds, state, told):
    seeds.run(state="running" if state == "running" else "failed", windows=["22:00-06:00"])
    seeds.task("redistribute.move_tables", state)
    for key, value in leave(FAILED).items():
        seeds.left(WATCH, key, value)
    for wanted in ({"state": "f"}, {}):
        listed = client.get(url(BASE + "/tables"), params=wanted).text
        assert "1 table has not moved" in listed
        assert told in listed
        assert "disk full" in listed
        assert "(6 times)" in listed
        assert listed.count("Try again") == (state == "failed")
    assert "Try again" not in client_of("VIEWER").get(url(BASE + "/tables"), params={"state": "f"}).text


def test_leaves_are_shown_with_the_table_they_are_of(client, seeds):
    seeds.run()
    seeds.task("redistribute.move_tables", "running")
    for key, value in leave([TableRecord("dwh", "sales.p1", 10, root="sales.<orders>")]).items():
        seeds.left(WATCH, key, value)
    listed = client.get(url(BASE + "/tables"), params={"search": "sales.<ord"}).text
    assert "of sales.&lt;orders&gt;" in listed


def test_without_windows_none_is_promised(client, seeds):
    seeds.run()
    seeds.task("redistribute.move_tables", "running")
    for key, value in leave(FAILED).items():
        seeds.left(WATCH, key, value)
    listed = client.get(url(BASE + "/tables")).text
    assert "next window" not in listed
    assert "When all others have moved, the step fails" in listed

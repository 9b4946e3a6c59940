"""The wizard's forecast: of what is drafted, as it was last measured, and what is said where there is none."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.pages.foresight import Foresight, foresee
from greenplum_expansion.pages.wizard import picture
from greenplum_expansion.pages.workloads import Measured
from greenplum_expansion.planning.moves import Move
from greenplum_expansion.planning.workload import Workload
from tests.pages.wizarding import GOOD, finding, forecast_in
from tests.unit.clusters import cluster

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTS = {"new_hosts": ["sdw3", "sdw4"]}
MEASURED = Measured(Workload.measure([Move("dwh", 1, "public.t", 2**30)], [], NOW.timestamp()))


def seen(**draft: Any) -> Foresight:
    return foresee(draft, cluster(), picture(HOSTS, cluster()).new, MEASURED, NOW)


def test_without_any_window_to_come_there_is_nothing_to_forecast():
    assert seen(last_end="2020-01-01 00:00").reason == "No window comes in which tables could move."


def test_windows_far_ahead_are_as_long_as_near_ones():
    found = seen(not_before="2028-01-01 20:00", windows=["22:00-06:00"]).estimate
    assert found is not None
    assert (found.longest_window, found.oversized_count) == (8 * 3600, 0)
    assert found.outlook.ends[1].year == 2028


def test_more_primaries_without_new_hosts_are_carried_by_the_old_ones():
    topology = cluster()
    new = picture({"more_primaries": 2}, topology).new
    found = foresee({"more_primaries": 2}, topology, new, MEASURED, NOW).estimate
    assert found is not None
    assert found.a_host == found.second_copies // 2


def test_what_is_missing_is_said():
    assert "not measured yet" in foresee({}, cluster(), (), Measured(), NOW).reason
    assert "not measured yet" in foresee({}, None, (), MEASURED, NOW).reason
    assert "named and have a place" in foresee({}, cluster(), (), MEASURED, NOW).reason
    assert "when this step is right" in seen(windows=["at night"]).reason


# --- over HTTP ---


def test_the_forecast_changes_as_one_types(step, measured):
    def shown(**draft: Any) -> str:
        return forecast_in(step("/wizard/preview", step="tables", draft={**GOOD, **draft}).text)

    endless, nights = shown(), shown(windows=["22:00-23:00"], time_zone="Europe/Berlin")
    assert "800.0 GiB in 40 tables and 40.0 GiB of indexes are written anew, 4 tables at a time" in endless
    assert "Windows needed" not in endless
    assert re.search(r"Windows needed \d+ \d+ \d+", nights)
    assert "All have moved (Europe/Berlin)" in nights
    assert "8 tables at a time" in shown(parallel_moves=8)
    assert "from 5 moves of earlier expansions of this cluster" in endless
    assert "not measured" in endless  # no compressed table has ever moved here
    assert "up to 168.0 GiB in all, mirrors included, about 42.0 GiB on each host" in endless
    assert "The plan's forecast is the exact one" in endless


def test_new_hosts_are_part_of_the_forecast(step, measured):
    def likely(hosts: list[str]) -> str:
        html = step("/wizard/preview", step="tables", draft={**GOOD, "new_hosts": hosts}).text
        return re.search(r"Time in which tables move (.*?) All", forecast_in(html))[1]

    assert likely(["sdw3", "sdw4"]) != likely(["sdw3", "sdw4", "sdw5", "sdw6"])
    html = step("/wizard/preview", step="tables", draft={**GOOD, "new_hosts": ["sdw3"]}).text
    assert "when the new hosts are named and have a place" in forecast_in(html)


def test_tables_that_fit_no_window_are_named_in_the_wizard(step, measured):
    html = step("/wizard/preview", step="tables", draft={**GOOD, "windows": ["22:00-22:01"]}).text
    assert "40 tables (840.0 GiB) fit no window : the longest has 60 s" in forecast_in(html)
    assert "dwh.public.t0, 21.0 GiB" in forecast_in(html)
    draft = {**GOOD, "windows": ["22:00-22:01"], "oversize": "in a window of its own"}
    assert "come on top" in forecast_in(step("/wizard/preview", step="tables", draft=draft).text)


def test_what_the_rough_forecast_cannot_know_is_said(step, measured):
    draft = {**GOOD, "only_tables": ["public.t1"], "engine": "direct"}
    assert "It is of all tables" in forecast_in(step("/wizard/preview", step="tables", draft=draft).text)
    draft = {**GOOD, "engine": "gpexpand", "windows": ["22:00-06:00"]}
    assert "expect more windows" in forecast_in(step("/wizard/preview", step="tables", draft=draft).text)
    draft = {**GOOD, "moved_by": "greenplum_redistribute"}
    assert "own schedule" in forecast_in(step("/wizard/preview", step="tables", draft=draft).text)


def test_without_a_measurement_the_page_offers_one(step, looked_at, airflow):
    html = step(step="tables", draft=GOOD).text
    assert 'was not measured yet. <button type="button" data-look>Look now' in html
    assert step("/wizard/look", step="tables", draft=GOOD).status_code == 200
    assert airflow.requests[0][2]["conf"] == {"greenplum_conn_id": "dwh", "with_tables": True}  # hosts were looked at


def test_while_tables_are_measured_the_page_looks_again_by_itself(step, looked_at, airflow):
    looked_at.run("greenplum_look", "look2", "running", with_tables=True)
    looked_at.task("workload", "running", dag_id="greenplum_look", run_id="look2")
    html = step("/wizard/preview", step="tables", draft=GOOD).text
    assert "data-again>The tables are being measured" in html
    assert "Look now" not in html
    step("/wizard/look", step="hosts", draft=GOOD)
    assert "with_tables" not in airflow.requests[0][2]["conf"]  # once is enough


def test_tables_are_not_measured_for_each_host_that_is_typed(step, measured, airflow):
    step("/wizard/look", step="hosts", draft=GOOD)
    step("/wizard/look", step="tables", draft=GOOD)  # "Measure again"
    assert ["with_tables" in body["conf"] for _, _, body in airflow.requests] == [False, True]


def test_a_measurement_that_failed_says_why_and_the_old_one_still_counts(step, measured):
    measured.run("greenplum_look", "look3", "success", minutes=1, with_tables=True)
    said = finding("Tables of database dwh", "canceling statement", "clear this task")
    measured.left("workload", "findings", [said], dag_id="greenplum_look", run_id="look3")
    shown = forecast_in(step("/wizard/preview", step="tables", draft=GOOD).text)
    assert "could not be measured: ERROR Tables of database dwh: canceling statement" in shown
    assert "800.0 GiB in 40 tables" in shown


def test_a_measurement_whose_task_failed_names_it(step, looked_at):
    looked_at.run("greenplum_look", "look2", "failed", minutes=1, with_tables=True)
    looked_at.task("workload", "failed", dag_id="greenplum_look", run_id="look2")
    shown = forecast_in(step("/wizard/preview", step="tables", draft=GOOD).text)
    assert "task workload of run look2 failed; its log says why" in shown


def test_a_host_is_seen_before_the_tables_are_measured(step, looked_at):
    looked_at.run("greenplum_look", "look2", "running", with_tables=True, new_hosts=["sdw9"])
    looked_at.task("host", "success", dag_id="greenplum_look", run_id="look2", map_index=0, label="sdw9")
    looked_at.task("workload", "running", dag_id="greenplum_look", run_id="look2")
    assert "looking…" not in step(step="hosts", draft={**GOOD, "new_hosts": ["sdw9"]}).text

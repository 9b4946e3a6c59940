"""The wizard: each step judged by the request's own model, the draft kept, and what it comes to."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.pages.forms import controls
from greenplum_expansion.pages.wizard import (
    STEPS,
    Judged,
    Member,
    add_hosts,
    ask,
    conf_of,
    first_wrong,
    host_lines,
    judge,
    members,
    next_windows,
    picture,
)
from greenplum_expansion.request import ExpansionRequest, hosts
from tests.pages.test_access import send, token_of, url
from tests.pages.wizarding import GOOD, finding
from tests.unit.clusters import cluster

STEP = {step.key: step for step in STEPS}


def test_every_field_of_a_request_is_asked_for_exactly_once():
    asked = [name for step in STEPS for name in (*step.fields, *step.more)]
    assert sorted(asked) == sorted(set(ExpansionRequest.model_fields) - {"dry_run"})  # that is a button


def test_a_step_is_judged_by_its_own_sections_only():
    assert not judge(STEP["meaning"], {"greenplum_conn_id": "dwh"})
    assert "name at least one host" in judge(STEP["hosts"], {}).others[0]
    assert judge(STEP["tables"], {"windows": ["at night"]}).fields["windows"].startswith("'at night' is no window")
    assert judge(STEP["places"], {**GOOD, "first_primary_port": 80}).fields.keys() == {"first_primary_port"}


def test_the_last_step_judges_everything():
    assert not judge(STEP["review"], GOOD)
    wrong = judge(STEP["review"], {**GOOD, "windows": ["at night"]})
    assert wrong.others == [
        "Windows: 'at night' is no window; write `Mon-Fri 22:00-06:00`, `22:00-06:00` or `0 22 * * 1-5 for 8h`"
    ]
    assert first_wrong({**GOOD, "windows": ["at night"]}, STEP["review"]) is STEP["tables"]
    assert first_wrong(GOOD, STEP["review"]) is None


def test_hosts_are_added_several_at_once_and_none_twice():
    draft: dict[str, Any] = {"new_hosts": ["sdw3"]}
    problems = add_hosts(draft, "sdw4=10.0.0.4, sdw5\nsdw6.example.com; sdw3 bad_host! SDW5")
    assert host_lines(draft) == ["sdw3", "sdw4=10.0.0.4", "sdw5", "sdw6.example.com"]
    assert [problem.split(":")[0] for problem in problems] == ["sdw3", "bad_host!", "SDW5"]


def test_controls_hold_what_the_draft_has():
    shown, more = ask(STEP["tables"], {"windows": ["22:00-06:00"], "parallel_moves": 8}, Judged())
    values = {control.name: control for control in [*shown, *more]}
    assert values["windows"].value == "22:00-06:00"
    assert (values["parallel_moves"].value, values["parallel_moves"].least, values["parallel_moves"].most) == (8, 1, 96)
    assert values["engine"].choices == ("direct", "gpexpand")
    assert values["engine"].is_default
    assert not values["parallel_moves"].is_default


def test_the_picture_is_what_the_plan_will_be():
    shown = picture(GOOD, cluster())
    assert shown.layout is not None
    assert [host.hostname for host in shown.layout.new] == ["sdw3", "sdw4"]
    assert shown.input_file.splitlines()[0].startswith("sdw3|sdw3|6000|/data/primary/gpseg4|")
    assert "at least 2 new hosts" in picture({"new_hosts": ["sdw3"]}, cluster()).reason


def test_the_hosts_there_are_stand_above_the_new_ones():
    seen = members(cluster())
    assert [(host.hostname, host.parts, host.primaries, host.mirrors) for host in seen] == [
        ("mdw", ("coordinator",), 0, 0),
        ("smdw", ("standby",), 0, 0),
        ("sdw1", ("segments",), 2, 2),
        ("sdw2", ("segments",), 2, 2),
    ]
    assert {host.down for host in seen} == {0}


def test_one_host_may_be_there_for_several_things():
    rows = [{**row, "hostname": "one", "address": "one-1"} for row in cluster(standby=False).to_rows()]
    rows[1]["status"] = "d"
    (only,) = members(Topology.from_rows(rows))
    assert only == Member("one", ("one-1",), ("coordinator", "segments"), 4, 4, 1)


def test_a_host_of_the_cluster_is_no_new_one():
    draft: dict[str, Any] = {}
    assert "it is in the cluster already" in add_hosts(draft, "sdw1 sdw3 sdw7=sdw2", cluster())[0]
    assert host_lines(draft) == ["sdw3"]
    assert "it is in the cluster already" in picture({"new_hosts": ["sdw1", "sdw3"]}, cluster()).reason


def test_each_host_is_looked_at_once_however_many_there_are(monkeypatch):
    judged = []
    monkeypatch.setattr(hosts, "validate_hostname", lambda name: judged.append(name) or name)
    draft: dict[str, Any] = {"new_hosts": [f"old{number}" for number in range(100)]}
    assert add_hosts(draft, " ".join(f"new{number}" for number in range(100)), cluster()) == []
    assert len(host_lines(draft)) == 200
    assert len(judged) == 100


def test_a_host_named_twice_is_told_by_its_name_or_its_address():
    draft: dict[str, Any] = {"new_hosts": ["sdw3", {"hostname": "sdw4", "address": "10.0.0.4"}]}
    problems = add_hosts(draft, "SDW3=10.0.0.3 sdw5=10.0.0.4 sdw6=10.0.0.6 sdw7=10.0.0.6 sdw6")
    assert problems == [
        "SDW3=10.0.0.3: new host hostname sdw3 is given twice; name each host once",
        "sdw5=10.0.0.4: new host address 10.0.0.4 is given twice; name each host once",
        "sdw7=10.0.0.6: new host address 10.0.0.6 is given twice; name each host once",
        "sdw6: new host hostname sdw6 is given twice; name each host once",
    ]
    assert host_lines(draft) == ["sdw3", "sdw4=10.0.0.4", "sdw6=10.0.0.6"]


@pytest.mark.parametrize(
    ("typed", "kept", "said"),
    [
        ("10.0.0.7", "10.0.0.7", ""),
        ("sdw7.example.com", "sdw7.example.com", ""),
        ("sdw7=fd00::7", "sdw7=fd00::7", ""),
        ("fd00::7", None, "give it one, as name=fd00::7"),
        ("10.0.0.300", None, "neither a host name nor an IP address"),
        ("sdw7=10.0.0.300", None, "is not an IP address"),
    ],
)
def test_a_host_is_a_name_or_an_address_and_what_is_refused_says_why(typed, kept, said):
    draft: dict[str, Any] = {}
    problems = add_hosts(draft, typed, cluster())
    assert host_lines(draft) == ([kept] if kept else [])
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_windows_are_shown_before_anything_begins():
    found = next_windows({"windows": ["22:00-06:00"], "time_zone": "Europe/Berlin"}, datetime(2026, 11, 20, tzinfo=UTC))
    assert found is not None
    assert [window.start.hour for window in found.windows] == [21] * 5
    assert (found.zone, found.scheduled) == ("Europe/Berlin", False)
    assert next_windows({"windows": ["never"]}) is None


def test_windows_of_the_schedule_are_shown_where_it_moves_the_tables(monkeypatch):
    monkeypatch.setenv("GREENPLUM_REDISTRIBUTE_WINDOWS", "Sat 20:00-24:00")
    found = next_windows({"moved_by": "greenplum_redistribute"}, datetime(2026, 11, 20, tzinfo=UTC))
    assert found is not None
    assert [window.start.isoweekday() for window in found.windows] == [6] * 5
    assert found.scheduled


def test_the_request_carries_what_differs_from_the_defaults():
    conf = conf_of({**GOOD, "parallel_moves": 4, "windows": ["22:00-06:00"], "first_primary_port": ""})
    assert conf == {**GOOD, "windows": ["22:00-06:00"]}
    assert ExpansionRequest.model_validate(conf).new_hosts[1].address == "10.0.0.4"


# --- over HTTP ------------------------------------------------------------------------------------------------------


def draft_in(html: str) -> dict[str, Any]:
    return json.loads(unescape(re.search(r'data-draft="([^"]*)"', html)[1]))


def test_next_goes_on_only_when_the_step_is_right(step):
    assert 'data-step="hosts"' in step(step="meaning", go="next", draft={"greenplum_conn_id": "dwh"}).text
    stays = step(step="hosts", go="next", draft={"greenplum_conn_id": "dwh"}).text
    assert 'data-step="hosts"' in stays
    assert "name at least one host" in stays
    assert 'data-step="places"' in step(step="hosts", go="next", draft=GOOD).text


def test_a_jump_ahead_stops_at_the_first_step_that_is_wrong(step):
    assert 'data-step="hosts"' in step(step="meaning", go="review", draft={"greenplum_conn_id": "dwh"}).text
    assert 'data-step="review"' in step(step="meaning", go="review", draft=GOOD).text


def test_added_hosts_come_back_in_the_draft_with_what_was_found(step):
    answer = step(step="hosts", draft={"greenplum_conn_id": "dwh"}, add="sdw3 sdw4=10.0.0.4 sdw9").text
    assert draft_in(answer)["new_hosts"] == ["sdw3", "sdw4=10.0.0.4", "sdw9"]
    assert "fits" in answer
    assert "memory is 4 GiB" in answer
    assert "not looked at" in answer
    assert draft_in(step(step="hosts", draft=GOOD, remove="sdw3").text)["new_hosts"] == ["sdw4=10.0.0.4"]


@pytest.mark.parametrize(
    ("path", "there", "added"), [("/wizard/step", 0, 1001), ("/wizard/step", 999, 2), ("/wizard/preview", 1001, 0)]
)
def test_too_many_hosts_are_counted_before_any_is_judged(step, monkeypatch, path, there, added):
    monkeypatch.setattr(hosts, "validate_hostname", lambda name: pytest.fail(f"{name} is judged"))
    draft = {"greenplum_conn_id": "dwh", "new_hosts": [f"old{number}" for number in range(there)]}
    answer = step(path, step="hosts", draft=draft, add=",".join(f"new{number}" for number in range(added)))
    assert answer.status_code == 422
    assert "more than 1000 hosts" in answer.text


def test_hosts_are_looked_at_again_by_the_draft_as_long_as_a_look_is_under_way(step, looked_at):
    asked = {"step": "hosts", "draft": GOOD}
    assert "data-again" not in step("/wizard/preview", **asked).text
    looked_at.run("greenplum_look", "look3", "running", new_hosts=GOOD["new_hosts"])
    looked_at.task("host", "running", dag_id="greenplum_look", run_id="look3", map_index=0, label="sdw3")
    for answer in (step(**asked).text, step("/wizard/preview", **asked).text):
        assert '<div id="looks" data-again>' in answer
        assert "looking…" in answer
        assert "hx-get" not in answer


def test_a_thousand_hosts_are_a_small_page_with_what_is_wrong_first(step):
    named = [*(f"host{number}.example.com" for number in range(998)), *GOOD["new_hosts"]]
    answer = step(step="hosts", draft={**GOOD, "new_hosts": named}).text
    assert "100 of 1,000 hosts are shown" in answer
    assert answer.count('<li class="card host">') == 100
    assert answer.index("memory is 4 GiB") < answer.index("<strong>host0.example.com</strong>")
    assert "All 1,000 hosts as text" in answer
    assert 'id="f-new_hosts"' in answer
    assert len(answer) < 130_000
    few = step(step="hosts", draft=GOOD).text
    assert 'id="f-new_hosts"' not in few
    assert "hosts are shown" not in few


def test_the_picture_needs_no_cluster_but_what_was_seen_of_it(step):
    answer = step("/wizard/preview", step="places", draft=GOOD).text
    assert answer.count('class="rack') == 4
    assert answer.count('class="rack new"') == 2


def test_names_from_people_and_hosts_are_no_markup(step, looked_at):
    evil = '<script>alert(1)</script>"&'
    looked_at.run("greenplum_look", "look2", "success", minutes=1, greenplum_conn_id="dwh", new_hosts=["sdw3"])
    looked_at.task("host", "success", dag_id="greenplum_look", run_id="look2", map_index=0, label="sdw3")
    looked_at.left(
        "host", "findings", [finding("new host sdw3", evil, evil)], dag_id="greenplum_look", run_id="look2", map_index=0
    )
    answer = step(step="hosts", draft={**GOOD, "primary_directories": [evil]}).text
    assert "<script" not in answer
    assert "&lt;script&gt;" in answer


def test_an_old_draft_is_no_reason_to_fail_and_what_is_wrong_with_it_is_told(step):
    old = {**GOOD, "gone_field": 1, "new_hosts": "not a list", "parallel_moves": "many", "backup": "sometimes"}
    answer = step(step="meaning", draft=old)
    assert answer.status_code == 200
    assert "gone_field" not in draft_in(answer.text)
    assert "What it said of gone_field is not known here, and was left out" in answer.text
    assert "another version" not in step(step="meaning", draft=draft_in(answer.text)).text  # told once
    for key in ("hosts", "tables", "review"):
        assert "This is not right yet" in step(step=key, go="review", draft=draft_in(answer.text)).text


@pytest.mark.parametrize("draft", [{"gone": 1}, {"new_hosts": "sdw3"}, {"parallel_moves": "many"}, {"windows": ["x"]}])
def test_a_draft_that_is_wrong_is_never_sent_whatever_shows_it(step, airflow, draft):
    assert step("/wizard/expand", draft={**GOOD, **draft}, kind="expand").status_code == 422
    assert airflow.requests == []


def test_expand_triggers_what_was_reviewed_as_the_user(step, airflow):
    answer = step("/wizard/expand", draft=GOOD, kind="expand")
    assert answer.json()["page"] == "/greenplum/runs/greenplum_expand/manual__1"
    ((method, path, body),) = airflow.requests
    assert (method, path) == ("POST", "/api/v2/dags/greenplum_expand/dagRuns")
    assert body["conf"] == GOOD
    assert "_token=" in airflow.cookies[0]


def test_a_check_changes_nothing(step, airflow):
    step("/wizard/expand", draft={**GOOD, "dry_run": False}, kind="dry run")
    assert airflow.requests[0][2]["conf"]["dry_run"] is True


def test_a_wrong_request_is_never_sent(step, airflow):
    answer = step("/wizard/expand", draft={"greenplum_conn_id": "dwh"}, kind="expand")
    assert answer.status_code == 422
    assert "name at least one host" in answer.text
    assert airflow.requests == []


def test_what_airflow_refuses_is_told_in_its_words(step, airflow):
    airflow.refusal = (409, "DAG with dag_id 'greenplum_expand' has import errors")
    answer = step("/wizard/expand", draft=GOOD, kind="expand")
    assert answer.status_code == 409
    assert "has import errors" in answer.text


def test_a_look_takes_the_hosts_and_what_will_be_prepared(client_of, looked_at, airflow):
    client = client_of("USER")
    looked_at.connection("other")
    body = {"step": "hosts", "draft": {**GOOD, "firewall": "leave", "windows": ["22:00-06:00"]}}
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    assert client.post(url("/wizard/look"), json=body, headers=headers).status_code == 200
    assert airflow.requests[0][2]["conf"] == {**GOOD, "firewall": "leave", "with_tables": True}


def test_a_look_is_asked_for_only_what_it_knows(step, airflow):
    wrong = {**GOOD, "first_primary_port": 80}
    answer = step("/wizard/look", step="hosts", draft=wrong)
    assert (answer.status_code, airflow.requests) == (422, [])
    assert "First port of primaries: Input should be greater than or equal to 1024" in answer.text
    assert step("/wizard/look", step="hosts", draft={**GOOD, "first_primary_port": 6100}).status_code == 200
    assert airflow.requests[0][2]["conf"]["first_primary_port"] == 6100


def test_a_cluster_that_is_being_expanded_says_why_it_cannot_be(client_of, looked_at, airflow):
    looked_at.run("greenplum_rollback", "back1", "running")
    client = client_of("OP")
    page = client.get(url("/clusters")).text
    assert "greenplum_rollback is under way: run back1" in page
    assert '<button type="button" disabled' in page
    answer = send(client, "POST", "/wizard/expand", token=token_of(client))
    assert answer.status_code == 409
    assert airflow.requests == []


@pytest.mark.parametrize(
    ("typed", "kind", "shown"),
    [
        (None, "moment", ""),
        ("2026-11-28 20:00", "moment", "2026-11-28T20:00"),
        ("2026-11-28T20:00:00", "moment", "2026-11-28T20:00"),
        ("2026-11-28T20:00+01:00", "text", "2026-11-28T20:00+01:00"),
        ("tomorrow", "text", "tomorrow"),
    ],
)
def test_a_moment_is_picked_where_a_picker_can_say_it(typed, kind, shown):
    (control,) = controls(ExpansionRequest, ("not_before",), {"not_before": typed}, {})
    assert (control.kind, control.value) == (kind, shown)


def test_every_field_is_called_as_in_the_request():
    names = tuple(ExpansionRequest.model_fields)
    titles = {control.name: control.title for control in controls(ExpansionRequest, names, {}, {})}
    assert titles == {name: field.title for name, field in ExpansionRequest.model_fields.items()}

"""The review: all that was decided, and the request for the REST API and for a shell, as Airflow takes it."""

from __future__ import annotations

import copy
import json
import re
import shlex
from html import unescape
from pathlib import Path

import pytest
from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody
from airflow.dag_processing.dagbag import DagBag

from greenplum_expansion.pages.access import DAGS
from greenplum_expansion.pages.wizard import conf_of
from greenplum_expansion.request import ExpansionRequest
from tests.pages.test_access import token_of, url
from tests.pages.wizarding import GOOD, forecast_in

DRAFT = {
    "greenplum_conn_id": "dwh",
    "new_hosts": ["sdw3", "sdw4=10.0.0.4"],
    "protected_roles": ["it's $HOME; `id`", '<b>&"', "Ж"],
}


def shown(client, element: str) -> str:
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    html = client.post(url("/wizard/step"), json={"step": "review", "draft": DRAFT}, headers=headers).text
    return unescape(re.search(rf'<pre id="{element}"[^>]*>(.*?)</pre>', html, re.DOTALL)[1])


def test_the_shell_hands_over_what_the_api_is_sent(client_of, seeds):
    seeds.dag(*DAGS)
    seeds.connection("dwh")
    client = client_of("USER")
    conf = json.loads(shown(client, "conf"))
    assert conf == DRAFT
    assert TriggerDAGRunPostBody.model_validate({"logical_date": None, "conf": conf}).conf == conf
    *command, given = shlex.split(shown(client, "command"))
    assert command == ["airflow", "dags", "trigger", "greenplum_expand", "--conf"]
    assert json.loads(given) == conf


@pytest.fixture(scope="module")
def dag():
    """greenplum_expand as Airflow has it."""
    bag = DagBag(dag_folder=str(Path(__file__).resolve().parents[2] / "dags" / "greenplum_expand.py"))
    return bag.dags["greenplum_expand"]


def test_the_review_has_plan_input_file_findings_forecast_and_windows(step, measured):
    html = step(step="review", draft={**GOOD, "windows": ["22:00-06:00"]}).text
    assert html.count('class="rack') == 4
    assert "sdw3|sdw3|6000|/data/primary/gpseg4|" in html
    assert "memory is 4 GiB" in html
    assert "Windows needed" in forecast_in(html)
    assert html.count(" to ") >= 5
    assert "The next windows, on the clock of UTC" in html
    assert 'data-expand="expand"' in html


def test_hosts_that_cannot_be_placed_are_not_sent_but_may_be_checked(step, measured, airflow):
    alone = {**GOOD, "new_hosts": ["sdw3"]}
    html = step(step="review", draft=alone).text
    assert re.search(r'data-expand="expand" disabled', html)
    answer = step("/wizard/expand", draft=alone, kind="expand")
    assert (answer.status_code, airflow.requests) == (409, [])
    assert "at least 2 new hosts" in answer.text
    assert step("/wizard/expand", draft=alone, kind="dry run").status_code == 200


def test_what_is_reviewed_follows_what_is_typed_there(step, measured):
    """Else the JSON beside the button would be another request than the one that is sent."""
    right = step("/wizard/preview", step="review", draft={**GOOD, "mail_to": ["dba@example.com"]}).text
    assert "dba@example.com" in json.loads(conf_in(right))["mail_to"]
    wrong = step("/wizard/preview", step="review", draft={**GOOD, "mail_to": ["nobody"]}).text
    assert "Mail to: &#39;nobody&#39; is not of the form name@host" in wrong
    assert "data-expand" not in wrong


def conf_in(html: str) -> str:
    return unescape(re.search(r'<pre id="conf"[^>]*>(.*?)</pre>', html, re.DOTALL)[1])


@pytest.mark.parametrize(
    "draft",
    [
        GOOD,
        {**GOOD, "windows": ["Mon-Fri 22:00-06:00"], "time_zone": "Europe/Berlin", "not_before": "2026-11-28 20:00"},
        {**GOOD, "preparation_parts": ["kernel parameters"], "first_primary_port": 6100, "approval": False},
        {**GOOD, "new_hosts": ["10.0.0.7", "sdw8.example.com", "sdw9=fd00::9"], "mail_to": ["dba@example.com"]},
        {**GOOD, "new_hosts": [{"hostname": "sdw3", "address": "10.0.0.3", "host_key": "ssh-ed25519 A"}, "sdw4"]},
        {"greenplum_conn_id": "dwh", "new_hosts": [], "more_primaries": 2, "first_mirror_port": None},
    ],
)
def test_the_json_is_what_the_dag_takes_and_means_the_same(draft, dag):
    """As the REST API and `airflow dags trigger` check it, by the DAG's own Params."""
    conf = json.loads(json.dumps(conf_of(draft)))
    params = copy.deepcopy(dag.params)
    params.update(conf)
    params.validate()
    assert ExpansionRequest.model_validate(dict(params)) == ExpansionRequest.model_validate(draft)

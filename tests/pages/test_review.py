"""The request as the review shows it: for the REST API and for a shell, as Airflow takes it."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape

from airflow.api_fastapi.core_api.datamodels.dag_run import TriggerDAGRunPostBody

from greenplum_expansion.pages.access import DAGS
from tests.pages.test_access import token_of, url

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

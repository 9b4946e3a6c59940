"""A draft comes from a browser, and may hold anything that JSON can say: it is judged, and never failed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenplum_expansion.pages.access import DAGS
from greenplum_expansion.pages.wizard import STEPS
from greenplum_expansion.request import ExpansionRequest
from tests.pages.scenes import Stage
from tests.pages.test_access import token_of, url

FIELDS = sorted(ExpansionRequest.model_fields)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, 5, -1, "x", 10**30, 1e308, float("nan"), float("inf"), "", " ", "\0", "\ud800", "x" * 5000),
    *([], {}, [[]], [{}], [None], [7], ["\ud800"], ["x" * 5000], {"hostname": 5}, [{"hostname": "a", "address": []}]),
    *("../../etc/passwd", ["<script>"], "2026-99-99T99:99", "9" * 400, ["0 0 * * * for 99999999h"], "Etc/GMT+99"),
)


@pytest.fixture
def ask(client_of, seeds, airflow):
    seeds.dag(*DAGS)
    seeds.connection("dwh")
    Stage(seeds, tables=0).look("dwh", "look-at-dwh")
    client = client_of("USER")
    headers = {
        "X-Greenplum-Token": token_of(client),
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json",
    }

    def ask(path: str, **body: Any) -> None:
        answer = client.post(url(path), content=json.dumps(body), headers=headers)
        assert answer.status_code in (200, 409, 422), body
        assert "html" not in answer.headers["content-type"] or "<script>" not in answer.text

    return ask


def everywhere(ask: Any, draft: dict[str, Any]) -> None:
    for step in STEPS:
        ask("/wizard/step", step=step.key, draft=draft, go="next")
        ask("/wizard/preview", step=step.key, draft=draft)
        ask("/wizard/look", step=step.key, draft=draft)
    ask("/wizard/step", step="hosts", draft=draft, add="sdw7 sdw8", remove="sdw7")
    ask("/wizard/step", step="meaning", draft=draft, go="review")
    for kind in ("dry run", "expand"):
        ask("/wizard/expand", draft=draft, kind=kind)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:30])
def test_no_draft_fails_the_wizard(ask, value):
    everywhere(ask, dict.fromkeys(FIELDS, value))
    good = {"greenplum_conn_id": "dwh", "new_hosts": ["sdw5", "sdw6"]}
    everywhere(ask, {name: value for name in FIELDS if name not in good} | good)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6), st.sampled_from(STEPS))
def test_nor_does_any_other(ask, draft, step):
    ask("/wizard/preview", step=step.key, draft=draft)
    ask("/wizard/step", step="meaning", go=step.key, draft={"greenplum_conn_id": "dwh", **draft})


@pytest.mark.parametrize("text", ["\ud800", "%00", "%ed%a0%80", "a" * 5000, "<script>", "%2e%2e%2f"])
def test_nor_does_an_address(client_of, seeds, text):
    seeds.dag(*DAGS)
    seeds.run()
    client = client_of("OP")
    for path, name in (("/wizard", "conn"), ("/bar", "beside"), ("/clusters", "x")):
        answer = client.get(f"/greenplum{path}", params={name: text.encode("utf-8", "surrogatepass"), "host": "sdw5"})
        assert answer.status_code in (200, 422), path
        assert "<script>" not in answer.text
    for part in ("", "/live", "/tables?search=" + "%ff", "/question"):
        answer = client.get(f"/greenplum/runs/greenplum_expand/{text.encode('utf-8', 'replace').decode()}{part}")
        assert answer.status_code == 404, part
        assert answer.headers["content-type"].startswith("text/plain") or "<script>" not in answer.text

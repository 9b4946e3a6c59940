"""The installed gpexpand is looked at before it is relied on."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.in_process import find
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

REQUEST = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}
OLD = "/home/gpadmin/old-greenplum"


@pytest.fixture
def old_installation(practice: Practice) -> Iterator[None]:
    """An installation whose gpexpand has the options of Greenplum 5, beside the right one."""
    practice.run(
        f"mkdir -p {OLD}/bin && echo 'export GPHOME={OLD} PATH={OLD}/bin:$PATH' > {OLD}/greenplum_path.sh && "
        f"printf '%s\\n' '#!/bin/sh' 'echo gpexpand -i input_file -B batch_size -a -n processes -D database -r -c' "
        f"> {OLD}/bin/gpexpand && chmod +x {OLD}/bin/gpexpand"
    )
    yield
    practice.run(f"rm -r {OLD}")


@pytest.mark.proves("gpexpand-options")
def test_a_gpexpand_without_a_needed_option(
    practice: Practice, old_installation: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.loads(practice.state.connection.read_text())
    extra = connection.get("extra") or {}
    extra = json.loads(extra) if isinstance(extra, str) else extra
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", json.dumps({**connection, "extra": {**extra, "gphome": OLD}}))

    (found,) = [f for f in find(REQUEST, "check_cluster.connection") if f["check"] == "gpexpand-options"]

    assert found["severity"] == "error"
    assert "it does not know -t" in found["problem"]

    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
    assert [f for f in find(REQUEST, "check_cluster.connection") if f["check"] == "gpexpand-options"] == []


@pytest.mark.proves("writes-while-building")
def test_a_release_whose_new_segments_do_not_stand_writes(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())

    (found,) = [f for f in find(REQUEST, "check_cluster.connection") if f["check"] == "writes-while-building"]

    assert (found["severity"], found["subject"]) == ("warning", "Greenplum 6 (6.24.3)")

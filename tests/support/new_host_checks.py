"""The checks of new hosts against a real cluster, in this process, each by itself: a second or two a task."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.operators.checks.network import CheckNetworkOperator
from greenplum_expansion.operators.checks.new_hosts import CheckNewHostOperator, CheckPlacesOperator
from greenplum_expansion.operators.checks.prepared_hosts import CheckPreparedHostOperator
from greenplum_expansion.operators.run import FINDINGS_KEY
from greenplum_expansion.params import dag_params
from greenplum_expansion.request import ExpansionRequest
from tests.support.practice import Practice

ASKED = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}
UNPREPARED = {**ASKED, "preparation_parts": []}
CONNECTION, PLACES, HOST = "check_cluster.connection", "check_new_hosts.places", "check_new_hosts.host"
NETWORK, PREPARED = "check_new_hosts.network", "check_prepared_hosts"


def as_root(practice: Practice, host: str, script: str) -> str:
    """Run a script there; what it printed.

    :raises AssertionError: it failed
    """
    done = practice.run(f"bash -e <<'END'\n{script}\nEND", host, user="root")
    assert done.exit_code == 0, done
    return done.stdout


def of(findings: list[Finding], check: str) -> Finding:
    """The one finding of a check; another one of it fails the test."""
    mine = [finding for finding in findings if finding.check == check]
    assert len(mine) == 1, findings
    return mine[0]


class NewHostChecks:
    """What is asked for, and what the tasks have left so far.

    :param conf: the request; everything else has the form's default
    """

    def __init__(self, conf: Mapping[str, Any]) -> None:
        self.params = {**{name: param.value for name, param in dag_params(ExpansionRequest).items()}, **conf}
        self.store: dict[tuple[str, str], list[Any]] = {(CONNECTION, "return_value"): [True]}

    def asking(self, **conf: Any) -> NewHostChecks:
        """The same, with what the tasks have left, asked for a little differently."""
        other = copy.deepcopy(self)
        other.params.update(conf)
        return other

    def places(self) -> list[Finding]:
        return self._run(CheckPlacesOperator(task_id=PLACES, connection_task=CONNECTION))

    def host(self, hostname: str, **changed: Any) -> list[Finding]:
        place = {**self._place(hostname), **changed}
        return self._run(CheckNewHostOperator(task_id=HOST, host=place))

    def network(self) -> list[Finding]:
        return self._run(CheckNetworkOperator(task_id=NETWORK, connection_task=CONNECTION))

    def prepared(self, hostname: str) -> list[Finding]:
        """:raises AirflowFailException: what it found are errors"""
        return self._run(CheckPreparedHostOperator(task_id=PREPARED, host=self._place(hostname)))

    def _place(self, hostname: str) -> dict[str, Any]:
        found: dict[str, Any] = next(p for p in self.store[PLACES, "return_value"][-1] if p["hostname"] == hostname)
        return found

    def _run(self, task: Any) -> list[Finding]:
        ti = _TaskInstance(task.task_id, self.store)
        dag_run = SimpleNamespace(dag_id="greenplum_expand", run_id="new-hosts")
        result = task.execute({"params": self.params, "ti": ti, "dag_run": dag_run, "task": task})
        ti.xcom_push("return_value", result)
        return [Finding.from_dict(found) for found in self.store[task.task_id, FINDINGS_KEY][-1]]


class _TaskInstance:
    def __init__(self, task_id: str, store: dict[tuple[str, str], list[Any]]) -> None:
        self.task_id = task_id
        self._store = store

    def xcom_push(self, key: str, value: Any) -> None:
        self._store.setdefault((self.task_id, key), []).append(value)

    def xcom_pull(self, task_ids: str | list[str], key: str = "return_value") -> Any:
        """Of several tasks every value, as of mapped ones; of one the newest."""
        if isinstance(task_ids, str):
            return (self._store.get((task_ids, key)) or [None])[-1]
        return [value for task_id in task_ids for value in self._store.get((task_id, key)) or [None]]

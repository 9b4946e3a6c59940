"""A small client of Airflow's REST API (v2 of 3.3): what the demo and the integration tests ask an Airflow for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

RUN_ENDED = frozenset({"success", "failed"})
# A task in one of these states will not change by itself any more.
TASK_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowApiError(Exception):
    """Airflow refused a request or could not be reached; the text carries the request and Airflow's own words."""


@dataclass(frozen=True)
class TaskInstance:
    """One task of a run; `map_index` is -1 for a task that is not mapped, times are None until they are known."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None
    label: str | None

    @property
    def name(self) -> str:
        """What a person reads: the task, with the label of its mapped instance."""
        if self.map_index < 0:
            return self.task_id
        return f"{self.task_id} [{self.label or self.map_index}]"

    @property
    def seconds(self) -> float | None:
        """Between start and end; None while one of them is not known."""
        if self.started is None or self.ended is None:
            return None
        return (self.ended - self.started).total_seconds()


@dataclass(frozen=True)
class LogLine:
    """One event of a task's log; `fields` holds what the line carries beside its text."""

    timestamp: str | None
    level: str
    event: str
    fields: dict[str, Any]

    @property
    def exceptions(self) -> list[str]:
        """What was raised, outermost first, each as ``Type: first line of its message``; its causes behind it."""
        details = self.fields.get("error_detail") or []
        return [f"{detail.get('exc_type')}: {(detail.get('exc_value') or '').split(chr(10))[0]}" for detail in details]


class AirflowApi:
    """One user's view of one Airflow.

    :param base_url: for example ``http://127.0.0.1:8080``
    :param username: the user to log in as, at the first request that needs it
    :param password: its password; never logged, never part of an error
    """

    def __init__(self, base_url: str, username: str, password: str, *, timeout: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.username = username
        self._password = password
        self._client = httpx.Client(base_url=self.base_url, timeout=timeout, trust_env=False)
        self._token: str | None = None

    def close(self) -> None:
        """Give the sockets back."""
        self._client.close()

    def __enter__(self) -> AirflowApi:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- requests ----------------------------------------------------------------------------------------------------

    def _log_in(self) -> str:
        response = self._send("POST", "/auth/token", json={"username": self.username, "password": self._password})
        token = response.json()["access_token"]
        assert isinstance(token, str)
        return token

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise AirflowApiError(f"{method} {self.base_url}{path}: {type(error).__name__}: {error}") from error
        return response

    def request(self, method: str, path: str, *, expect: tuple[int, ...] = (200, 201, 204), **options: Any) -> Any:
        """Send one request as this user; return the decoded body (None when it is empty).

        :raises AirflowApiError: the answer's status is not among `expect`, or there is no answer
        """
        if self._token is None:
            self._token = self._log_in()
        response = self._send(method, path, headers={"Authorization": f"Bearer {self._token}"}, **options)
        if response.status_code == 401:  # the token has expired: a demo may stay up for days
            self._token = self._log_in()
            response = self._send(method, path, headers={"Authorization": f"Bearer {self._token}"}, **options)
        if response.status_code not in expect:
            raise AirflowApiError(f"{method} {path}: {response.status_code}: {_detail(response)}")
        return response.json() if response.content else None

    # --- the installation --------------------------------------------------------------------------------------------

    def health(self) -> dict[str, str]:
        """Each component with its status ("healthy", "unhealthy"); empty while the server does not answer yet."""
        try:
            response = self._client.get("/api/v2/monitor/health")
        except httpx.HTTPError:
            return {}
        if response.status_code != 200:
            return {}
        return {name: str((value or {}).get("status")) for name, value in response.json().items()}

    def scheduler_heartbeat(self) -> str:
        """When the scheduler last said that it lives; it says so every few seconds, between its loops."""
        return str(self.request("GET", "/api/v2/monitor/health")["scheduler"]["latest_scheduler_heartbeat"])

    def import_errors(self) -> list[tuple[str, str]]:
        """DAG files that could not be read: (file, traceback)."""
        body = self.request("GET", "/api/v2/importErrors")
        return [(error["filename"], error["stack_trace"]) for error in body["import_errors"]]

    def dag_ids(self) -> list[str]:
        """The DAGs Airflow knows by now."""
        return [dag["dag_id"] for dag in self.request("GET", "/api/v2/dags", params={"limit": 100})["dags"]]

    # --- connections -------------------------------------------------------------------------------------------------

    def put_connection(self, connection_id: str, connection: dict[str, Any]) -> None:
        """Create or replace a connection; `connection` as in ``AIRFLOW_CONN_…`` (extra may be an object)."""
        extra = connection.get("extra")
        body = {
            **connection,
            "connection_id": connection_id,
            "extra": json.dumps(extra) if isinstance(extra, dict) else extra,
        }
        self.request("DELETE", f"/api/v2/connections/{quote(connection_id, safe='')}", expect=(204, 404))
        self.request("POST", "/api/v2/connections", json=body)

    def test_connection(self, connection_id: str) -> tuple[bool, str]:
        """What the button "Test" in the connection's form says."""
        stored = self.request("GET", f"/api/v2/connections/{quote(connection_id, safe='')}")
        body = {key: stored.get(key) for key in ("conn_type", "host", "port", "login", "schema", "extra")}
        answer = self.request("POST", "/api/v2/connections/test", json={"connection_id": connection_id, **body})
        return bool(answer["status"]), str(answer["message"])

    # --- runs --------------------------------------------------------------------------------------------------------

    def trigger(self, dag_id: str, conf: dict[str, Any], *, note: str | None = None) -> str:
        """Start a run; return its id. The DAG's Params refuse a wrong `conf` here (status 400)."""
        body: dict[str, Any] = {"logical_date": None, "conf": conf}
        if note:
            body["note"] = note
        return str(self.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self.request("GET", _run(dag_id, run_id))["state"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG as Airflow describes them, newest first."""
        found = self.request("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"order_by": "-run_after", "limit": 100})
        return list(found["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Every task instance of a run, in no particular order."""
        return [_task_instance(item) for item in self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances")]

    def task_order(self, dag_id: str) -> list[str]:
        """The DAG's task ids from top to bottom: a task stands behind everything it waits for."""
        tasks = self.request("GET", f"/api/v2/dags/{dag_id}/tasks")["tasks"]
        waits_for: dict[str, set[str]] = {task["task_id"]: set() for task in tasks}
        for task in tasks:
            for follower in task["downstream_task_ids"]:
                waits_for[follower].add(task["task_id"])
        ordered: list[str] = []
        while waits_for:
            ready = sorted(name for name, others in waits_for.items() if not others)
            if not ready:
                raise AirflowApiError(f"the tasks of {dag_id} wait for each other: {sorted(waits_for)}")
            for name in ready:
                ordered.append(name)
                del waits_for[name]
            for others in waits_for.values():
                others.difference_update(ready)
        return ordered

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """What a task left under a key; None when there is nothing (yet)."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/{quote(key, safe='')}"
        body = self.request("GET", path, params={"map_index": map_index}, expect=(200, 404))
        return body.get("value")

    def task_state(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """What a task keeps in Airflow's task state store, by key."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/state-store"
        body = self.request("GET", path, params={"map_index": map_index}, expect=(200, 404))
        entries = body.get("task_state_store") or body.get("entries") or []
        return {entry["key"]: entry.get("value") for entry in entries}

    def log(self, dag_id: str, run_id: str, task: TaskInstance, try_number: int | None = None) -> list[LogLine]:
        """The log of one try of a task, the last one by default."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task.task_id}/logs/{try_number or max(task.try_number, 1)}"
        body = self.request("GET", path, params={"map_index": task.map_index, "full_content": True}, expect=(200, 404))
        lines = []
        for item in body.get("content", []):
            if isinstance(item, str):
                item = {"event": item}
            fields = {key: value for key, value in item.items() if key not in {"timestamp", "level", "event"}}
            lines.append(LogLine(item.get("timestamp"), str(item.get("level", "info")), str(item["event"]), fields))
        return lines

    def clear(
        self, dag_id: str, run_id: str, task_ids: list[str] | None = None, *, downstream: bool = False
    ) -> list[str]:
        """Run tasks again (all of the run without `task_ids`); return the ids that were cleared."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "only_failed": False,
            "reset_dag_runs": True,
            "include_downstream": downstream,
        }
        if task_ids is not None:
            body["task_ids"] = task_ids
        cleared = self.request("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body)
        return [item["task_id"] for item in cleared["task_instances"]]

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task as failed or success, as the buttons in the UI do; a running one is killed."""
        self.request("PATCH", f"{_run(dag_id, run_id)}/taskInstances/{task_id}", json={"new_state": state})

    # --- a person's part ---------------------------------------------------------------------------------------------

    def required_actions(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """What the run asks a person for and nobody has answered yet (subject, body, options, task_instance)."""
        path = f"{_run(dag_id, run_id)}/hitlDetails"
        return list(self.request("GET", path, params={"response_received": False})["hitl_details"])

    def answer(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        options: list[str],
        inputs: dict[str, Any] | None = None,
        map_index: int = -1,
    ) -> None:
        """Answer a required action, as this user."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/{map_index}/hitlDetails"
        self.request("PATCH", path, json={"chosen_options": options, "params_input": inputs or {}})

    def _pages(self, path: str, key: str, size: int = 100) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            body = self.request("GET", path, params={"limit": size, "offset": offset})
            yield from body[key]
            offset += size
            if offset >= body["total_entries"]:
                return


def _run(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"  # run ids contain ':' and '+'


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _task_instance(item: dict[str, Any]) -> TaskInstance:
    return TaskInstance(
        task_id=item["task_id"],
        map_index=item["map_index"],
        state=item["state"],
        try_number=item["try_number"],
        started=_time(item["start_date"]),
        ended=_time(item["end_date"]),
        label=item.get("rendered_map_index"),
    )


def _detail(response: httpx.Response) -> str:
    try:
        return json.dumps(response.json().get("detail", response.json()))
    except ValueError:
        return response.text[:500]

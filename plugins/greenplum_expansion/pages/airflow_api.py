"""Acting in Airflow as the user who is logged in: by Airflow's own REST API, asked in this process.

So Airflow checks the permission once more, writes its audit log, and validates the request, as it does for everybody.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

import httpx
from anyio import from_thread
from fastapi import Depends, HTTPException, Request

_PASSED_ON = ("cookie", "authorization")


def airflow_app() -> Any:
    """The app of this API server, as ``airflow.api_fastapi.main`` made it."""
    from airflow.api_fastapi.app import cached_app  # made after the plugins are loaded, of which we are one

    return cached_app(apps=os.environ.get("AIRFLOW_API_APPS", "all"))


class AirflowApi:
    """Airflow's REST API (v2), as the user of one request; for routes that run in a thread of their own (``def``)."""

    def __init__(self, request: Request, app: Annotated[Any, Depends(airflow_app)]) -> None:
        self._app = app
        self._headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}

    def trigger(self, dag_id: str, conf: dict[str, Any], note: str) -> str:
        """Start a run; returns its id."""
        body = {"logical_date": None, "conf": conf, "note": note}
        started = self._send("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
        return str(started["dag_run_id"])

    def clear(self, dag_id: str, run_id: str, task_ids: Iterable[str | tuple[str, int]]) -> list[str]:
        """Have tasks, or some places of mapped ones, and all behind them, run again; returns what was cleared."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "include_downstream": True,
            "reset_dag_runs": True,
        }
        cleared = self._send("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)
        return sorted({item["task_id"] for item in cleared["task_instances"]})

    def answer(
        self, dag_id: str, run_id: str, task_id: str, map_index: int, option: str, inputs: dict[str, Any]
    ) -> None:
        """Answer what a task asks."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances/{_quoted(task_id)}/{map_index}"
        self._send("PATCH", f"{path}/hitlDetails", {"chosen_options": [option], "params_input": inputs})

    def _send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return from_thread.run(self._ask, method, path, body)

    async def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        transport = httpx.ASGITransport(app=self._app)
        prefix = self._app.root_path.rstrip("/")
        async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
            answer = await client.request(method, prefix + path, json=body, headers=self._headers)
        if answer.is_success:
            return answer.json()
        raise HTTPException(answer.status_code, _words(answer))


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _words(answer: httpx.Response) -> str:
    """Airflow's own, as far as they are words."""
    try:
        detail = answer.json().get("detail")
    except ValueError:
        detail = None
    if isinstance(detail, list):
        detail = "; ".join(str(part.get("msg", part)) if isinstance(part, dict) else str(part) for part in detail)
    return f"Airflow refused it: {detail or answer.reason_phrase}"


AirflowApiDep = Annotated[AirflowApi, Depends()]

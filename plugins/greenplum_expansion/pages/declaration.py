"""What the plugin declares of the pages. All of Airflow loads this, each task's process too: it is light."""

from __future__ import annotations

from threading import Lock
from typing import Any

from greenplum_expansion.pages.link import PATH, ExpansionLink, base_path


class LazyApp:
    """The app, made at its first request: only the API server ever has one."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self._lock:
            if self._app is None:
                from greenplum_expansion.pages.app import make_app

                self._app = make_app()
        await self._app(scope, receive, send)


def fastapi_apps() -> list[dict[str, Any]]:
    """Mounted below Airflow's own root."""
    return [{"app": LazyApp(), "url_prefix": f"/{PATH}", "name": "Greenplum expansion"}]


def external_views() -> list[dict[str, Any]]:
    """An entry of the navigation, and a tab on every run (Airflow has no tabs for single DAGs)."""
    root = f"{base_path()}/{PATH}"
    return [
        {
            "name": "Greenplum",
            "href": f"{root}/clusters",
            "destination": "nav",
            "url_route": PATH,
            "nav_top_level": True,
            "icon": f"{root}/static/icon.svg",
            "icon_dark_mode": f"{root}/static/icon-dark.svg",
        },
        {
            "name": "Expansion",
            "href": f"{root}/runs/{{DAG_ID}}/{{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "expansion",
        },
    ]


def operator_extra_links() -> list[Any]:
    """From tasks to the page of their run."""
    return [ExpansionLink()]

"""Airflow's API server by itself, over metadata that a test writes: nothing moves until the test moves it.

No scheduler runs beside it, so a run stays in the state it was given, and a triggered one stays queued.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session, sessionmaker

from demo import processes
from demo.processes import Process
from tests.support.afterwards import ended_if_we_are_killed
from tests.support.ports import free_port

USERS = {"op": "op", "viewer": "viewer"}  # name: role
PATIENCE = 300.0  # seconds; only so that a hang ends
ROOT = Path(__file__).resolve().parents[2]
_END = "import json, sys; from demo import processes as p; p.end([p.Process.from_json(json.loads(sys.argv[1]))])"


class ServerEnded(Exception):
    """The server ended by itself or does not answer; the text holds the end of its log."""


class ApiServer:
    """One server with a database of its own.

    :param home: an empty directory for all it writes
    :param prefix: path below which it is reached, for example "/some/prefix"
    :param like: another server, whose database it gets a copy of; without one, Airflow's empty tables
    """

    def __init__(self, home: Path, *, prefix: str = "", like: ApiServer | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}{prefix}"
        self._passwords = {name: secrets.token_urlsafe(12) for name in USERS}
        self._process: Process | None = None
        _copy(_our_database() if like is None else like._database, self._database)
        engine = create_engine(f"sqlite:///{self._database}")
        event.listen(engine, "connect", _do_not_wait)
        self._sessions = sessionmaker(engine, class_=Session, expire_on_commit=False)

    @property
    def _database(self) -> Path:
        return self.home / "airflow.db"

    @property
    def _log(self) -> Path:
        return self.home / "api-server.log"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """On the server's database; its end commits."""
        with self._sessions.begin() as session:
            yield session

    def password(self, user: str) -> str:
        """Of one of USERS."""
        return self._passwords[user]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Started at the beginning of the block, ended with it; `wait` tells when it answers."""
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps(self._passwords), encoding="utf-8")
        command = [sys.executable, "-m", "airflow", "api-server"]
        self._process = processes.start(command, log=self._log, cwd=self.home, env=self._environment(passwords))
        stop = [sys.executable, "-c", _END, json.dumps(self._process.as_json())]
        with ended_if_we_are_killed(stop):
            try:
                yield
            finally:
                processes.end([self._process])

    def wait(self) -> None:
        """Return when it answers.

        :raises ServerEnded: it never will
        """
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while self._process.alive and time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.base_url}/api/v2/version", timeout=PATIENCE).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)  # nobody listens there yet
        raise ServerEnded(self._log.read_text(encoding="utf-8", errors="replace")[-3000:])

    def _environment(self, passwords: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "PYTHONPATH": str(ROOT / "plugins"),
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._database}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.base_url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }


def _our_database() -> Path:
    """Airflow's tables as this process has made them, which takes a second; `airflow db migrate` takes ten."""
    from airflow import settings

    engine: Any = settings.engine
    return Path(engine.url.database)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as given, closing(sqlite3.connect(target)) as taken:
        given.backup(taken)


def _do_not_wait(connection: Any, _: Any) -> None:
    """Nobody needs these rows after a crash: a commit need not wait for the disk."""
    connection.execute("PRAGMA synchronous = OFF")

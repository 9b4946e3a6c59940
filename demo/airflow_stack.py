"""A real Airflow on this machine, under one directory: api-server, scheduler, dag-processor and triggerer.

Metadata lie in SQLite, tasks run in the LocalExecutor. Ports are chosen free and kept, secrets are generated and kept
in files of mode 600. The settings are those found to work in 3.3.2; where one has a reason, it stands beside it.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from demo import processes
from demo.airflow_api import AirflowApi
from demo.processes import Process

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
USERS = {"admin": "admin", "op": "op", "viewer": "viewer"}  # name: role
_PORTS = range(10000, 20000)  # the practice cluster takes from 20000 on
STARTING_TAKES = 180.0  # seconds until a start is given up; usual are 20 to 30 on two cores


class StackError(Exception):
    """Airflow could not be started or does not answer; the text says which part, why, and what to look at."""


# Imports all arguments but the last, which is the component, and becomes `airflow COMPONENT`.
_PRELOAD = """
import importlib, runpy, sys
*modules, component = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
sys.argv = ["airflow", component]
runpy.run_module("airflow", run_name="__main__")
"""


@dataclass
class _State:
    """What is remembered between calls: ports, and the processes of the last start."""

    api_port: int
    worker_log_port: int
    trigger_log_port: int
    components: dict[str, Process]


class AirflowStack:
    """One Airflow; two with different directories do not know of each other.

    :param home: its directory; everything it writes lies below
    :param dags: folder of the DAGs
    :param plugins: folder of the plugins; it is on PYTHONPATH too, so that the provider in it is found
    :param settings: further environment variables (AIRFLOW__…), for tests
    :param preload: modules that the scheduler imports before it makes its workers, which then have them: otherwise each
        task imports what its DAG file does, which is a second of a processor
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path = ROOT / "dags",
        plugins: Path = ROOT / "plugins",
        settings: dict[str, str] | None = None,
        preload: tuple[str, ...] = (),
    ) -> None:
        self.home = home.resolve()
        self.dags = dags
        self.plugins = plugins
        self.settings = settings or {}
        self.preload = preload
        self.logs = self.home / "components"

    # --- what is kept ------------------------------------------------------------------------------------------------

    @property
    def _state_file(self) -> Path:
        return self.home / "stack.json"

    def _load(self) -> _State | None:
        try:
            data = json.loads(self._state_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        components = {name: Process.from_json(entry) for name, entry in data.pop("components").items()}
        return _State(**data, components=components)

    def _save(self, state: _State) -> None:
        data: dict[str, Any] = {**vars(state), "components": {}}
        data["components"] = {name: process.as_json() for name, process in state.components.items()}
        _write_private(self._state_file, json.dumps(data, indent=1))

    def _secrets(self) -> dict[str, Any]:
        """Generated once: the passwords of the users and the keys of the installation."""
        path = self.home / "secrets.json"
        if not path.exists():
            generated = {
                "passwords": {name: secrets.token_urlsafe(12) for name in USERS},
                "jwt_secret": secrets.token_hex(64),
                "api_secret_key": secrets.token_hex(32),
                "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            }
            _write_private(path, json.dumps(generated, indent=1))
            _write_private(self._passwords_file, json.dumps(generated["passwords"]))
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return stored

    @property
    def _passwords_file(self) -> Path:
        return self.home / "passwords.json"

    @property
    def base_url(self) -> str:
        """Where the UI is; raises StackError before the first start."""
        state = self._load()
        if state is None:
            raise StackError(f"Airflow in {self.home} was never started. Next: `python -m demo up`.")
        return f"http://127.0.0.1:{state.api_port}"

    def password(self, user: str = "admin") -> str:
        """The password of one of the generated users."""
        return str(self._secrets()["passwords"][user])

    def api(self, user: str = "admin") -> AirflowApi:
        """A client of this Airflow, logged in as `user` at its first request."""
        return AirflowApi(self.base_url, user, self.password(user))

    def environment(self) -> dict[str, str]:
        """The environment of every component, and of `airflow …` on the command line."""
        state = self._load()
        if state is None:
            raise StackError(f"Airflow in {self.home} was never started. Next: `python -m demo up`.")
        kept = self._secrets()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            # Airflow looks for providers before it adds its plugins folder to the path.
            "PYTHONPATH": str(self.plugins),
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.plugins),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "6",  # each worker is a process of some 60 MB, idle or not; 32 is the default
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__FERNET_KEY": kept["fernet_key"],
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords_file),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{state.api_port}/execution/",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(state.api_port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{state.api_port}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": kept["api_secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": kept["jwt_secret"],
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(state.worker_log_port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(state.trigger_log_port),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",  # a new file is seen after this; 300 is the default
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",  # 30 is not enough if many tasks begin on a loaded machine
            # A file that has changed is read at once all the same; reading one costs a second of a processor.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",  # 1 is the default, which each step waits for
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **self.settings,
        }

    # --- start and stop ----------------------------------------------------------------------------------------------

    def is_up(self) -> bool:
        """Whether every component of the last start still runs."""
        state = self._load()
        return (
            state is not None
            and set(state.components) == set(COMPONENTS)
            and all(process.alive for process in state.components.values())
        )

    def start(self) -> None:
        """Start what is not running; returns at once, `wait` tells when it is ready."""
        if self.is_up():
            return
        self.stop()  # what a crash may have left of an earlier start
        for folder in (self.home, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secrets()
        old = self._load()
        ports = [old.api_port, old.worker_log_port, old.trigger_log_port] if old else []
        if not ports or not all(_is_free(port) for port in ports):
            ports = _free_ports(3)
        state = _State(api_port=ports[0], worker_log_port=ports[1], trigger_log_port=ports[2], components={})
        self._save(state)
        environment = self.environment()
        airflow = [sys.executable, "-m", "airflow"]
        preloading = [sys.executable, "-c", _PRELOAD, *self.preload]
        migrated = subprocess.run(
            [*airflow, "db", "migrate"], cwd=self.home, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if migrated.returncode != 0:
            raise StackError(f"`airflow db migrate` failed:\n{migrated.stderr[-2000:]}")
        for name in COMPONENTS:
            program = preloading if name == "scheduler" else airflow
            state.components[name] = processes.start(
                [*program, name],
                log=self.logs / f"{name}.log",
                cwd=self.home,
                env=environment,
            )
            self._save(state)  # after each, so that an interrupted start can be stopped

    def wait(self, dag_ids: tuple[str, ...] = (), *, on_wait: Callable[[str], None] | None = None) -> None:
        """Return when all components are healthy and the DAGs are known.

        :param dag_ids: the DAGs to wait for
        :param on_wait: told, on each change, what is still missing
        :raises StackError: a component ended, a DAG file is broken, or STARTING_TAKES seconds went by
        """
        deadline = time.monotonic() + STARTING_TAKES
        said = ""
        with self.api() as api:
            while True:
                missing = self._missing(api, dag_ids)
                if not missing:
                    return
                if missing != said and on_wait:
                    on_wait(missing)
                said = missing
                if time.monotonic() > deadline:
                    raise StackError(
                        f"Airflow still waits for {missing} after {STARTING_TAKES:.0f} s. See {self.logs}."
                    )
                time.sleep(0.5)

    def _missing(self, api: AirflowApi, dag_ids: tuple[str, ...]) -> str:
        state = self._load()
        assert state is not None
        for name, process in state.components.items():
            if not process.alive:
                tail = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-2000:]
                raise StackError(f"airflow {name} ended while starting. The end of its log:\n{tail}")
        health = api.health()
        ailing = [name for name, status in health.items() if status != "healthy" and status != "None"]
        ailing += [name for name in ("scheduler", "triggerer", "dag_processor") if health.get(name) != "healthy"]
        if not health or ailing:
            return ", ".join(sorted(set(ailing))) or "the API server"
        unknown = sorted(set(dag_ids) - set(api.dag_ids()))
        if unknown:
            for file, trace in api.import_errors():
                raise StackError(f"Airflow cannot read {file}:\n{trace}")
        return ("DAG " + ", ".join(unknown)) if unknown else ""

    def forget_runs(self) -> None:
        """Stop, and begin the next start with empty metadata and logs; ports, users and passwords stay.

        A run that was given up half-way would otherwise go on at the next start, beside the new one.
        """
        self.stop()
        for leftover in self.home.glob("airflow.db*"):
            leftover.unlink()
        for folder in (self.home / "logs", self.logs):
            shutil.rmtree(folder, ignore_errors=True)

    def stop(self) -> None:
        """End every process of the last start; nothing happens when there is none."""
        state = self._load()
        if state is None:
            return
        processes.end(list(state.components.values()))
        state.components = {}
        self._save(state)


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    """Different ports nobody listens on now.

    Airflow binds them some seconds later: no outgoing connection takes one meanwhile, as they are below the kernel's
    ephemeral ones, and chance keeps two stacks that start together apart.
    """
    candidates = secrets.SystemRandom().sample(_PORTS, len(_PORTS))
    return list(islice(filter(_is_free, candidates), count))

"""Up and down, seen from the machine: what the command line calls."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import layout
from sandbox.datacenter import control, images, keys
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.interpreter import find_interpreter
from sandbox.datacenter.power import DOWN_MARK
from sandbox.datacenter.state import (
    Settings,
    State,
    choose_ports,
    choose_uid_base,
    relay_names,
    write_atomically,
)

Say = Callable[[str], None]
_START_PATIENCE = 30.0  # seconds until the control socket answers
_SSH_PATIENCE = 60.0  # seconds until every host's sshd answers; 0.5 s on an idle machine
_COPY_PATIENCE = 1800.0  # seconds for copies of all disks; 200 MB of tables take 5
_END_PATIENCE = 90.0  # seconds for an orderly shutdown of all hosts


def start_hosts(state: State, say: Say, *, database: bool, table_mb: int) -> None:
    """Make what is missing of the sandbox and have every host answer on its SSH port. Nothing happens to what is up."""
    find_interpreter(database=database)
    settings = state.settings() if state.exists() else None
    if settings is None:
        settings = _make_state(state, say, table_mb)
    state.make_directories(settings.uid_base)
    state.password()
    keys.make_keys(state, settings)
    write_connection(state)
    if not state.is_running():
        _start_supervisor(state)
        say("datacenter started")
    else:
        control.ask(state, "switch-on-unmarked")
    for host in layout.HOSTS:
        if (state.faults / DOWN_MARK.format(host.name)).exists():
            say(f"{host.name} stays off (fault host-down; `python -m sandbox fault host-up {host.name}`)")
        else:
            wait_for_ssh(state, host.name)
    say(f"hosts answer: {', '.join(h.name for h in layout.HOSTS)}")


def _make_state(state: State, say: Say, table_mb: int) -> Settings:
    """Decide what is decided once: uids, ports, disks."""
    images.check_room(state, table_mb)
    uid_base = choose_uid_base(state.directory)
    state.make_directories(uid_base)
    disk_mb = images.disk_size(table_mb)
    if reason := images.try_images(state):
        say(f"no data disks of their own for the hosts, so no fault disk-full: {reason}")
        disk_mb = 0
    for host in layout.HOSTS if disk_mb else ():
        images.make_image(images.image(state, host.name), disk_mb, uid_base)
    settings = Settings(uid_base, choose_ports(relay_names()), disk_mb)
    state.save(settings)
    say(f"state directory {state.directory}")
    return settings


def _start_supervisor(state: State) -> None:
    images.wait_until_released(state)
    log = state.logs / "supervisor.log"
    package_parent = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": package_parent}
    with log.open("ab") as stream:
        offset = stream.tell()
        command = [sys.executable, "-m", "sandbox.datacenter.staging", str(state.directory)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd="/", env=environment, check=False
        )
    if done.returncode != 0 and not state.is_running():
        raise SandboxError("The datacenter did not start", _tail(log, offset), f"see {log}")
    deadline = time.monotonic() + _START_PATIENCE
    while True:
        try:
            control.ask(state, "status", timeout=_COPY_PATIENCE)  # it may have to finish a `reset` first
            return
        except SandboxError:
            if not state.is_running() or time.monotonic() > deadline:
                raise SandboxError("The datacenter did not start", _tail(log, offset), f"see {log}") from None
        time.sleep(0.02)


def _tail(path: Path, offset: int) -> str:
    with path.open("rb") as stream:
        stream.seek(offset)
        text = stream.read().decode(errors="replace").strip()
    return text[-1500:] or "it said nothing"


def wait_for_ssh(state: State, host: str) -> None:
    """Return when the host's sshd has sent its greeting through the relay.

    :raises SandboxError: it does not within a minute
    """
    port = state.settings().ports[f"{host}:{layout.SSH_PORT}"]
    deadline = time.monotonic() + _SSH_PATIENCE
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass  # not yet
        if not control.ask(state, "status", host)[host]["wanted"]:
            break  # it failed to start, several times
        time.sleep(0.03)
    log = state.logs / f"{host}.log"
    text = log.read_text(errors="replace")[-800:].strip() if log.exists() else "no log"
    raise SandboxError(f"{host} does not answer on its SSH port", text, f"see {log}")


def write_connection(state: State) -> None:
    """Write ``connection.json``: the Airflow connection to this sandbox."""
    write_atomically(state.connection, json.dumps(connection(state), indent=1) + "\n", 0o600)


def connection(state: State) -> dict[str, Any]:
    """An Airflow connection as `airflow connections add --conn-json` takes it; holds the password."""
    ports = state.settings().ports
    coordinator = layout.COORDINATOR.name
    return {
        "conn_type": "greenplum",
        "host": "127.0.0.1",
        "port": ports[f"{coordinator}:{layout.COORDINATOR_PORT}"],
        "login": layout.GPADMIN,
        "password": state.password(),
        "schema": "postgres",
        "extra": {
            "ssh_host": "127.0.0.1",
            "ssh_port": ports[f"{coordinator}:{layout.SSH_PORT}"],
            "ssh_user": layout.GPADMIN,
            "ssh_key_file": str(state.client_key),
            "ssh_host_key": keys.public_key(keys.host_key(state, coordinator, "ed25519")),
        },
    }


def bring_database_up(state: State, say: Say, table_mb: int) -> None:
    """Have mdw make the cluster, or start it when it exists; its steps are told as ours.

    :raises SandboxError: it ended with another exit code than 0
    """
    command = f"{layout.INTERPRETER} -m sandbox.database.bootstrap --size {table_mb:d}"
    # One that an interrupted `up` left running is waited for; -o: what it starts for good must not keep the lock.
    words = ssh_command(state, layout.COORDINATOR.name, [f"flock -o /run/lock/sandbox-bootstrap {command}"])
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(re.sub(r"^ *[\d.]+ s  ", "", line.rstrip("\n")))
    code = process.returncode
    if code != 0:
        raise SandboxError(
            "The database did not come up",
            f"`{command}` on {layout.COORDINATOR.name} ended with exit code {code}, its words are above",
            "look with `python -m sandbox ssh mdw`, or start anew: `python -m sandbox down --purge`",
        )


def has_snapshot(state: State) -> bool:
    """Was the state after the first `up` kept?"""
    return (state.snapshots / ".complete").exists()


def take_snapshot(state: State, say: Say) -> None:
    """Shut the hosts down in order, copy their disks, switch them on again."""
    control.ask(state, "shut-down")
    control.ask(state, "snapshot", timeout=_COPY_PATIENCE)
    say("state kept for `reset`")
    _switch_on(state)


def restore_snapshot(state: State, say: Say) -> None:
    """Put every host back to the snapshot, without asking what runs on it, take back all faults, and switch it on.

    :raises SandboxError: there is no snapshot
    """
    if not has_snapshot(state):
        raise SandboxError(
            "There is nothing to go back to", "the first `up` keeps a copy at its end, and it did not get that far",
            "python -m sandbox up",
        )  # fmt: skip
    control.ask(state, "pull-plug")
    for path in state.faults.iterdir():
        path.unlink()
    control.ask(state, "empty-disk")
    control.ask(state, "restore", timeout=_COPY_PATIENCE)
    say("disks restored")
    _switch_on(state)


def _switch_on(state: State) -> None:
    control.ask(state, "switch-on")
    for host in layout.HOSTS:
        wait_for_ssh(state, host.name)


def stop(state: State, say: Say) -> None:
    """End every process of the sandbox; return when the machine has none left. The disks stay."""
    leader = control.leader(state)
    if state.is_running():
        try:
            control.ask(state, "end")
        except SandboxError as error:
            say(f"ending without the supervisor's help ({error.cause})")
            _kill(state)
        deadline = time.monotonic() + _END_PATIENCE
        while state.is_running():
            if time.monotonic() > deadline:
                say("an orderly shutdown takes too long: pulling the plug")
                _kill(state)
                deadline += _END_PATIENCE
            time.sleep(0.02)
    images.wait_until_released(state)
    if leader is not None:
        deadline = time.monotonic() + 10
        while remaining := control.processes_of(leader.user_namespace):
            if time.monotonic() > deadline:
                names = "; ".join(f"{pid} {command}" for pid, command in remaining.items())
                raise SandboxError("Processes of the sandbox remain", names, "end them by kill -9 and tell us")
            time.sleep(0.02)
    say("down")


def _kill(state: State) -> None:
    """Kill process 1 of the datacenter, and with it all others: the kernel does that."""
    leader = control.leader(state)
    if leader is None:
        return
    fd = os.pidfd_open(leader.pid)
    try:
        if Path(f"/proc/{leader.pid}/ns/user").stat().st_ino == leader.user_namespace:  # not a number used again
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    finally:
        os.close(fd)


def ssh_command(
    state: State, host: str, command: list[str], *, user: str = layout.GPADMIN, terminal: bool = False
) -> list[str]:
    """The ssh command line that logs in to a host (straight to it, not through the coordinator)."""
    options = {
        "Port": str(state.settings().ports[f"{host}:{layout.SSH_PORT}"]),
        "IdentityFile": _for_ssh(state.client_key),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": _for_ssh(state.known_hosts),
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "LogLevel": "ERROR",
    }
    words = ["ssh", "-F", "/dev/null", *(["-tt"] if terminal else [])]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return [*words, f"{user}@127.0.0.1", *command]


def _for_ssh(path: Path) -> str:
    """A path as an option's value: ssh splits at spaces and gives % a meaning."""
    text = str(path).replace("%", "%%")
    return f'"{text}"'

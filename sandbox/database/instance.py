"""Create, start, stop, promote and remove one instance of the cluster on the machine this runs on.

Thin wrappers of initdb, pg_basebackup and pg_ctl that leave data directories in Greenplum's manner. As a command
(``python -m sandbox.database.instance``) it is what bootstrap and the utilities call on other hosts by ssh.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import postgres_bin

from . import control_file, settings

MODES = ("normal", "utility", "restricted")
START_SECONDS = 60
STOP_SECONDS = 60

_COMMON = """
# -- sandbox
max_connections = 250
shared_buffers = {shared_buffers}
dynamic_shared_memory_type = posix
max_worker_processes = 2
max_parallel_workers_per_gather = 0
max_locks_per_transaction = 256
max_wal_senders = 6
wal_level = replica
wal_keep_size = 64MB
max_wal_size = 512MB
min_wal_size = 32MB
checkpoint_timeout = 15min
hot_standby = on
wal_retrieve_retry_interval = 200ms
wal_sender_timeout = 10s    # a host that lost its power says nothing
wal_receiver_timeout = 10s
fsync = off                 # practice data: killed processes lose nothing, a crashed machine may
full_page_writes = off
autovacuum = off
jit = off
log_min_messages = warning
log_line_prefix = '%m [%p] %u@%d '
unix_socket_directories = '{sockets}'
listen_addresses = '{listen}'
port = {port}
"""

_COORDINATOR = """
bonjour_name = ''
allow_system_table_mods = off
enable_partitionwise_aggregate = off
enable_partition_pruning = on
"""

_COORDINATOR_HBA = f"""# inside: no password; the proxy keeps the client's last octet (sandbox/database/settings.py)
local   all          all                          trust
host    all          all  {settings.OUTSIDE_ADDRESS}/32            scram-sha-256
host    all          all  {settings.LOOPBACK_NETWORK}            trust
host    all          all  127.0.0.1/32            trust
host    replication  all  {settings.LOOPBACK_NETWORK}            trust
host    replication  all  127.0.0.1/32            trust
"""

_SEGMENT_HBA = f"""local   all          {settings.SUPERUSER}             trust
local   replication  {settings.SUPERUSER}             trust
host    all          {settings.SUPERUSER}  samenet    trust
host    replication  {settings.SUPERUSER}  samenet    trust
"""


class InstanceError(Exception):
    """An instance could not be brought into the state asked for: names the directory, the cause, the log."""


@dataclass(frozen=True)
class Identity:
    """What an instance is, as kept in its ``internal.auto.conf``: `port` is the one of the catalog."""

    content: int
    dbid: int
    port: int


@dataclass(frozen=True)
class Status:
    """State of a data directory's server; `pid` is the postmaster's, None when it does not run."""

    running: bool
    pid: int | None
    port: int | None


def create_primary(datadir: Path, port: int, content: int, dbid: int, system_of: Path | None = None) -> None:
    """A new primary (or, with content -1, the coordinator) in an absent or empty directory; it is left stopped.

    A primary has what the coordinator relies on; the coordinator's own catalogs are `sandbox.database.schema`'s affair.

    :param system_of: data directory whose system identifier it bears, as a copy of that would
    """
    _require_room(datadir)
    datadir.parent.mkdir(parents=True, exist_ok=True)
    locale = ["--locale=C.UTF-8", "--encoding=UTF8"]
    _run(
        "initdb", "--pgdata", str(datadir), "--username", settings.SUPERUSER, "--auth=trust", "--no-sync",
        "--wal-segsize=1", "--data-checksums", "--no-instructions", *locale, what=f"create {datadir}",
    )  # fmt: skip
    if system_of is not None:
        control_file.write_system(datadir, control_file.read_system(system_of))
        _run("pg_resetwal", "--force", "--pgdata", str(datadir), what=f"give {datadir} the identifier of {system_of}")
    (datadir / "pg_log").mkdir(mode=0o700, exist_ok=True)
    coordinator = content == -1
    text = _COMMON.format(
        port=port + settings.BACKEND_PORT_OFFSET if coordinator else port,
        sockets=settings.runtime_directory(datadir) if coordinator else settings.SOCKET_DIRECTORIES[0],
        listen="127.0.0.1" if coordinator else "*",
        shared_buffers="64MB" if coordinator else "24MB",
    )
    with (datadir / "postgresql.conf").open("a") as configuration:
        configuration.write(text + (_COORDINATOR if coordinator else ""))
    (datadir / "pg_hba.conf").write_text(_COORDINATOR_HBA if coordinator else _SEGMENT_HBA)
    _write_identity(datadir, Identity(content, dbid, port))
    if not coordinator:
        _install_on_segment(datadir)


def create_mirror(datadir: Path, port: int, content: int, dbid: int, source_host: str, source_port: int) -> None:
    """A streaming replica of the instance at `source_host`; content -1: the standby. It is left stopped.

    :raises InstanceError: the directory is not empty, or the source does not answer
    """
    _require_room(datadir)
    datadir.parent.mkdir(parents=True, exist_ok=True)
    source = f"host={source_host} port={source_port} user={settings.SUPERUSER} application_name=gp_walreceiver"
    moved = [] if content == -1 else _tablespaces_of(source, dbid)
    _run(
        "pg_basebackup", "--pgdata", str(datadir), "--dbname", f"{source} connect_timeout=10", "--write-recovery-conf",
        "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--no-verify-checksums",
        *(f"--tablespace-mapping={old}={new}" for old, new in moved),
        what=f"copy {source_host}:{source_port} to {datadir}",
    )  # fmt: skip
    for _, new in moved:
        (new / settings.TABLESPACE_FILES).mkdir(mode=0o700, exist_ok=True)
    (datadir / "postmaster.opts").unlink(missing_ok=True)
    with (datadir / "postgresql.auto.conf").open("a") as configuration:
        configuration.write(
            f"port = {port}\nlisten_addresses = '*'\nsynchronous_standby_names = ''\n"
            f"unix_socket_directories = '{settings.SOCKET_DIRECTORIES[0]}'\n"
        )
    _write_identity(datadir, Identity(content, dbid, port))


def _tablespaces_of(source: str, dbid: int) -> list[tuple[Path, Path]]:
    """Directories of the source's tablespaces, and what they are for a mirror with this dbid, as Greenplum has it."""
    query = "select pg_tablespace_location(link::oid) from pg_ls_dir('pg_tblspc') link where link ~ '^[0-9]+$'"
    program = [str(postgres_bin() / "psql"), "-XAt", "-c", query, f"{source} dbname=postgres connect_timeout=10"]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0:
        raise InstanceError(f"Cannot ask for tablespaces. Cause: {done.stderr.strip()}. Next: start {source}.")
    places = [Path(line) for line in done.stdout.splitlines() if line]
    return [(place, place.parent / str(dbid)) for place in places]


def start(datadir: Path, mode: str = "normal") -> None:
    """Start the server and, on a coordinator, the proxy and fts; nothing happens when all of it runs.

    :param mode: ``utility`` and ``restricted`` are the coordinator's: gpstart -m and -R
    """
    if mode not in MODES:
        raise InstanceError(f"Cannot start {datadir}. Cause: unknown mode {mode!r}. Next: one of {', '.join(MODES)}.")
    start_server(datadir, mode)
    identity = read_identity(datadir)
    if _is_coordinator(datadir, identity):
        _start_daemon(datadir, identity, mode)


def start_server(datadir: Path, mode: str = "normal") -> None:
    """`start` without the proxy and fts."""
    identity = read_identity(datadir)
    if not _server_status(datadir).running:
        log = datadir / "pg_log" / "startup.log"
        log.parent.mkdir(mode=0o700, exist_ok=True)
        options: list[str] = []
        if _is_coordinator(datadir, identity):
            settings.runtime_directory(datadir).mkdir(mode=0o700, exist_ok=True)
            options += {"utility": ["-c gp.role=utility"], "restricted": ["-c superuser_reserved_connections=240"]}.get(
                mode, []
            )
        _run(
            "pg_ctl", "start", "--pgdata", str(datadir), "--wait", "--silent", "--timeout", str(START_SECONDS),
            "--log", str(log), "--options", " ".join(options), what=f"start {datadir}", hint=f"see {log}",
        )  # fmt: skip


def stop(datadir: Path, mode: str = "fast") -> None:
    """Stop the server, on a coordinator first the proxy and fts; nothing happens when nothing runs."""
    if mode not in ("smart", "fast", "immediate"):
        raise InstanceError(f"Cannot stop {datadir}. Cause: unknown mode {mode!r}. Next: smart, fast or immediate.")
    if _is_coordinator(datadir, read_identity(datadir)):
        _stop_daemon(datadir)
    if _server_status(datadir).running:
        _run(
            "pg_ctl", "stop", "--pgdata", str(datadir), "--wait", "--silent", "--timeout", str(STOP_SECONDS),
            "--mode", mode, what=f"stop {datadir}", hint=f"see {datadir}/pg_log/startup.log",
        )  # fmt: skip


def promote(datadir: Path) -> None:
    """Make a running mirror the primary."""
    _run("pg_ctl", "promote", "--pgdata", str(datadir), "--wait", "--silent", what=f"promote {datadir}")


def status(datadir: Path) -> Status:
    """Whether the directory's server runs.

    :raises InstanceError: there is no instance in that directory
    """
    found = _server_status(datadir)
    return Status(found.running, found.pid, read_identity(datadir).port)


def remove(datadir: Path) -> None:
    """Stop what runs there and delete the directory; an absent one is fine."""
    if (datadir / "PG_VERSION").exists() and _server_status(datadir).running:
        stop(datadir, "immediate")
    if datadir.exists():
        shutil.rmtree(datadir)


def read_identity(datadir: Path) -> Identity:
    """Content, dbid and port of the instance.

    :raises InstanceError: not a data directory of the sandbox
    """
    try:
        lines = (datadir / "internal.auto.conf").read_text().splitlines()
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        return Identity(int(values["gp_contentid"]), int(values["gp_dbid"]), int(values["gp_port"]))
    except (OSError, KeyError, ValueError) as error:
        raise InstanceError(
            f"No instance in {datadir}. Cause: its internal.auto.conf cannot be read ({error}). Next: create it first."
        ) from error


def daemon_pid(datadir: Path) -> int | None:
    """Process id of the proxy in front of a coordinator, None when it does not run."""
    try:
        pid = int((settings.runtime_directory(datadir) / "daemon.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"sandbox.database.daemon" in command else None


def _write_identity(datadir: Path, identity: Identity) -> None:
    (datadir / "internal.auto.conf").write_text(
        "# Greenplum's own settings of this instance\n"
        f"gp_dbid={identity.dbid}\ngp_contentid={identity.content}\ngp_port={identity.port}\n"
    )


def _is_coordinator(datadir: Path, identity: Identity) -> bool:
    return identity.content == -1 and not (datadir / "standby.signal").exists()


def _require_room(datadir: Path) -> None:
    if datadir.exists() and (not datadir.is_dir() or any(datadir.iterdir())):
        raise InstanceError(f"Segment directory '{datadir}' exists but is not empty!")


def _server_status(datadir: Path) -> Status:
    """The postmaster of `postmaster.pid`, if it lives and is one (a pid may have been reused after a crash)."""
    try:
        lines = (datadir / "postmaster.pid").read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return Status(False, None, None)
    if b"postgres" not in command:
        return Status(False, None, None)
    return Status(True, pid, port)


def _start_daemon(datadir: Path, identity: Identity, mode: str) -> None:
    if daemon_pid(datadir) is not None:
        return
    runtime = settings.runtime_directory(datadir)
    ready = runtime / "daemon.ready"
    ready.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "sandbox.database.daemon",
        "--datadir",
        str(datadir),
        "--port",
        str(identity.port),
        "--mode",
        mode,
    ]
    with (runtime / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise InstanceError(f"The proxy of {datadir} does not start. Cause and next: see {runtime}/daemon.log.")
        time.sleep(0.02)


def _stop_daemon(datadir: Path) -> None:
    pid = daemon_pid(datadir)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while daemon_pid(datadir) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _install_on_segment(datadir: Path) -> None:
    """sql/segment/ into template1 and postgres, by the server's single-user mode: it need not be started for that."""
    lines = (settings.SQL_DIRECTORY / "segment" / "segment.sql").read_text().splitlines()
    statements = "\n".join(line for line in lines if not line.startswith("--")) + "\n\n"
    for database in ("template1", "postgres"):
        _run(
            "postgres", "--single", "-j", "-O", "-c", "exit_on_error=on", "-D", str(datadir), database,
            what=f"prepare database {database} of {datadir}", given=statements,
        )  # fmt: skip


def _run(program: str, *arguments: str, what: str, hint: str = "", given: str = "") -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PGOPTIONS": ""}
    command = [str(postgres_bin() / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, input=given, check=False, cwd="/")
    if done.returncode != 0:
        cause = (done.stderr.strip() or done.stdout.strip()).replace("\n", "; ")
        raise InstanceError(f"Could not {what}. Cause: {program}: {cause}. Next: {hint or 'mend that and repeat'}.")


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module; exit codes: 0 done, 1 failed, 3 not running, 4 no instance there."""
    parser = argparse.ArgumentParser(prog="sandbox.database.instance", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("create-primary", "create-mirror", "start", "stop", "promote", "status", "remove"):
        command = commands.add_parser(name)
        command.add_argument("--datadir", type=Path, required=True)
        if name.startswith("create"):
            command.add_argument("--port", type=int, required=True)
            command.add_argument("--content", type=int, required=True)
            command.add_argument("--dbid", type=int, required=True)
            command.add_argument("--start", action="store_true", help="leave it running")
            command.add_argument("--if-missing", action="store_true", help="keep an instance which is there")
        if name == "create-primary":
            command.add_argument("--system-of", type=Path)
        if name == "create-mirror":
            command.add_argument("--source-host", required=True)
            command.add_argument("--source-port", type=int, required=True)
        if name == "start":
            command.add_argument("--mode", choices=MODES, default="normal")
        if name == "stop":
            command.add_argument("--mode", choices=("smart", "fast", "immediate"), default="fast")
    given = vars(parser.parse_args(arguments))
    name = given.pop("command")
    and_start, if_missing = given.pop("start", False), given.pop("if_missing", False)
    try:
        if name == "status":
            found = status(given["datadir"])
            print("running" if found.running else "stopped", found.pid or "-", found.port)
            return 0 if found.running else 3
        actions: dict[str, Callable[..., None]] = {
            "create-primary": create_primary, "create-mirror": create_mirror, "start": start, "stop": stop,
            "promote": promote, "remove": remove,
        }  # fmt: skip
        if not (if_missing and (given["datadir"] / "PG_VERSION").exists()):
            actions[name](**given)
        if and_start:
            start(given["datadir"])
    except InstanceError as error:
        print(error, file=sys.stderr)
        return 4 if name == "status" else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

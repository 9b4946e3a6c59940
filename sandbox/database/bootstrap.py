"""Make the whole cluster and database demo, like gpinitsystem: run on the coordinator's host as gpadmin.

Instances are made on their hosts by ssh, in parallel. Run again it starts what is stopped and makes what is missing; a
database demo that was loaded completely is left alone.
"""

from __future__ import annotations

import argparse
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from sandbox import layout

from . import demo, instance, schema
from .instance import InstanceError

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR")


def on_host(host: str, *arguments: str) -> str:
    """Run ``python -m sandbox.database.instance …`` on a host and return what it prints.

    :raises InstanceError: it failed; with the host's name and its words
    """
    command = ["-m", "sandbox.database.instance", *arguments]
    if host == socket.gethostname():
        full: Sequence[str] = (sys.executable, *command)
    else:
        full = (*SSH, host, shlex.join([layout.INTERPRETER, *command]))
    done = subprocess.run(full, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InstanceError(f"On host {host}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def say(text: str) -> None:
    """One line a step, with seconds since the start."""
    print(f"{time.monotonic() - _BEGAN:5.1f} s  {text}", flush=True)


_BEGAN = time.monotonic()


def make_primary(segment: layout.Segment) -> None:
    """Create (unless it exists) and start one primary."""
    where = (
        "--datadir",
        segment.datadir,
        "--port",
        str(segment.port),
        "--content",
        str(segment.content),
        "--dbid",
        str(segment.dbid),
    )
    on_host(segment.host, "create-primary", *where, "--start", "--if-missing")


def make_mirror(segment: layout.Segment, source: layout.Segment) -> None:
    """Create (unless it exists) and start one mirror or the standby."""
    on_host(
        segment.host, "create-mirror", "--datadir", segment.datadir, "--port", str(segment.port),
        "--content", str(segment.content), "--dbid", str(segment.dbid),
        "--source-host", source.host, "--source-port", str(source.port), "--start", "--if-missing",
    )  # fmt: skip


def make_coordinator(segment: layout.Segment, segments: Sequence[layout.Segment], password: str | None) -> None:
    """The coordinator with its catalogs; on return its proxy and fts run."""
    datadir = Path(segment.datadir)
    fresh = not (datadir / "PG_VERSION").exists()
    if fresh:
        instance.create_primary(datadir, segment.port, segment.content, segment.dbid)
    instance.start_server(datadir)
    if fresh:
        schema.install_on_coordinator(datadir)
    with closing(schema.backend_connection(datadir, "postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from gp_segment_configuration")
        if cursor.fetchone()[0] == 0:
            for row in segments:
                cursor.execute(
                    "insert into gp_segment_configuration values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (
                        row.dbid,
                        row.content,
                        row.role,
                        row.role,
                        *_first_state(row),
                        row.port,
                        row.host,
                        row.host,
                        row.datadir,
                    ),
                )
        if password:
            cursor.execute("alter role gpadmin password %s", (password,))
        cursor.execute("select count(*) from pg_database where datname = %s", (layout.DATABASE,))
        if cursor.fetchone()[0] == 0:
            cursor.execute(f"create database {layout.DATABASE}")
    instance.start(datadir)


def _first_state(segment: layout.Segment) -> tuple[str, str]:
    """Mode and status before FTS has seen the segment; it says nothing about the coordinator's own pair."""
    if segment.content == -1:
        return ("n", "u") if segment.role == "p" else ("s", "u")
    return ("n", "u") if segment.role == "p" else ("n", "d")


def wait_until(what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
    """Poll a condition.

    :raises InstanceError: it did not come true
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise InstanceError(
                f"Gave up waiting {seconds:.0f} s: {what}. Next: see daemon.log and the instances' pg_log."
            )
        time.sleep(0.1)


def all_in_sync(datadir: Path) -> bool:
    """Whether FTS has found every mirror streaming."""
    with closing(schema.backend_connection(datadir, "postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("select bool_and(mode = 's' and status = 'u') from gp_segment_configuration where content >= 0")
        return bool(cursor.fetchone()[0])


def bootstrap(size: int, password: str | None, segments: Sequence[layout.Segment] = layout.SEGMENTS) -> None:
    """All of it. `size`: megabytes of rows in database demo.

    :raises InstanceError: names the step that failed
    """
    primaries = [s for s in segments if s.content >= 0 and s.role == "p"]
    mirrors = [s for s in segments if s.role == "m"]
    coordinator = next(s for s in segments if s.content == -1 and s.role == "p")
    source = {s.content: s for s in segments if s.role == "p"}
    with ThreadPoolExecutor(len(segments)) as pool:
        primary_jobs = [pool.submit(make_primary, s) for s in primaries]
        make_coordinator(coordinator, segments, password)
        for job in primary_jobs:
            job.result()
        say(f"coordinator and {len(primaries)} primaries run")
        for job in [pool.submit(make_mirror, s, source[s.content]) for s in mirrors]:
            job.result()
        say(f"{len(mirrors)} mirrors run")
    wait_until("mirrors in sync", lambda: all_in_sync(Path(coordinator.datadir)))
    say("mirrors in sync")
    if demo.load(coordinator.port, size):
        say(f"database {layout.DATABASE} loaded, {size} MB")


def main(arguments: list[str] | None = None) -> int:
    """Command line; exit 0 when the cluster stands."""
    parser = argparse.ArgumentParser(prog="sandbox.database.bootstrap", description=__doc__)
    parser.add_argument(
        "--size", type=int, default=200, metavar="MB", help="rows in database demo (default %(default)s)"
    )
    parser.add_argument("--password-file", help="gpadmin's password for logins from outside; - reads it from stdin")
    given = parser.parse_args(arguments)
    try:
        if given.password_file == "-":
            password = sys.stdin.readline().strip()
        elif given.password_file:
            password = Path(given.password_file).read_text().strip()
        else:
            password = layout.gpadmin_password() if layout.PASSWORD_FILE.exists() else None
        bootstrap(given.size, password)
    except (InstanceError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

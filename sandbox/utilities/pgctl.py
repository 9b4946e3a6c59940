"""``pg_ctl`` of the installation: start, stop, status and promote of the sandbox's instances, in pg_ctl's words.

The options that Greenplum's utilities pass with ``-o`` (port, utility role) are kept in the data directory here.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Exit codes as pg_ctl's: 1 failed, 3 not running, 4 no data directory."""
    parser = argparse.ArgumentParser(prog="pg_ctl")
    parser.add_argument("action", choices=("start", "stop", "restart", "status", "promote", "reload"))
    parser.add_argument("-D", dest="datadir", default=os.environ.get("PGDATA"))
    parser.add_argument("-m", dest="mode", default="smart", choices=("smart", "fast", "immediate"))
    parser.add_argument("-o", dest="options", default="")
    parser.add_argument("-l", dest="log")
    parser.add_argument("-t", dest="timeout", type=int)
    parser.add_argument("-w", dest="wait", action="store_true")
    parser.add_argument("-W", dest="no_wait", action="store_true")
    parser.add_argument("-s", dest="silent", action="store_true")
    given = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if not given.datadir or not Path(given.datadir).is_dir():
        print(f'pg_ctl: directory "{given.datadir}" does not exist', file=sys.stderr)
        return 4
    return _act(given.action, Path(given.datadir), given.mode)


def _act(action: str, datadir: Path, mode: str) -> int:
    from sandbox.database import instance

    try:
        if action == "status":
            found = instance.status(datadir)
            print(f"pg_ctl: server is running (PID: {found.pid})" if found.running else "pg_ctl: no server running")
            return 0 if found.running else 3
        if action == "promote":
            instance.promote(datadir)
            print("server promoting")
            return 0
        if action == "reload":
            from .reload import reload_instance

            reload_instance(datadir)
            print("server signaled")
            return 0
        if action in ("stop", "restart"):
            instance.stop(datadir, mode)
            print("waiting for server to shut down.... done\nserver stopped")
        if action in ("start", "restart"):
            instance.start(datadir)
            print("waiting for server to start.... done\nserver started")
        return 0
    except instance.InstanceError as problem:
        if action == "start":
            print(
                "waiting for server to start.... stopped waiting\n"
                "pg_ctl: could not start server\nExamine the log output."
            )
        else:
            print(problem, file=sys.stderr)
        return 1

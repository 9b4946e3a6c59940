"""The command line: `python -m sandbox up | down | status | reset | fault … | connection | ssh HOST [CMD]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import AbstractContextManager

from sandbox import layout
from sandbox.datacenter import control, faults, lifecycle, preflight, query
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.state import State

DEFAULT_SIZE = 200  # MB of table data
_HOSTS = [h.name for h in layout.HOSTS]
_INSTANCES = "select sum((status = 'u')::int), count(*) from gp_segment_configuration"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors are printed in one sentence and make exit code 1."""
    options = _parser().parse_args(arguments)
    state = State.chosen(options.state_dir)
    try:
        code: int = options.run(state, options)
        return code
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"sandbox: {error.filename} is not yours. Next: run this as who started the sandbox.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sandbox: interrupted; the same command again goes on where it was", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A practice Greenplum cluster.")
    parser.add_argument("--state-dir", help="directory with all of it (default: $SANDBOX_HOME, else ./.sandbox)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start hosts and cluster, making what is missing")
    up.add_argument("--size", type=int, default=DEFAULT_SIZE, metavar="MB", help="table data to load (%(default)s)")
    up.add_argument("--hosts-only", action="store_true", help="no database")
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="end every process; the data stays")
    down.add_argument("--purge", action="store_true", help="then delete the state directory, too")
    down.set_defaults(run=_down)

    status = commands.add_parser("status", help="hosts, relays, database; exit code 0 when all is up")
    status.add_argument("--hosts-only", action="store_true", help="do not ask the database")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(run=_status)

    commands.add_parser("reset", help="everything as right after the first up").set_defaults(run=_reset)
    _add_faults(commands.add_parser("fault", help="break something, or mend it again"))
    commands.add_parser("connection", help="print the Airflow connection as JSON").set_defaults(run=_connection)

    ssh = commands.add_parser("ssh", help="log in to a host, or run a command there")
    ssh.add_argument("--root", action="store_true", help="as root instead of gpadmin")
    ssh.add_argument("-t", dest="tty", action="store_true", help="with a terminal for the command")
    ssh.add_argument("host", choices=_HOSTS, metavar="HOST")
    ssh.add_argument("cmd", nargs=argparse.REMAINDER, help="as ssh takes it: words are joined by spaces for a shell")
    ssh.set_defaults(run=_ssh)
    return parser


def _add_faults(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_fault)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="faults that are set")
    setting = actions.add_parser("set", help="set a fault", description="; ".join(kind.help for kind in faults.KINDS))
    setting.add_argument("name")
    setting.add_argument("value", nargs="?")
    actions.add_parser("clear", help="take one fault back, or all").add_argument("name", nargs="?")
    for action, text in (
        ("host-down", "pull a host's plug"),
        ("host-up", "switch a host on"),
        ("bare-host", "a new host that nobody has prepared: no user, no software, nobody's names"),
    ):
        actions.add_parser(action, help=text).add_argument("host", choices=_HOSTS, metavar="HOST")
    segment = actions.add_parser("segment-down", help="kill -9 the acting primary of a content")
    segment.add_argument("content", type=int)
    full = actions.add_parser("disk-full", help="fill a host's /data")
    full.add_argument("host", choices=_HOSTS, metavar="HOST")
    full.add_argument("left", type=int, nargs="?", default=0, help="MB to leave free (default 0)")


class _Steps:
    """Prints one line a step, with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:5.1f} s  {text}", flush=True)


def _alone(state: State) -> AbstractContextManager[None]:
    return state.exclusively(lambda: print("waiting for another command in this state directory", flush=True))


def _up(state: State, options: argparse.Namespace) -> int:
    say = _Steps()
    preflight.check_machine(database=not options.hosts_only)
    with _alone(state):
        lifecycle.start_hosts(state, say, database=not options.hosts_only, table_mb=options.size)
        if options.hosts_only:
            say("no database asked for")
            return 0
        lifecycle.bring_database_up(state, say, options.size)
        if not lifecycle.has_snapshot(state):
            lifecycle.take_snapshot(state, say)
            lifecycle.bring_database_up(state, say, options.size)
        say("up")
    return 0


def _down(state: State, options: argparse.Namespace) -> int:
    if not state.directory.is_dir():
        print(f"no sandbox in {state.directory}")
        return 0
    with _alone(state):
        lifecycle.stop(state, _Steps())
        if options.purge:
            state.remove()
    return 0


def _reset(state: State, options: argparse.Namespace) -> int:
    say = _Steps()
    state.settings()
    with _alone(state):
        lifecycle.restore_snapshot(state, say)
        lifecycle.bring_database_up(state, say, DEFAULT_SIZE)
        say("as after the first up")
    return 0


def _status(state: State, options: argparse.Namespace) -> int:
    settings = state.settings()
    hosts = control.ask(state, "status") if state.is_running() else {}
    database: str | None = None
    good = bool(hosts) and all(lamp["on"] for lamp in hosts.values())
    if hosts and not options.hosts_only:
        try:
            up, all_of_them = query.rows(state, _INSTANCES)[0]
            database = f"{up} of {all_of_them} instances up"
            good = good and up == all_of_them
        except SandboxError as error:
            database, good = f"no answer: {error.cause}", False
    if options.json:
        report = {"up": good, "hosts": hosts, "relays": settings.ports, "database": database}
        print(json.dumps({**report, "faults": faults.list_faults(state)}, indent=1))
        return 0 if good else 1
    if not hosts:
        print("down")
        return 1
    leader = control.leader(state)
    print(f"{len(control.processes_of(leader.user_namespace)) if leader else 0} processes under {state.directory}")
    for name, lamp in hosts.items():
        print(f"{name:6} {lamp['address']:12} {'on' if lamp['on'] else 'off':4} boots {lamp['boots']}")
    for name, port in settings.ports.items():
        print(f"127.0.0.1:{port} -> {name}")
    for name, value in faults.list_faults(state).items():
        print(f"fault {name} = {value}")
    if database is not None:
        print(f"database: {database}")
    return 0 if good else 1


def _fault(state: State, options: argparse.Namespace) -> int:
    state.settings()
    match options.action:
        case "list":
            for name, value in faults.list_faults(state).items():
                print(f"{name}\t{value}")
        case "set":
            print(f"{options.name}\t{faults.set_fault(state, options.name, options.value)}")
        case "clear":
            for name in faults.clear(state, options.name):
                print(f"cleared {name}")
        case "host-down":
            faults.host_down(state, options.host)
            print(f"{options.host} is off")
        case "host-up":
            faults.host_up(state, options.host)
            print(f"{options.host} is on")
        case "bare-host":
            faults.bare_host(state, options.host)
            print(f"{options.host} is bare; `fault clear bare-host.{options.host}` makes it as new again")
        case "segment-down":
            instance = faults.segment_down(state, options.content)
            print(f"killed {instance.host}:{instance.datadir} (port {instance.port})")
        case "disk-full":
            faults.disk_full(state, options.host, options.left)
            print(f"{options.host}: {options.left} MB left in /data; `fault clear disk-full.{options.host}` mends it")
    return 0


def _connection(state: State, options: argparse.Namespace) -> int:
    print(json.dumps(lifecycle.connection(state), indent=1))
    return 0


def _ssh(state: State, options: argparse.Namespace) -> int:
    user = "root" if options.root else layout.GPADMIN
    words = lifecycle.ssh_command(state, options.host, options.cmd, user=user, terminal=options.tty)
    sys.stdout.flush()
    os.execvp(words[0], words)

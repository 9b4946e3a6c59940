"""Trying the network between all hosts: ports are opened for a moment, every other host knocks, the ports are closed.

What opens and knocks is `door.py`, by whatever Python a host has. A process that opened ports ends by itself, should
nobody be left to end it.
"""

from __future__ import annotations

import json
import logging
import secrets
import shlex
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources

from greenplum_expansion.checks.network import Knock, NetworkFacts, Protocol
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.members import AT_A_TIME, run_on_members
from greenplum_expansion.hooks.remote import CommandResult, RemoteHost, Script

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 4  # a connection through a firewall that drops packets is given up then
_SECONDS = 40.0  # for one host's script
_MOST_TARGETS = 400  # for one host: two rounds of door.py
_NO_PYTHON = 43  # exit code of our script


@dataclass(frozen=True)
class Party:
    """A host that takes part.

    :param address: by which the others reach it
    :param host: how to run something there; None: a host of the cluster, run by the coordinator
    :param opens: ports of new segments, where nothing listens yet
    :param is_open: address and port of the servers that run there
    :param is_new: every pair with at least one new party is tried
    """

    hostname: str
    address: str
    host: RemoteHost | None = None
    opens: tuple[int, ...] = ()
    is_open: tuple[tuple[str, int], ...] = ()
    is_new: bool = False


def try_network(hook: GreenplumHook, parties: Sequence[Party], *, udp: bool) -> NetworkFacts:
    """Open, knock, close.

    :param udp: the interconnect uses datagrams; else TCP, to ports that the kernel chooses, too
    :raises RemoteError: the coordinator cannot be asked
    """
    token = f"greenplum-expansion-door-{secrets.token_hex(8)}"
    interconnect, chosen = (Protocol.UDP, "udp") if udp else (Protocol.CHOSEN_TCP, "tcp")
    rounds = -(-len(parties) // AT_A_TIME)
    lifetime = 60 + int(rounds * _SECONDS)
    opening = {
        p.hostname: _door(hook, "open", {"token": token, "tcp": p.opens, "chosen": chosen, "seconds": lifetime})
        for p in parties
    }
    opened, untested = _run(hook, parties, opening)
    doors = {name: _doors(result.stdout) for name, result in opened.items()}
    try:
        knocking = {
            p.hostname: _targets(p, parties, doors, interconnect) for p in parties if p.hostname not in untested
        }
        scripts = {
            name: _door(hook, "knock", {"targets": [_as_row(t) for t in targets], "seconds": _ANSWER_SECONDS})
            for name, targets in knocking.items()
            if targets
        }
        answered, mute = _run(hook, parties, scripts)
    finally:
        _close(hook, parties, doors, token)
    knocks = [
        Knock(name, target.hostname, target.protocol, target.port, answer)
        for name, result in answered.items()
        for target, answer in zip(knocking[name], result.stdout.splitlines(), strict=False)
    ]
    return NetworkFacts(tuple(sorted(knocks)), {**mute, **untested}, udp)


@dataclass(frozen=True)
class _Target:
    hostname: str
    address: str
    protocol: Protocol
    port: int


@dataclass(frozen=True)
class _Doors:
    tcp: tuple[int, ...]
    chosen: int | None
    pid: int | None


def _doors(text: str) -> _Doors:
    words = [line.split() for line in text.splitlines()]
    values = [(words[0], int(words[1])) for words in words if len(words) == 2 and words[1].isdigit()]
    return _Doors(
        tcp=tuple(number for word, number in values if word == "tcp"),
        chosen=next((number for word, number in values if word == "chosen"), None),
        pid=next((number for word, number in values if word == "pid"), None),
    )


def _targets(
    source: Party, parties: Sequence[Party], doors: Mapping[str, _Doors], interconnect: Protocol
) -> list[_Target]:
    """All that one host knocks at. With many hosts fewer ports of each: a firewall seldom minds which of them it is."""
    others = [p for p in parties if p.hostname != source.hostname and (p.is_new or source.is_new)]
    most = max(2, _MOST_TARGETS // max(1, len(others)))
    targets = []
    for other in others:
        theirs = doors.get(other.hostname)
        places = [(other.address, port) for port in theirs.tcp] if theirs else []
        places += other.is_open
        targets += [_Target(other.hostname, *place) for place in _spread(_tcp(places), most)]
        if theirs and theirs.chosen:
            targets.append(_Target(other.hostname, other.address, interconnect, theirs.chosen))
    return targets


def _tcp(places: Sequence[tuple[str, int]]) -> list[tuple[str, Protocol, int]]:
    return [(address, Protocol.TCP, port) for address, port in dict.fromkeys(places)]


def _spread(places: Sequence[tuple[str, Protocol, int]], most: int) -> list[tuple[str, Protocol, int]]:
    """At most so many, the first and the last among them."""
    if len(places) <= most:
        return list(places)
    step = (len(places) - 1) / (most - 1)
    return [places[round(number * step)] for number in range(most)]


def _as_row(target: _Target) -> list[str | int]:
    return [target.address, "udp" if target.protocol is Protocol.UDP else "tcp", target.port]


def _close(hook: GreenplumHook, parties: Sequence[Party], doors: Mapping[str, _Doors], token: str) -> None:
    scripts = {
        name: Script(
            # The number may belong to another process by now.
            f"grep -q {token} /proc/{door.pid}/cmdline 2>/dev/null && kill {door.pid}; exit 0",
            "close the ports of the test",
        )
        for name, door in doors.items()
        if door.pid
    }
    try:
        _, left = _run(hook, parties, scripts)
    except RemoteError as error:
        left = dict.fromkeys(scripts, str(error))
    for name, said in left.items():
        log.warning("%s: the ports of the test close by themselves in some minutes (%s)", name, said)


def _run(
    hook: GreenplumHook, parties: Sequence[Party], scripts: Mapping[str, Script]
) -> tuple[dict[str, CommandResult], dict[str, str]]:
    """Run scripts on their hosts, all at the same time.

    :return: results of those that worked; and for the others why not
    """
    new = {p.hostname: p.host for p in parties if p.host is not None and p.hostname in scripts}
    old = {name: script for name, script in scripts.items() if name not in new}
    results: dict[str, CommandResult] = {}
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=AT_A_TIME + 1) as pool:
        of_old = pool.submit(run_on_members, hook, old, timeout=_SECONDS)
        of_new = {name: pool.submit(host.run, scripts[name], check=False) for name, host in new.items()}
        for name, future in of_new.items():
            try:
                results[name] = future.result()
            except RemoteError as error:
                failed[name] = error.cause
        results |= of_old.result()
    for name in scripts:
        result = results.get(name)
        if result is None:
            failed.setdefault(name, "it gave no answer")
        elif result.exit_code == _NO_PYTHON:
            failed[name] = "there is no Python"
        elif result.exit_code:
            said = result.stderr.strip().splitlines()
            failed[name] = said[-1] if said else f"exit code {result.exit_code}"
    return {name: result for name, result in results.items() if name not in failed}, failed


def _door(hook: GreenplumHook, mode: str, given: Mapping[str, object]) -> Script:
    program = resources.files("greenplum_expansion.hooks").joinpath("door.py").read_text(encoding="utf-8")
    # Greenplum's own Python comes last: it needs PYTHONHOME, with which no other starts.
    text = f"""
unset PYTHONHOME PYTHONPATH
path_script={shlex.quote(hook.environment().path_script)}
try='import json, select, signal, socket'
find_python() {{
    for python in python3 python python2 /usr/libexec/platform-python; do
        "$python" -c "$try" >/dev/null 2>&1 && return
    done
    return 1
}}
find_python || {{ [ -r "$path_script" ] && . "$path_script" >/dev/null 2>&1 && find_python; }} || exit {_NO_PYTHON}
"$python" - {mode} {shlex.quote(json.dumps(given))} <<'END_OF_DOOR'
{program}
END_OF_DOOR
"""
    return Script(text, f"{mode} ports for a test of the network")

"""gpcheckperf: disk, memory and network of hosts, in the real one's words, measured in the sandbox's own way.

The figures are those of the one machine under all hosts. Without ``-S`` the real utility writes twice the memory; here
64 MB a directory, so that nobody fills a disk by accident.
"""

from __future__ import annotations

import datetime
import getpass
import optparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .console import say
from .environment import GPHOME
from .errors import UtilityError
from .hostlists import read_host_file, unique
from .instances import INTERPRETER
from .remote import Result, in_parallel, run
from .version import announce

SSH = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-q"]
DEFAULT_BYTES = 64 * 1024 * 1024
SHORTEST, LONGEST = 5, 3600
"""Seconds that gpnetbenchClient takes; otherwise the pair fails, with a warning, and all goes on."""
UNITS = {"KB": 1024, "MB": 1024**2, "GB": 1024**3}


@dataclass(frozen=True)
class Plan:
    """What is to be measured where."""

    hosts: list[str]
    directories: list[str]
    tests: str
    bytes_per_host: int
    seconds: float
    per_host: bool
    verbose: bool


def measure(host: str, *arguments: str) -> float:
    """One measurement on a host.

    :raises UtilityError: it failed there
    """
    result = run([*SSH, host, f"{INTERPRETER} -m sandbox.utilities.measure {' '.join(arguments)}"])
    if result.code != 0:
        raise UtilityError(f"command failed on {host}: {result.stderr.strip()}")
    return float(result.stdout.split()[-1])


def _ssh(host: str, command: str) -> Result:
    return run([*SSH, host, command])


def _title(text: str, *, rule: int = 20) -> None:
    say(f"\n{'-' * rule}\n--  {text}\n{'-' * rule}")


def _result_heading() -> None:
    say(f"\n{'=' * 20}\n==  RESULT {datetime.datetime.now().isoformat()}\n{'=' * 20}")


def check_disks(plan: Plan) -> list[str]:
    """Write and read tests; lines of the result."""
    user = getpass.getuser()
    places = [f"{directory}/gpcheckperf_{user}" for directory in plan.directories]
    say(f"[Warning] Using {plan.bytes_per_host} bytes for disk performance test. This might take some time")
    made = in_parallel(lambda host: _ssh(host, f"rm -rf {' '.join(places)}; mkdir -p {' '.join(places)}"), plan.hosts)
    for host, result in zip(plan.hosts, made, strict=True):
        if result.code != 0:
            _remove(plan.hosts, places)
            _result_heading()
            detail = f"[ERROR] Unable to ssh to '{host}'" if result.code == 255 else result.stderr.strip()
            raise UtilityError(
                f"command failed: gpscp {GPHOME}/bin/lib/multidd =:/tmp/gpcheckperf_$USER/multidd"
                f" with output: {detail}\n"
            )
    share = plan.bytes_per_host // len(places)
    try:
        lines = []
        for kind in ("write", "read"):
            _title(f"DISK {kind.upper()} TEST")

            def time_host(host: str, kind: str = kind) -> float:
                return max(measure(host, f"disk-{kind}", f"{place}/ddfile", str(share)) for place in places)

            seconds = [max(value, 0.1) for value in in_parallel(time_host, plan.hosts)]
            lines += _disk_lines(kind, plan, dict(zip(plan.hosts, seconds, strict=True)))
        return lines
    finally:
        _remove(plan.hosts, places)


def _remove(hosts: Sequence[str], places: Sequence[str]) -> None:
    in_parallel(lambda host: _ssh(host, f"rm -rf {' '.join(places)}"), hosts)


def _disk_lines(kind: str, plan: Plan, seconds: dict[str, float]) -> list[str]:
    rates = {host: plan.bytes_per_host / 1024**2 / value for host, value in seconds.items()}
    least, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    lines = [
        "",
        f" disk {kind} avg time (sec): {sum(seconds.values()) / len(seconds):.2f}",
        f" disk {kind} tot bytes: {plan.bytes_per_host * len(plan.hosts)}",
        f" disk {kind} tot bandwidth (MB/s): {sum(rates.values()):.2f}",
        f" disk {kind} min bandwidth (MB/s): {rates[least]:.2f} [{least}]",
        f" disk {kind} max bandwidth (MB/s): {rates[most]:.2f} [{most}]",
    ]
    if plan.per_host:
        lines.append(" -- per host bandwidth --")
        lines += [f"    disk {kind} bandwidth (MB/s): {rate:.2f} [{host}]" for host, rate in rates.items()]
    return [*lines, ""]


def check_stream(plan: Plan) -> list[str]:
    """Memory bandwidth; lines of the result."""
    _title("STREAM TEST")
    values = in_parallel(lambda host: measure(host, "stream"), plan.hosts)
    rates = dict(zip(plan.hosts, values, strict=True))
    least, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
    lines = [
        "",
        f" stream tot bandwidth (MB/s): {sum(values):.2f}",
        f" stream min bandwidth (MB/s): {rates[least]:.2f} [{least}]",
        f" stream max bandwidth (MB/s): {rates[most]:.2f} [{most}]",
    ]
    if plan.per_host:
        lines.append(" -- per host bandwidth --")
        lines += [f"    stream bandwidth (MB/s): {rate:.2f} [{host}]" for host, rate in rates.items()]
    return [*lines, ""]


def transfer(source: str, target: str, seconds: float) -> float:
    """MB/s from one host to another."""
    command = f"{INTERPRETER} -m sandbox.utilities.measure listen {seconds}"
    listener = subprocess.Popen(
        [*SSH, target, command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        port = listener.stdout.readline().strip() if listener.stdout else ""
        if not port:
            raise UtilityError(f"cannot listen on {target}")
        return measure(source, "send", target, port, str(seconds))
    finally:
        listener.communicate()


def check_network(plan: Plan) -> list[str]:
    """``n`` one transfer after the other, ``N`` all pairs at once and then back, ``M`` everybody to everybody."""
    _title("NETPERF TEST", rule=19)
    if len(plan.hosts) == 1:
        say("[Warning] single host only - abandon netperf test")
        return []
    if "M" in plan.tests:
        rounds = [[(a, b) for a in plan.hosts for b in plan.hosts if a != b]]
    else:
        # Neighbours; with an odd number the last one's partner is the first, which thus has two.
        partners = [*plan.hosts, plan.hosts[0]] if len(plan.hosts) % 2 else plan.hosts
        pairs = list(zip(partners[::2], partners[1::2], strict=True))
        back = [(b, a) for a, b in pairs]
        one_by_one = [[pair] for both in zip(pairs, back, strict=True) for pair in both]
        rounds = [pairs, back] if "N" in plan.tests else one_by_one
    if not SHORTEST <= plan.seconds <= LONGEST:
        for pair in (pair for pairs in rounds for pair in pairs):
            say(f"duration must be between {SHORTEST} and {LONGEST} seconds")
            say(f"[Warning] netperf failed on {pair[0]} -> {pair[1]}")
        return []
    measured: dict[tuple[str, str], float] = {}
    for pairs in rounds:
        rates = in_parallel(lambda pair: transfer(*pair, plan.seconds), pairs, len(pairs))
        measured.update(zip(pairs, rates, strict=True))
    rates = list(measured.values())
    if "M" in plan.tests:
        lines = ["Full matrix netperf bandwidth test", "", "Per host transfer rates"]
        lines += [f"{host} Tx rate: {sum(r for (a, _), r in measured.items() if a == host):.2f}" for host in plan.hosts]
        lines += ["", "Per host receive rates"]
        lines += [f"{host} Rx rate: {sum(r for (_, b), r in measured.items() if b == host):.2f}" for host in plan.hosts]
        return [*lines, "", *_network_summary(rates), "", ""]
    lines = ["Netperf bisection bandwidth test", *(f"{a} -> {b} = {rate:.6f}" for (a, b), rate in measured.items())]
    slow = [
        f"[Warning] connection between {a} and {b} is no good" for (a, b), r in measured.items() if r < 0.9 * max(rates)
    ]
    return [*lines, *_network_summary(rates), "", *slow, ""]


def _network_summary(rates: Sequence[float]) -> Iterable[str]:
    values = sorted(rates)
    yield "\nSummary:"
    for name, value in (
        ("sum", sum(values)),
        ("min", values[0]),
        ("max", values[-1]),
        ("avg", sum(values) / len(values)),
        ("median", values[len(values) // 2]),
    ):
        yield f"{name} = {value:.2f} MB/sec"


def run_tests(plan: Plan) -> None:
    """All that was asked for, then the result."""
    lines: list[str] = []
    if "d" in plan.tests:
        lines += check_disks(plan)
    if "s" in plan.tests:
        lines += check_stream(plan)
    if set(plan.tests) & set("nNM"):
        lines += check_network(plan)
    _result_heading()
    for line in lines:
        say(line)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)(KB|MB|GB)?", text, re.IGNORECASE)
    if not found:
        raise UtilityError(f"cannot understand the size {text}")
    return int(found.group(1)) * UNITS.get((found.group(2) or "").upper(), 1)


def _plan(options: optparse.Values) -> Plan:
    # Of several -f the last one wins, silently.
    hosts = unique([*options.hosts, *(read_host_file(options.file) if options.file else [])])
    if not hosts:
        raise UtilityError("Please specify at least one host using the -h or -f option")
    if not re.fullmatch(r"[dsnNM]+", options.tests) or len(set(options.tests) & set("nNM")) > 1:
        raise UtilityError("-r must be a combination of d, s and one of n, N, M")
    if not options.directories:
        raise UtilityError("Please specify at least one directory using the -d option")
    seconds = float(re.sub(r"s$", "", options.duration))
    size = _size(options.size) if options.size else DEFAULT_BYTES * len(options.directories)
    return Plan(hosts, options.directories, options.tests, size, seconds, options.per_host, options.verbose)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 when a test cannot be set up; a slow disk is 0."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = optparse.OptionParser(
        prog="gpcheckperf", usage="gpcheckperf [options] {-f hostfile | -h host ...}", add_help_option=False
    )
    parser.add_option("-?", "--help", action="store_true", dest="help", default=False)
    parser.add_option("--version", action="store_true", dest="version", default=False)
    parser.add_option("-v", action="store_true", dest="verbose", default=False)
    parser.add_option("-V", action="store_true", dest="verbose")
    parser.add_option("-D", action="store_true", dest="per_host", default=False)
    parser.add_option("-d", dest="directories", action="append", default=[])
    parser.add_option("-h", dest="hosts", action="append", default=[])
    parser.add_option("-f", dest="file", default=None)
    parser.add_option("-r", dest="tests", default="dsN")
    parser.add_option("-S", dest="size", default=None)
    parser.add_option("-B", dest="block", default=None)
    parser.add_option("--duration", dest="duration", default="15s")
    options, _ = parser.parse_args(given)
    if options.help:
        say(parser.format_help(), end="")
        return 0
    if options.version:
        say(announce("gpcheckperf"))
        return 0
    say(f"{os.environ.get('GPHOME', GPHOME)}/bin/gpcheckperf {' '.join(given)}")
    try:
        run_tests(_plan(options))
    except UtilityError as problem:
        sys.stderr.write(f"[Error] {problem}\n")
        return 1
    except KeyboardInterrupt:  # the real one, too, ends with code 0
        _result_heading()
        say("[Abort] Keyboard Interrupt ...")
    return 0

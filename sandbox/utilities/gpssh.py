"""gpssh: one command on many hosts, or commands from stdin one after the other.

A host that cannot be logged into is named and left out; the exit code does not tell of it (recording 74b). It is that
of the command, or 1 when the command ended the remote shell, which the real one answers with a traceback (12c).
"""

from __future__ import annotations

import getpass
import optparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from .console import say
from .environment import GPHOME
from .errors import UtilityError
from .hostlists import read_host_file, unique
from .version import announce

SSH = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-q"]
MARK = "--gpssh-end-of-command--"


def login(host: str, user: str) -> bool:
    """Whether a shell can be had."""
    done = subprocess.run([*SSH, "-l", user, host, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


def run_on(host: str, user: str, command: str) -> tuple[list[str], int | None]:
    """Output lines and exit code; None when the command ended the shell before it could tell."""
    done = subprocess.run(
        [*SSH, "-l", user, host, "bash -l 2>&1"],
        input=f"{command}\necho {MARK}$?\n",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = done.stdout.splitlines()
    if lines and MARK in lines[-1]:
        before, _, code = lines[-1].partition(MARK)
        return lines[:-1] + ([before] if before else []), int(code)
    return lines, None


class Session:
    """Hosts that could be logged into."""

    def __init__(self, hosts: list[str], options: optparse.Values) -> None:
        self.options = options
        with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
            reachable = dict(zip(hosts, pool.map(lambda host: login(host, options.user), hosts), strict=True))
        for host, works in reachable.items():
            if not works:
                say(f"[ERROR] unable to login to {host}\nCould not acquire connection.")
        self.hosts = [host for host in hosts if reachable[host]]
        if options.verbose:
            for host in self.hosts:
                say(f"[INFO] login {host}")

    def execute(self, command: str) -> int:
        """Run everywhere, print host by host.

        :raises EOFError: the command ended a shell
        """
        text = f". {GPHOME}/greenplum_path.sh; {command}" if self.options.source else command
        width = max((len(host) for host in self.hosts), default=0)
        worst = 0
        with ThreadPoolExecutor(max_workers=max(1, len(self.hosts))) as pool:
            results = pool.map(lambda host: run_on(host, self.options.user, text), self.hosts)
            for host, (lines, code) in zip(self.hosts, results, strict=True):
                if code is None:
                    raise EOFError(host)
                prefix = f"[{host:>{width}}] "
                if self.options.echo:
                    say(prefix + command)
                for line in lines:
                    say(prefix + line)
                worst = max(worst, code)
        return worst


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = optparse.OptionParser(
        prog="gpssh", usage="gpssh [-v] [-e] [-s] [-u user] {-f file | -h host ...} [command]", add_help_option=False
    )
    parser.disable_interspersed_args()
    parser.add_option("-?", "--help", action="store_true", dest="help", default=False)
    parser.add_option("--version", action="store_true", dest="version", default=False)
    parser.add_option("-v", action="store_true", dest="verbose", default=False)
    parser.add_option("-e", action="store_true", dest="echo", default=False)
    parser.add_option("-s", action="store_true", dest="source", default=False)
    parser.add_option("-u", dest="user", default=getpass.getuser())
    parser.add_option("-h", dest="hosts", action="append", default=[])
    parser.add_option("-f", dest="file", default=None)
    options, words = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.help:
        say(parser.format_help(), end="")
        return 0
    if options.version:
        say(announce("gpssh"))
        return 0
    try:
        # Of several -f the last one wins, silently.
        hosts = unique([*options.hosts, *(read_host_file(options.file) if options.file else [])])
    except UtilityError as problem:
        say(f"[ERROR] {problem}")
        return 1
    if not hosts:
        say("[ERROR] Please specify at least one host using the -h or -f option")
        return 1
    if options.verbose:
        say("Using delaybeforesend 0.05 and prompt_validation_timeout 1.0\n\n[Reset ...]")
    session = Session(hosts, options)
    if not session.hosts:
        return 1
    code = _run(session, " ".join(words))
    if options.verbose:
        say("[INFO] completed successfully\n\n[Cleanup...]")
    return code


def _run(session: Session, command: str) -> int:
    try:
        if command:
            return session.execute(command)
        while True:
            say("=> ", end="")
            line = sys.stdin.readline()
            if not line or line.strip() in ("exit", "quit"):
                return 0
            if line.strip():
                session.execute(line.strip())
    except EOFError as ended:
        sys.stderr.write(
            "Traceback (most recent call last):\n"
            "pexpect.EOF: End Of File (EOF). Exception style platform.\n"
            f"args: {['/usr/bin/ssh', *SSH[1:], '-l', session.options.user, str(ended)]}\n"
        )
        return 1

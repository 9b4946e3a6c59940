"""gpssh-exkeys: let gpadmin log in from every host of a list to every other one.

From this host to all others it must work already, keys and host keys both: nothing is asked, a lack is an error.
"""

from __future__ import annotations

import optparse
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .console import say
from .errors import UtilityError
from .hostlists import read_host_file, unique
from .remote import Result, in_parallel, run
from .sshpool import POOL
from .version import announce

SSH = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
SCAN_SECONDS = 10

_FETCH = """umask 077; mkdir -p ~/.ssh; cd ~/.ssh; touch authorized_keys known_hosts
[ -f id_rsa ] || ssh-keygen -q -t rsa -b 2048 -N '' -f id_rsa
[ -f id_rsa.pub ] || ssh-keygen -y -f id_rsa > id_rsa.pub
cat id_rsa.pub; echo ==; cat authorized_keys; echo ==; cat known_hosts"""
_STORE = """umask 077; cd ~/.ssh; cat > .authorized_keys.new <<'END'
{authorized}END
cat > .known_hosts.new <<'END'
{known}END
chmod 600 .authorized_keys.new .known_hosts.new
mv .authorized_keys.new authorized_keys && mv .known_hosts.new known_hosts"""


@dataclass(frozen=True)
class Credentials:
    """What lies in ~/.ssh of one host, as lines."""

    public_key: str
    authorized: tuple[str, ...]
    known: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """From the output of the fetching script."""
        key, authorized, known = (part.strip("\n").splitlines() for part in text.split("==\n", 2))
        return cls(key[0], tuple(authorized), tuple(known))


def check_trust(hosts: list[str]) -> None:
    """Try all of them, report each that fails.

    :raises UtilityError: at least one did
    """
    failed = []
    for host, result in zip(hosts, in_parallel(lambda h: run([*SSH, h, "true"]), hosts), strict=True):
        if result.code != 0:
            sys.stderr.write(f"[ERROR]: Failed to ssh to {host}. {result.stderr}\n")
            failed.append(host)
            break  # the real one stops at the first
    if failed:
        raise UtilityError(f"Expected passwordless ssh to host {failed[0]}")


def local_credentials() -> Credentials:
    """Those of this host, a key made if there is none."""
    say("[STEP 1 of 5] create local ID and authorize on local host")
    key = Path.home() / ".ssh" / "id_rsa"
    if key.exists():
        say(f"  ... {key} file exists ... key generation skipped")
    done = subprocess.run(["bash", "-c", _FETCH], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return Credentials.parse(done.stdout)


def scan(hosts: list[str]) -> list[str]:
    """Host keys of all hosts, by name and by address."""
    names = [name for host in hosts for name in (host, _address(host)) if name]
    result = run(["ssh-keyscan", "-T", str(SCAN_SECONDS), *names])
    return [line for line in result.stdout.splitlines() if line and not line.startswith("#")]


def _address(host: str) -> str | None:
    try:
        return socket.gethostbyname(host)
    except OSError:
        return None


def exchange(hosts: list[str]) -> None:
    """The five steps; this host may be in the list."""
    here = {socket.gethostname(), socket.gethostname().split(".")[0], "localhost"}
    remote = [host for host in hosts if host not in here]
    check_trust(remote)
    own = local_credentials()
    say("\n[STEP 2 of 5] keyscan all hosts and update known_hosts file")
    scanned = scan(hosts)
    say("\n[STEP 3 of 5] retrieving credentials from remote hosts")
    for host in remote:
        say(f"  ... send to {host}")

    def fetch(host: str) -> Credentials:
        result = run([*SSH, *POOL.options(host), host, _FETCH])
        if result.code != 0:
            raise UtilityError(f"cannot retrieve credentials from {host}: {result.stderr.strip()}")
        return Credentials.parse(result.stdout)

    found = [own, *in_parallel(fetch, remote)]
    say("\n[STEP 4 of 5] determine common authentication file content")
    authorized = unique([line for c in found for line in (*c.authorized, c.public_key)])
    known = unique([*scanned, *(line for c in found for line in c.known)])
    say("\n[STEP 5 of 5] copy authentication files to all remote hosts")
    texts = {"authorized_keys": "\n".join(authorized) + "\n", "known_hosts": "\n".join(known) + "\n"}
    for name, text in texts.items():
        _store_here(name, text)
    script = _STORE.format(authorized=texts["authorized_keys"], known=texts["known_hosts"])

    def store(host: str) -> Result:
        return run([*SSH, *POOL.options(host), host, "bash -s"], stdin=script)

    for host, result in zip(remote, in_parallel(store, remote), strict=True):
        if result.code != 0:
            raise UtilityError(f"cannot copy authentication files to {host}: {result.stderr.strip()}")
        say(f"  ... finished key exchange with {host}")
    say("\n[INFO] completed successfully")


def _store_here(name: str, text: str) -> None:
    directory = Path.home() / ".ssh"
    temporary = directory / f".{name}.new"
    temporary.touch(mode=0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(directory / name)


def main(arguments: list[str] | None = None) -> int:
    """The command: exit code 1 when some host is not open to this one."""
    usage = "gpssh-exkeys {-f <hostfile_exkeys> | -h <hostname> ... | -e <hostfile_exkeys> -x <hostfile_gpexpand>}"
    parser = optparse.OptionParser(prog="gpssh-exkeys", usage=usage, add_help_option=False)
    parser.add_option("-?", "--help", action="store_true", dest="help", default=False)
    parser.add_option("--version", action="store_true", dest="version", default=False)
    parser.add_option("-v", action="store_true", dest="verbose", default=False)
    parser.add_option("-h", dest="hosts", action="append", default=[])
    parser.add_option("-f", dest="file", default=None)
    parser.add_option("-e", dest="existing", default=None)
    parser.add_option("-x", dest="new", default=None)
    options, _ = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if options.help:
        say(parser.format_help(), end="")
        return 0
    if options.version:
        say(announce("gpssh-exkeys"))
        return 0
    try:
        exchange(_hosts(options))
    except UtilityError as problem:
        sys.stderr.write(f"[ERROR]: {problem}\n")
        return 1
    return 0


def _hosts(options: optparse.Values) -> list[str]:
    """New hosts first, as the real one visits them."""
    if bool(options.existing) != bool(options.new):
        raise UtilityError("Please specify both -e and -x, or neither")
    if options.existing:
        existing, new = read_host_file(options.existing), read_host_file(options.new)
        both = sorted(set(existing) & set(new))
        if both:
            raise UtilityError(f"Existing host(s) {', '.join(both)} also in list of new hosts")
        return [*new, *existing]
    hosts = unique([*options.hosts, *(read_host_file(options.file) if options.file else [])])
    if not hosts:
        raise UtilityError("Please specify at least one host using the -h, -f or -e and -x options")
    return hosts

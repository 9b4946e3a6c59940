"""Reading what the checks of the new hosts judge."""

from __future__ import annotations

import ipaddress
import posixpath
import shlex
from collections.abc import Sequence

from greenplum_expansion.checks.new_hosts import DirectoryState, NewHostFacts
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.known_hosts import Trust
from greenplum_expansion.hooks.remote import Script

# What gpexpand calls on a new host over ssh (6.24.3: gpconfigurenewsegment, gprecoverseg, scp of the template).
_TOOLS = ("tar", "scp", "ssh", "rsync", "ps", "hostname")


def read_gp_version(hook: GreenplumHook) -> str:
    """What ``postgres --gp-version`` says on the coordinator; new hosts must say the same."""
    binary = posixpath.join(hook.environment().gphome, "bin", "postgres")
    return hook.coordinator().run([binary, "--gp-version"]).stdout.strip()


def read_new_host(
    hook: GreenplumHook,
    hostname: str,
    address: str,
    directories: Sequence[str],
    ports: Sequence[int],
    host_key: str | None = None,
) -> NewHostFacts:
    """Look at one new host, through the coordinator and as the cluster's user.

    :raises RemoteError: it cannot be reached or logged into; the error says which and what to do
    """
    resolved = _resolve_on_coordinator(hook, hostname)
    if not (resolved if address == hostname else _resolve_on_coordinator(hook, address)):
        raise RemoteError(
            f"New host {hostname}",
            f"the coordinator {hook.environment().hostname} does not know the name {address}",
            "correct it, or add it to /etc/hosts or DNS on every host of the cluster",
        )
    host = hook.host(hostname, address, host_key=host_key)
    binary = shlex.quote(posixpath.join(hook.environment().gphome, "bin", "postgres"))
    script = Script(
        "\n".join(
            [
                "export LC_ALL=C",
                'for a in $(hostname -I 2>/dev/null) 127.0.0.1; do echo "address $a"; done',
                f'[ -x {binary} ] && echo "version $({binary} --gp-version 2>/dev/null)"',
                f'for t in {" ".join(_TOOLS)}; do command -v $t >/dev/null || echo "missing $t"; done',
                _LOOK_AT_DIRECTORY,
                *(f"look {shlex.quote(path)}" for path in directories),
                _LISTENING,
                *(f"listens {int(port)} && echo 'port {int(port)}'" for port in ports),
                "true",
            ]
        ),
        f"look at {hostname}",
    )
    said: dict[str, list[str]] = {}
    for line in host.run(script).stdout.splitlines():
        word, _, rest = line.partition(" ")
        said.setdefault(word, []).append(rest)
    found = dict(entry.rsplit("=", 1) for entry in said.get("directory", []))
    fact = host.host_key
    own_addresses = tuple(dict.fromkeys(said.get("address", [])))
    return NewHostFacts(
        hostname=hostname,
        resolved=resolved,
        own_addresses=own_addresses,
        member=_member_with_address(hook, own_addresses),
        gp_version=said["version"][0] if said.get("version") else None,
        missing_tools=tuple(said.get("missing", [])),
        directories={path: DirectoryState(state) for path, state in found.items()},
        ports_in_use=tuple(int(port) for port in said.get("port", [])),
        host_key_note=fact.fingerprint if fact.trust is Trust.ACCEPTED else "",
    )


def _resolve_on_coordinator(hook: GreenplumHook, hostname: str) -> tuple[str, ...]:
    result = hook.coordinator().run(["getent", "ahosts", hostname], check=False)
    return tuple(dict.fromkeys(line.split()[0] for line in result.stdout.splitlines() if line.strip()))


def _member_with_address(hook: GreenplumHook, addresses: Sequence[str]) -> str:
    """Name of the cluster's host that has one of these addresses, under whatever name it was reached; else empty."""
    mine = {address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_loopback}
    members = {instance.address: instance.hostname for instance in read_topology(hook).instances}
    lines = [f"echo {shlex.quote(name)} $(getent ahosts {shlex.quote(name)} | cut -d' ' -f1)" for name in members]
    said = hook.coordinator().run(Script("\n".join(lines), "resolve the cluster's hosts"), check=False).stdout
    for line in said.splitlines():
        name, *resolved = line.split()
        if mine & set(resolved):
            return members[name]
    return ""


# A directory can be made if its nearest existing ancestor can be written; gpexpand makes it with mkdir -p.
_LOOK_AT_DIRECTORY = f"""
look() {{
    if [ -d "$1" ]; then
        if [ -n "$(ls -A -- "$1" 2>/dev/null)" ]; then state='{DirectoryState.NOT_EMPTY}'
        elif [ -w "$1" ] && [ -x "$1" ]; then state='{DirectoryState.EMPTY}'
        else state='{DirectoryState.NOT_WRITABLE}'; fi
    elif [ -e "$1" ] || [ -L "$1" ]; then state='{DirectoryState.NOT_A_DIRECTORY}'
    else
        up=$1
        while [ ! -e "$up" ]; do up=$(dirname -- "$up"); done
        if [ -d "$up" ] && [ -w "$up" ] && [ -x "$up" ]; then state='{DirectoryState.ABSENT}'
        else state='{DirectoryState.NOT_WRITABLE}'; fi
    fi
    echo "directory $1=$state"
}}"""

# Reads the kernel's table rather than calling ss or netstat, which minimal systems lack. 0A is LISTEN.
_LISTENING = """
listens() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$(printf '%04X' "$1")" '
        $4 == "0A" && substr($2, length($2) - 4) == p { found = 1 }
        END { exit !found }'
}"""

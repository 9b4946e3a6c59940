"""Reading what the checks of the new hosts judge, from new hosts and from those of the cluster alike.

One script asks everything of a host, in one round trip. Its answers are lines of a word, a tab and values.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from greenplum_expansion.checks.host_software import MODULES, NEEDED_TOOLS, USUAL_TOOLS
from greenplum_expansion.checks.hosts import Account, Cluster, Filesystem, HostFacts, Software, System
from greenplum_expansion.checks.new_hosts import DirectoryState, PlaceFacts
from greenplum_expansion.cluster.names import is_ip_address
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.environment import CoordinatorEnvironment
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import RemoteHost, Script

_SECONDS = 120.0  # for one host; ldd of a hundred modules from a cold disk takes some of them


def read_cluster(hook: GreenplumHook, topology: Topology, new_names: Sequence[str]) -> tuple[Cluster, dict[str, str]]:
    """Look at every host of the cluster.

    :param new_names: names and addresses of new hosts, asked of each
    :return: the cluster's hosts, and for each that could not be looked at what was said
    :raises RemoteError: the coordinator cannot be asked
    """
    environment = hook.environment()
    names = sorted(topology.hostnames)
    scripts = {
        name: look_script(
            environment,
            directories=[instance.datadir for instance in topology.on_host(name)],
            ask_names=names_to_ask(topology, new_names),
        )
        for name in names
    }
    results = run_on_members(hook, scripts, timeout=_SECONDS)
    unseen = unreached(results, names)
    cluster = Cluster(
        coordinator=environment.hostname,
        segment_hosts=topology.segment_hosts,
        hosts=tuple(parse_facts(name, results[name].stdout) for name in names if name not in unseen),
        locales=tuple(str(row["locale"]) for row in hook.query("locales_in_use")),
    )
    return cluster, unseen


def read_host(
    hook: GreenplumHook, host: RemoteHost, topology: Topology, directories: Sequence[str], new_names: Sequence[str]
) -> HostFacts:
    """Look at one new host.

    :param directories: data directories planned there
    :raises RemoteError: it cannot be reached or logged into
    """
    script = look_script(hook.environment(), directories=directories, ask_names=names_to_ask(topology, new_names))
    return parse_facts(host.hostname, host.run(script, timeout=_SECONDS).stdout)


def names_to_ask(topology: Topology, new_names: Sequence[str]) -> list[str]:
    """Names, not addresses, under which hosts look for each other."""
    every = {*topology.hostnames, *topology.addresses, *new_names}
    return sorted(name for name in every if not is_ip_address(name))


def look_script(
    environment: CoordinatorEnvironment, *, directories: Iterable[str] = (), ask_names: Iterable[str] = ()
) -> Script:
    """The script whose answers `parse_facts` reads; changes nothing."""
    values = {
        "user": environment.user,
        "gphome": environment.gphome,
        "path_script": environment.path_script,
        "tools": " ".join((*NEEDED_TOOLS, *USUAL_TOOLS)),
        "modules": " ".join(MODULES),
        "try_modules": _TRY_MODULES,
    }
    lines = [
        *(f"{name}={shlex.quote(value)}" for name, value in values.items()),
        _LOOK,
        *(f"filesystem {shlex.quote(path)}" for path in dict.fromkeys(directories)),
        # All at once: with a name server that does not answer each takes seconds.
        *(f"ask {shlex.quote(name)} &" for name in ask_names),
        "wait",
        "exit 0",
    ]
    return Script("\n".join(lines), "look at the host")


def parse_facts(hostname: str, text: str) -> HostFacts:
    """What `look_script` printed."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition("\t")
        said.setdefault(word, []).append(rest.strip())

    def one(word: str) -> str:
        return next((value for value in said.get(word, []) if value), "")

    mounts = dict(_mount(line) for line in said.get("mounted", []) if len(line.split()) >= 4)
    account = one("account").split("\t")
    return HostFacts(
        hostname=hostname,
        seen_by=one("seen_by"),
        addresses=tuple(dict.fromkeys(said.get("address", []))),
        boot_id=one("boot_id"),
        machine_id=one("machine_id"),
        system=_system(said),
        account=Account(int(account[0]), int(account[1]), account[2]) if len(account) == 3 else None,
        software=Software(
            version=one("version") or None,
            unresolved=tuple(sorted(set(said.get("unresolved", [])))),
            extensions=tuple(sorted(said.get("extension", []))),
            python=one("python") or None,
            modules=tuple(said.get("module", [])),
            tools=tuple(said.get("tool", [])),
        ),
        filesystems=tuple(_filesystem(line, mounts) for line in said.get("filesystem", []) if line.count("\t") == 3),
        answers={
            name: tuple(dict.fromkeys(answers.split()))
            for name, _, answers in (line.partition("\t") for line in said.get("answer", []))
        },
    )


def _system(said: Mapping[str, Sequence[str]]) -> System:
    def text(word: str) -> str:
        return next((value for value in said.get(word, []) if value), "")

    release = dict(line.partition("=")[::2] for line in said.get("release", []))
    release = {name: value.strip("\"'") for name, value in release.items()}
    port_range = [int(number) for number in text("port_range").split()[:2] if number.isdigit()]
    return System(
        family=tuple(f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()),
        version=release.get("VERSION_ID", ""),
        name=release.get("PRETTY_NAME", ""),
        architecture=text("architecture"),
        libc=text("libc"),
        locales=tuple(said.get("locale", [])),
        memory_kb=_number(text("memory")),
        swap_kb=_number(text("swap")),
        cpus=_number(text("cpus")),
        port_range=(port_range[0], port_range[1]) if len(port_range) == 2 else (0, 0),
        reserved_ports=text("reserved_ports"),
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _mount(line: str) -> tuple[str, tuple[str, tuple[str, ...]]]:
    """A line of /proc/self/mounts: by mount point its type and options. Of several at one place the last one counts."""
    _, where, kind, options = line.split()[:4]
    where = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code.group(1), 8)), where)
    return where, (kind, tuple(options.split(",")))


def _filesystem(line: str, mounts: Mapping[str, tuple[str, tuple[str, ...]]]) -> Filesystem:
    path, size, free, mount = line.split("\t")
    kind, options = mounts.get(mount, ("", ()))
    return Filesystem(path, mount, kind, options, _number(size), _number(free))


# For Python 2 and 3.
_TRY_MODULES = """
import sys
for name in sys.argv[1:]:
    try:
        __import__(name)
    except Exception:
        continue
    sys.stdout.write("module\\t%s\\n" % name)
"""

_LOOK = r"""
say() { printf '%s\t%s\n' "$1" "$2"; }
say seen_by "$(id -un)"
addresses=$(hostname -I 2>/dev/null | tr -d '\n')
# Where there is no such hostname(1): what the kernel takes for its own.
[ -n "${addresses// /}" ] || addresses=$(awk '/32 host LOCAL/ { print at } { at = $2 }' /proc/net/fib_trie | sort -u)
for a in $addresses; do say address "$a"; done
say address 127.0.0.1
say boot_id "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
say machine_id "$(cat /etc/machine-id 2>/dev/null)"
grep -E '^(ID|ID_LIKE|VERSION_ID|PRETTY_NAME)=' /etc/os-release 2>/dev/null | while IFS= read -r line; do
    say release "$line"
done
say architecture "$(uname -m)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
locale -a 2>/dev/null | while IFS= read -r line; do say locale "$line"; done
say memory "$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)"
say swap "$(awk '$1 == "SwapTotal:" { print $2 }' /proc/meminfo)"
say cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
say port_range "$(cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null | tr '\t' ' ')"
say reserved_ports "$(cat /proc/sys/net/ipv4/ip_local_reserved_ports 2>/dev/null)"
if id -u -- "$user" >/dev/null 2>&1; then
    printf 'account\t%s\t%s\t%s\n' "$(id -u -- "$user")" "$(id -g -- "$user")" "$(id -gn -- "$user")"
fi
for t in $tools; do p=$(command -v "$t") && [ -x "$p" ] && say tool "$t"; done
if [ -x "$gphome/bin/postgres" ]; then
    (
        unset PYTHONHOME PYTHONPATH
        [ -r "$path_script" ] && . "$path_script" >/dev/null 2>&1
        say version "$("$gphome/bin/postgres" --gp-version 2>/dev/null | head -n 1)"
        cd -- "$gphome" || exit
        for f in lib/*.so.* lib/postgresql/*.so share/postgresql/extension/*.control; do
            [ -e "$f" ] && say extension "$f"
        done
        [ -d pxf ] && say extension pxf
        python=
        for p in python3 python python2; do
            # GPHOME's own first: its utilities name the interpreter they were built for.
            case $(head -n 1 bin/gpstate 2>/dev/null) in *"$p") python=$p; break;; esac
        done
        [ -n "$python" ] || python=python
        if command -v "$python" >/dev/null; then
            say python "$("$python" --version 2>&1 | head -n 1)"
            "$python" -c "$try_modules" $modules 2>/dev/null
        fi
        export LC_ALL=C
        ldd bin/postgres lib/postgresql/*.so lib/*.so 2>/dev/null | awk '
            /^[^ \t].*:$/ { file = $1; sub(/:$/, "", file) }
            /=> not found/ { print "unresolved\t" file " needs " $1 }'
    )
fi
awk '{ print "mounted\t" $0 }' /proc/self/mounts
filesystem() {
    up=$1
    while [ ! -e "$up" ]; do up=$(dirname -- "$up"); done
    df -Pk -- "$up" 2>/dev/null | awk -v path="$1" 'NR == 2 {
        where = $6; for (i = 7; i <= NF; i++) where = where " " $i
        print "filesystem\t" path "\t" $2 "\t" $4 "\t" where }'
}
ask() {
    printf 'answer\t%s\t%s\n' "$1" "$(timeout 20 getent ahosts "$1" | awk '{ print $1 }' | sort -u | tr '\n' ' ')"
}
"""


def read_places(host: RemoteHost, directories: Sequence[str], ports: Sequence[int], user: str) -> PlaceFacts:
    """Look where new segments shall lie on a host.

    :param user: the cluster's; another user who looks instead (root may write anywhere) cannot tell what it may write
    :raises RemoteError: it cannot be reached or logged into
    """
    script = places_script(directories, ports, may_judge=host.user == user)
    return parse_places(host.hostname, host.run(script).stdout, ports)


def places_script(directories: Sequence[str], ports: Sequence[int], *, may_judge: bool = True) -> Script:
    """The script whose answers `parse_places` reads; changes nothing, but for ending what a test has left listening.

    :param may_judge: whether the one who runs it is the one whose rights count
    """
    return Script(
        "\n".join(
            [
                "export LC_ALL=C",
                f"may_judge={'yes' if may_judge else ''}",
                _LOOK_AT_DIRECTORY,
                *(f"look {shlex.quote(path)}" for path in directories),
                _LISTENING,
                *([_close_doors(ports)] if ports else []),
                *(f"listens {int(port)} && echo 'port {int(port)}'" for port in ports),
                "true",
            ]
        ),
        "look at the places of new segments",
    )


def parse_places(hostname: str, text: str, ports: Sequence[int]) -> PlaceFacts:
    """What `places_script` printed."""
    lines = [line.partition(" ")[::2] for line in text.splitlines()]
    found = dict(rest.rsplit("=", 1) for word, rest in lines if word == "directory")
    return PlaceFacts(
        hostname=hostname,
        directories={path: DirectoryState(state) for path, state in found.items()},
        ports=tuple(ports),
        ports_in_use=tuple(int(rest) for word, rest in lines if word == "port"),
    )


def read_boot_id(host: RemoteHost) -> str:
    """Which kernel answers there."""
    return host.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()


def _close_doors(ports: Sequence[int]) -> str:
    """A test of the network whose worker was killed has left its listener (door.py) on these ports for a minute or two.

    One without ports is left alone: it belongs to the test of another host, which may be going on.
    """
    shown = ", ".join(str(int(port)) for port in ports)
    # Written so that the pattern does not match the command line that it stands in.
    return f"""
doors() {{
    grep -laE 'greenplum-expansion-door-.*"tcp": [[]{shown}]' /proc/[0-9]*/cmdline 2>/dev/null | tr -dc '0-9\\n'
}}
for tries in 1 2 3 4 5 6 7 8 9 10; do
    left=$(doors)
    [ -n "$left" ] || break
    kill -KILL $left 2>/dev/null
    sleep 0.1
done"""


# A directory can be made if its nearest existing ancestor can be written; gpexpand makes it with mkdir -p.
_LOOK_AT_DIRECTORY = f"""
may_write() {{ [ -z "$may_judge" ] || {{ [ -w "$1" ] && [ -x "$1" ]; }}; }}
look() {{
    if [ -d "$1" ]; then
        if ! [ -r "$1" ] || ! [ -x "$1" ]; then state='{DirectoryState.NOT_WRITABLE}'
        elif [ -n "$(ls -A -- "$1" 2>/dev/null)" ]; then state='{DirectoryState.NOT_EMPTY}'
        elif may_write "$1"; then state='{DirectoryState.EMPTY}'
        else state='{DirectoryState.NOT_WRITABLE}'; fi
    elif [ -e "$1" ] || [ -L "$1" ]; then state='{DirectoryState.NOT_A_DIRECTORY}'
    else
        up=$1
        while [ ! -e "$up" ]; do up=$(dirname -- "$up"); done
        if [ -d "$up" ] && may_write "$up"; then state='{DirectoryState.ABSENT}'
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

"""What a gpexpand that was killed leaves at work or lying about, and how it is ended or removed.

Everything is found by what it is (its data directory, its working directory, its lock), never by a name alone.
"""

from __future__ import annotations

import logging
import posixpath
import re
import shlex
from collections.abc import Sequence

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.facts import read_status_file
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import RemoteHost, Script
from greenplum_expansion.planning.plan import Plan

log = logging.getLogger(__name__)

TAR = "gpexpand_schema.tar"
STATUS_FILES = ("gpexpand.status", "gpexpand.gp_segment_configuration")
_TEMPLATE = re.compile(r"gpexpand_\d{8}_\d+\Z")  # gpexpand 6.24.3: createTempDirectoryName

# Finds processes of this user only, by their exact arguments: ``-D DIRECTORY``, ``DIRECTORY:PORT:…`` (what gpexpand
# hands to its helper on a new host), ``-C DIRECTORY`` (its tar).
_FIND = r"""
find_left() { # servers or helpers
    local p a i d dir into program args
    for p in /proc/[0-9]*; do
        # The kernel knows whose process it is; another user's is none of ours. No fork in here: hosts have thousands.
        [ -O "$p" ] && [ "${p#/proc/}" != $$ ] || continue
        args=()
        while IFS= read -r -d '' a; do args+=("$a"); done 2>/dev/null < "$p/cmdline"
        [ ${#args[@]} -gt 0 ] || continue
        program=${args[0]} dir= into=
        for ((i = 1; i < ${#args[@]}; i++)); do
            case ${args[i]} in
                -D) [ -n "$dir" ] || dir=${args[i + 1]} ;;
                -D?*) [ -n "$dir" ] || dir=${args[i]#-D} ;;
                -C) [ -n "$into" ] || into=${args[i + 1]} ;;
            esac
        done
        for d in "${directories[@]}"; do
            case $1:$program in
                servers:*postgres | servers:*postmaster) [ "$dir" = "$d" ] && echo "${p#/proc/}" ;;
                helpers:*pg_ctl) [ "$dir" = "$d" ] && echo "${p#/proc/}" ;;
                helpers:*tar) [ "$into" = "$d" ] && echo "${p#/proc/}" ;;
                helpers:*) case "${args[*]}" in *gpconfigurenewsegment*"$d:"*) echo "${p#/proc/}" ;; esac ;;
            esac
        done
    done
}
end() { # kind, signal, half seconds to wait
    pids=$(find_left "$1" | sort -u)
    [ -n "$pids" ] || return 0
    echo "SIG$2 to $1 left behind: $(echo $pids)"
    kill -"$2" $pids 2>/dev/null
    for _ in $(seq "$3"); do [ -n "$(find_left "$1")" ] || return 0; sleep 0.5; done
    return 1
}
"""


def stop_helpers(host: RemoteHost, datadirs: Sequence[str]) -> list[str]:
    """End what still builds these directories: gpconfigurenewsegment, its tar, pg_ctl. Returns what was done."""
    return _stop(host, datadirs, "end helpers TERM 20 || end helpers KILL 20")


def stop_servers(host: RemoteHost, datadirs: Sequence[str]) -> list[str]:
    """End the postgres servers of these directories: SIGINT (fast shutdown), after a minute SIGQUIT.

    gpexpand -r leaves them; they would hold their ports for minutes. Returns what was done.

    :raises CommandFailed: one is still there after both
    """
    return _stop(
        host,
        datadirs,
        'end servers INT 120 || end servers QUIT 40 || { echo "still there: $(echo $(find_left servers))"; exit 1; }',
    )


def _stop(host: RemoteHost, datadirs: Sequence[str], what: str) -> list[str]:
    if not datadirs:
        return []
    quoted = " ".join(map(shlex.quote, datadirs))
    script = Script(f"directories=({quoted})\n{_FIND}\n{what}", "stop what gpexpand left")
    return host.run(script, timeout=180).stdout.splitlines()


def remove_socket_locks(host: RemoteHost, ports_and_datadirs: Sequence[tuple[int, str]]) -> list[str]:
    """Remove the socket and its lock file in /tmp of a server that is gone, if the lock names our directory.

    Also the empty directories by which gpexpand -r empties others, left there when it was killed or could not go on.

    A server that is killed leaves them, and the next one on that port would ask a stranger's pid. Returns what was
    removed.
    """
    lines = [f"unlock {int(port)} {shlex.quote(datadir)}" for port, datadir in ports_and_datadirs]
    script = Script(
        r"""
unlock() {
    lock=/tmp/.s.PGSQL.$1.lock
    [ -f "$lock" ] && [ -O "$lock" ] && [ "$(sed -n 2p "$lock")" = "$2" ] || return 0
    pid=$(sed -n 1p "$lock" | tr -dc 0-9)
    [ -n "$pid" ] && [ -d "/proc/$pid" ] && return 0
    rm -f -- "$lock" "/tmp/.s.PGSQL.$1" && echo "removed $lock"
}
"""
        + "\n".join(lines)
        + """
for d in /tmp/emptyForRemove*; do [ -O "$d" ] && rmdir -- "$d" 2>/dev/null && echo "removed $d"; done
true""",
        "remove locks of servers that are gone",
    )
    return host.run(script).stdout.splitlines()


def ports_in_use(host: RemoteHost, ports: Sequence[int], patience: float) -> list[int]:
    """The ports on which something still listens when `patience` (seconds) is over; returns as soon as none is."""
    wanted = " ".join(str(int(port)) for port in ports)
    script = Script(
        f"""
listening() {{
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$(printf '%04X' "$1")" '
        $4 == "0A" && substr($2, length($2) - 4) == p {{ found = 1 }}
        END {{ exit !found }}'
}}
for _ in $(seq {max(1, int(patience * 2))}); do
    left=; for p in {wanted}; do listening "$p" && left="$left $p"; done
    [ -n "$left" ] || break
    sleep 0.5
done
echo $left""",
        "wait until the ports are free",
    )
    return [int(port) for port in host.run(script, timeout=patience + 60).stdout.split()]


def stop_on_coordinator(hook: GreenplumHook, directory: ExpansionDirectory) -> list[str]:
    """End what a killed gpexpand left running on the coordinator: its ssh, tar and pg_basebackup.

    They work in the expansion's directory, as gpexpand did. A process with a terminal is a person's, who looks at the
    files there. Returns what was done.
    """
    script = Script(
        f"""
cd / || exit 1
here={shlex.quote(directory.path)}
find_left() {{
    for p in /proc/[0-9]*; do
        [ -O "$p" ] && [ "${{p#/proc/}}" != $$ ] || continue
        [ "$(readlink "$p/cwd" 2>/dev/null)" = "$here" ] || continue
        line=$(cat "$p/stat" 2>/dev/null) || continue
        set -- ${{line##*) }}
        [ "$5" = 0 ] && [ "$1" != Z ] && echo "${{p#/proc/}}"
    done
}}
for signal in TERM KILL; do
    pids=$(find_left)
    [ -n "$pids" ] || break
    for pid in $pids; do
        echo "SIG$signal to $pid left behind: $(tr '\\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | cut -c 1-100)"
    done
    kill -"$signal" $pids 2>/dev/null
    for _ in $(seq 20); do [ -n "$(find_left)" ] || break; sleep 0.5; done
done
[ -z "$(find_left)" ]""",
        "stop what gpexpand left on the coordinator",
    )
    return [line.rstrip() for line in hook.coordinator().run(script, timeout=120).stdout.splitlines()]


def end_catalog_locks(hook: GreenplumHook) -> int:
    """End the sessions that hold or await gpexpand's lock on the catalog without a gpexpand; returns how many.

    A session that waits for the lock does not notice that its client is gone: it would get the lock one day, and no
    table could be created from then on.
    """
    return len(hook.query("end_catalog_locks"))


def remove_coordinator_files(hook: GreenplumHook, directory: ExpansionDirectory, template: str | None) -> list[str]:
    """Delete what gpexpand wrote on the coordinator for building segments: template, tar file, list of tables.

    :param template: what the status file named as template directory; deleted only if it looks like one of gpexpand's
    """
    environment = hook.environment()
    beside = posixpath.dirname(environment.coordinator_data_directory.rstrip("/"))
    paths = [directory.file(TAR), directory.file("status_detail.dat")]
    if template and posixpath.dirname(template) == beside and _TEMPLATE.match(posixpath.basename(template)):
        paths.append(template)
    removed = []
    for path in paths:
        quoted = shlex.quote(path)
        text = f"[ -e {quoted} ] || exit 0; rm -rf --one-file-system -- {quoted} && echo removed"
        if hook.coordinator().run(Script(text, f"remove {path}"), timeout=600).stdout.strip():
            removed.append(path)
    return removed


def remove_template_tablespaces(hook: GreenplumHook, plan: Plan) -> list[str]:
    """Delete the template's copies of user tablespaces: pg_basebackup puts them beside the coordinator's own.

    gpexpand gives them a number between 40960 and 81920 that no instance has (6.24.3, ``_gen_DummyDBID``), and removes
    them when the template is made; its -r does not. Returns what was deleted.
    """
    known = {instance.dbid for instance in plan.before.instances} | {instance.dbid for instance in plan.new}
    removed = []
    for tablespace in plan.tablespaces:
        where = shlex.quote(tablespace.location)
        listed = hook.coordinator().run(Script(f"ls -1 -- {where} 2>/dev/null; true", "look at a tablespace")).stdout
        for name in listed.splitlines():
            if not name.isascii() or not name.isdigit() or int(name) in known or not 40960 <= int(name) <= 81920:
                continue
            path = posixpath.join(tablespace.location, name)
            hook.coordinator().run(["rm", "-rf", "--one-file-system", "--", path], timeout=600)
            removed.append(path)
    return removed


def forget_preparation(hook: GreenplumHook) -> None:
    """Remove gpexpand's status file and its copy of the catalog, as ``gpexpand -r`` does last; and its pid file.

    Only while no gpexpand is at work. A pid file that is left keeps the next gpexpand from running once the pid is used
    again.
    """
    where = hook.environment().coordinator_data_directory
    names = (*STATUS_FILES, "gpexpand.pid")
    hook.coordinator().run(["rm", "-f", "--", *(posixpath.join(where, name) for name in names)])


def interrupt_gpexpand(hook: GreenplumHook) -> list[str]:
    """End the gpexpand of gpexpand.pid: SIGINT, after a minute SIGTERM, then SIGKILL. Returns what was done."""
    where = shlex.quote(hook.environment().coordinator_data_directory)
    script = Script(
        f"""
cd -- {where} || exit 1
pid=$(tr -dc 0-9 2>/dev/null < gpexpand.pid)
alive() {{ [ -n "$pid" ] && tr '\\0' ' ' 2>/dev/null < "/proc/$pid/cmdline" | grep -q gpexpand; }}
for signal in INT TERM KILL; do
    alive || break
    echo "SIG$signal to gpexpand, process $pid"
    kill -"$signal" "$pid" 2>/dev/null
    for _ in $(seq 120); do alive || break; sleep 0.5; done
done
true""",
        "interrupt gpexpand",
    )
    return hook.coordinator().run(script, timeout=300).stdout.splitlines()


def forget_copies(hook: GreenplumHook, topology: Topology) -> None:
    """Remove what is left of gpexpand's files on coordinator and standby, when its status file is gone.

    gpexpand -r gives up over a standby that is away, with its copy of the catalog in place; and over a copy of the
    status file on the standby gpstart would refuse to start after a failover. A standby that is away is not waited for.
    """
    if read_status_file(hook) is not None:
        return
    where = hook.environment().coordinator_data_directory
    hook.coordinator().run(["rm", "-f", "--", posixpath.join(where, STATUS_FILES[1])])
    standby = topology.standby
    if standby is None:
        return
    host = hook.host(standby.hostname, standby.address)
    try:
        host.run(["rm", "-f", "--", *(posixpath.join(standby.datadir, name) for name in STATUS_FILES)])
    except RemoteError as error:
        log.warning("gpexpand's files on the standby are not removed: %s", error)


def without_server(host: RemoteHost, datadirs: Sequence[str]) -> list[str]:
    """Of these directories those that no server of this user serves, looked at on the host itself."""
    lines = [
        f'directories=({shlex.quote(path)}); [ -n "$(find_left servers)" ] || echo {number}'
        for number, path in enumerate(datadirs)
    ]
    script = Script("\n".join([_FIND, *lines, "true"]), "look for servers")
    return [datadirs[int(number)] for number in host.run(script).stdout.split()]


def find_processes(host: RemoteHost, datadirs: Sequence[str]) -> list[str]:
    """Processes of this user that still serve or build these directories, a sentence each."""
    quoted = " ".join(map(shlex.quote, datadirs))
    text = (
        f"directories=({quoted})\n{_FIND}\n"
        "for kind in servers helpers; do for p in $(find_left $kind | sort -u); do\n"
        """echo "process $p: $(tr '\\0' ' ' 2>/dev/null < "/proc/$p/cmdline" | cut -c 1-120)"; done; done"""
    )
    return host.run(Script(text, "look for servers")).stdout.splitlines()

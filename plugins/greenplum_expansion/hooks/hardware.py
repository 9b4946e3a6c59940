"""Running gpcheckperf: what hosts have room for, and the job that measures them one trial after the other."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.remote import RemoteHost, Script
from greenplum_expansion.planning.measured import END_MARK, LEFT_MARK, TRIAL_MARK
from greenplum_expansion.planning.trials import HostRoom, Place, Trial

_KILL_AFTER = 30  # seconds gpcheckperf gets to remove its files, once interrupted


def read_room(host: RemoteHost, directories: Sequence[str]) -> HostRoom:
    """Memory of a host, and the free space in those of `directories`, or above them, that exist and can be written.

    :raises RemoteError: the host cannot be asked
    """
    script = Script(
        "\n".join(
            [
                "awk '/^MemTotal:/ { print \"memory\", $2 }' /proc/meminfo",
                _PLACE,
                *(f"place {shlex.quote(directory)}" for directory in directories),
                "true",
            ]
        ),
        "look for room to measure",
    )
    memory = 0
    places: list[Place] = []
    for line in host.run(script).stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word == "memory":
            memory = int(rest) * 1024
        elif word == "place":
            device, blocks, size, directory = rest.split(" ", 3)
            place = Place(directory, device, int(blocks) * int(size))
            if place.directory not in {known.directory for known in places}:
                places.append(place)
    if not memory:
        raise RemoteError(f"Memory of {host.hostname}", "/proc/meminfo does not tell it", "look at that file there")
    return HostRoom(host.hostname, memory, tuple(places))


# Number of the filesystem's device; blocks free for ordinary users, and their size. A directory that gpexpand will make
# is measured by what holds it, up to where its filesystem ends: above a mount point lies another disk.
_PLACE = """
place() {
    up=$1 first=
    while [ "$up" != / ]; do
        if [ -d "$up" ]; then
            device=$(stat -c %d -- "$up") || return 0
            [ "${first:=$device}" = "$device" ] || return 0
            if [ -w "$up" ] && [ -x "$up" ]; then
                printf 'place %s %s %s\\n' "$device" "$(stat -f -c '%a %S' -- "$up")" "$up"
            fi
        fi
        up=$(dirname -- "$up")
    done
}"""


def write_host_files(directory: ExpansionDirectory, trials: Sequence[Trial]) -> list[str]:
    """A file of hosts for each trial, as gpcheckperf wants them (of several -f the last one wins). :return: paths"""
    paths = []
    for number, trial in enumerate(trials, 1):
        path = directory.file(f"hosts_measured_{number}")
        directory.hook.coordinator().write_text(path, "".join(f"{host}\n" for host in trial.hosts))
        paths.append(path)
    return paths


def measuring_script(trials: Sequence[Trial], host_files: Sequence[str]) -> Script:
    """The job: every trial under timeout(1), its output between marks, and nothing left on the hosts however it ends.

    SIGINT, SIGTERM or the time limit reach gpcheckperf as SIGINT, upon which it ends what it started and removes its
    files; what of it survives is then ended and removed here, over ssh.
    """
    hosts = list(dict.fromkeys(host for trial in trials for host in trial.hosts))
    directories = list(dict.fromkeys(directory for trial in trials for directory in trial.directories))
    lines = [_HEAD, *_sweep(hosts, directories)]
    for trial, host_file in zip(trials, host_files, strict=True):
        mark = shlex.quote(TRIAL_MARK + json.dumps(trial.to_dict(), ensure_ascii=True))
        lines.append(f"trial {mark} {trial.patience} {shlex.join(trial.argv(host_file))}")
    lines.append(_TAIL)
    return Script("\n".join(lines), "measure the hosts")


# timeout(1) makes a process group of its own, so signals to ours are passed on by hand. bash gives a background
# process SIGINT ignored; timeout sets it anew for itself and thereby for gpcheckperf.
_HEAD = f"""
export PYTHONUNBUFFERED=1
stopped= child= failed=
trap 'stopped=yes; [ -z "$child" ] || kill -INT "$child" 2>/dev/null' INT TERM HUP
trial() {{
    [ -z "$stopped" ] || return 0
    printf '%s\\n' "$1"
    patience=$2
    shift 2
    timeout -s INT -k {_KILL_AFTER} "$patience" "$@" &
    child=$!
    while :; do
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=
    [ "$code" = 0 ] || failed=yes
    [ -z "$stopped" ] || code=stopped
    printf '\\n%s%s\\n' '{END_MARK}' "$code"
}}"""

_TAIL = """
[ -z "$stopped$failed" ] || sweep
[ -z "$stopped" ] || exit 130
exit 0"""


def _sweep(hosts: Sequence[str], directories: Sequence[str]) -> list[str]:
    """Shell function: end what gpcheckperf left running on each host, remove its directories.

    Processes are told by the path of the tool's own directory in their command line. The path is put together at run
    time, so that the shell which looks for it is not found itself.
    """
    remote = "\n".join(
        [
            'u=$(id -un); n=gpcheck; n="${n}perf_$u"; left=',
            *(
                f'd={shlex.quote(directory)}; pkill -u "$u" -f -- "$d/$n/"; rm -rf -- "$d/$n" || left=yes'
                for directory in directories
            ),
            # The server of the network test makes itself a daemon; the name is cut off by the kernel.
            'pkill -u "$u" -x gpnetbenchServe',
            '[ -z "$left" ]',
        ]
    )
    words = "ssh -n -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=yes --"
    quoted = shlex.quote(f"exec bash --noprofile --norc -c {shlex.quote(remote)}")
    lines = []
    for host in hosts:
        name = shlex.quote(host)
        lines.append(f"    {{ {words} {name} {quoted} || printf '%s%s\\n' '{LEFT_MARK}' {name}; }} &")
    return ["sweep() {", "    trap '' INT TERM HUP", *lines, "    wait", "}"]

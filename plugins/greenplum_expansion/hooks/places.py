"""The planned data directories on the new hosts: recorded, looked at, moved aside and put back, emptied of servers.

Scripts run as the cluster's user. Paths come from the plan, which validated them; every one is quoted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.errors import RemoteError, StepFailed
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import FileMissing, RemoteHost, Script
from greenplum_expansion.planning.places import HostBefore, Place, PlaceKind, Template
from greenplum_expansion.planning.plan import Plan

_BEFORE = "places_before.json"
_ASIDE = "moved_aside.json"


def instances_by_host(plan: Plan) -> dict[str, list[NewInstance]]:
    """The plan's new instances on each host."""
    return {host: [i for i in plan.new if i.hostname == host] for host in plan.new_hosts}


def tablespace_directories(plan: Plan, hostname: str) -> list[str]:
    """Where gpexpand puts the new segments' shares of user tablespaces on this host; its -r leaves them."""
    return [path for host, path in plan.tablespace_directories if host == hostname]


def open_host(hook: GreenplumHook, instances: Sequence[NewInstance]) -> RemoteHost:
    """The host of these instances."""
    return hook.host(instances[0].hostname, instances[0].address)


# --- before ----------------------------------------------------------------------------------------------------------


def record_places(hook: GreenplumHook, directory: ExpansionDirectory, plan: Plan) -> list[str]:
    """Write down what the planned directories are like right before gpexpand starts, on each host by its own clock.

    :return: what is in the way, as sentences: gpexpand would fail over it, and its rollback would delete it
    """
    found: dict[str, HostBefore] = {}
    in_the_way = []
    for hostname, instances in instances_by_host(plan).items():
        now, places = look_at_places(open_host(hook, instances), [i.datadir for i in instances])
        found[hostname] = HostBefore.of(now, places)
        _, below = look_at_places(open_host(hook, instances), tablespace_directories(plan, hostname))
        taken = [place for place in places if not place.is_free]
        taken += [place for place in below if place.kind is not PlaceKind.ABSENT]
        in_the_way += [f"{hostname}:{place.datadir} is not free ({place.kind})" for place in taken]
    if not in_the_way:
        rows = {hostname: before.to_dict() for hostname, before in found.items()}
        hook.coordinator().write_json(directory.file(_BEFORE), rows)
    return in_the_way


def read_recorded(hook: GreenplumHook, directory: ExpansionDirectory) -> dict[str, HostBefore]:
    """What record_places wrote; empty if gpexpand was never started by a task of ours."""
    try:
        rows = hook.coordinator().read_json(directory.file(_BEFORE))
    except FileMissing:
        return {}
    return {hostname: HostBefore.from_dict(row) for hostname, row in rows.items()}


def forget_recorded(hook: GreenplumHook, directory: ExpansionDirectory, hostnames: Iterable[str]) -> None:
    """These hosts are as before again: what comes to lie there later is none of this expansion's."""
    try:
        rows = hook.coordinator().read_json(directory.file(_BEFORE))
    except FileMissing:
        return
    left = {hostname: row for hostname, row in rows.items() if hostname not in set(hostnames)}
    hook.coordinator().write_json(directory.file(_BEFORE), left)


# --- now -------------------------------------------------------------------------------------------------------------

_LOOK = r"""
look() { # number, path, moment
    d=$2
    if [ -L "$d" ]; then kind=link; elif [ -d "$d" ]; then kind=directory
    elif [ -e "$d" ]; then kind=other; else kind=absent; fi
    printf '%s kind %s\n' "$1" "$kind"
    [ "$kind" = directory ] || return 0
    printf '%s mode %s\n' "$1" "$(stat -c %a -- "$d")"
    [ "$(stat -c %d -- "$d")" = "$(stat -c %d -- "$d/..")" ] || printf '%s mount yes\n' "$1"
    find "$d" -mindepth 1 -maxdepth 1 -printf "$1 entry %f\n" 2>/dev/null || printf '%s unreadable yes\n' "$1"
    if [ -n "$3" ]; then
        # Files vanish under a server that is being stopped; that is no reason to call the rest unreadable.
        said=$(find "$d" -mindepth 1 ! -newerct "@$3" -printf 'older\n' -quit 2>&1)
        case $said in *'ermission denied'*) printf '%s unreadable yes\n' "$1" ;; esac
        case $said in older | *"
older") printf '%s older yes\n' "$1" ;; esac
    fi
    system=$(od -An -tu8 -N8 "$d/global/pg_control" 2>/dev/null | tr -d ' ')
    [ -z "$system" ] || printf '%s system %s\n' "$1" "$system"
    [ -r "$d/internal.auto.conf" ] || return 0
    sed -n "s/^gp_dbid *= *\([0-9][0-9]*\).*/$1 dbid \1/p; s/^gp_contentid *= *\([0-9][0-9]*\).*/$1 content \1/p" \
        "$d/internal.auto.conf"
}
"""


def look_at_places(host: RemoteHost, datadirs: Sequence[str], since: float | None = None) -> tuple[float, list[Place]]:
    """What lies in these directories.

    :param since: seconds since 1970 by the host's clock; what was last changed before makes a place `has_older`
    :return: the host's clock before it looked, and the places in the order asked for
    """
    if not datadirs:
        return since or 0.0, []
    moment = "" if since is None else f"{since:.6f}"
    lines = [f"look {number} {shlex.quote(path)} '{moment}'" for number, path in enumerate(datadirs)]
    script = Script("\n".join(["date '+now %s.%N'", _LOOK, *lines]), "look at the data directories")
    said: dict[int, dict[str, list[str]]] = {number: {} for number in range(len(datadirs))}
    now = 0.0
    for line in host.run(script, timeout=300).stdout.splitlines():
        first, _, rest = line.partition(" ")
        if first == "now":
            now = float(rest)
            continue
        word, _, value = rest.partition(" ")
        if first.isdigit() and int(first) in said:
            said[int(first)].setdefault(word, []).append(value)
        else:  # the second line of a name with a newline in it: certainly none of gpexpand's
            said[max(said)].setdefault("entry", []).append(line)
    return now, [_place(path, said[number]) for number, path in enumerate(datadirs)]


def _place(path: str, said: dict[str, list[str]]) -> Place:
    def number(word: str) -> int | None:
        return int(said[word][0]) if said.get(word) else None

    return Place(
        datadir=path,
        kind=PlaceKind(said["kind"][0]),
        mode=said.get("mode", [""])[0],
        is_mount="mount" in said,
        entries=tuple(sorted(said.get("entry", []))),
        has_older="older" in said,
        is_readable="unreadable" not in said,
        dbid=number("dbid"),
        content=number("content"),
        system=number("system"),
    )


def built_tablespaces(host: RemoteHost, plan: Plan, before: HostBefore) -> list[str]:
    """The new segments' directories of user tablespaces: absent when gpexpand started, so what is there is its own."""
    _, found = look_at_places(host, tablespace_directories(plan, host.hostname), before.now)
    return [
        place.datadir
        for place in found
        if place.kind is PlaceKind.DIRECTORY and place.is_readable and not place.has_older
    ]


# --- out of the way --------------------------------------------------------------------------------------------------


def move_aside(hook: GreenplumHook, directory: ExpansionDirectory, host: RemoteHost, datadir: str) -> str:
    """Rename a place, so that ``gpexpand -r`` cannot empty it; where to is noted first, on the coordinator.

    :return: its new path
    :raises StepFailed: it cannot be renamed (a mount point, no permission)
    """
    free = f"{datadir}.before-{directory.expansion_id}"
    noted = _read_aside(hook, directory)
    known = {entry["aside"] for entry in noted if entry["hostname"] == host.hostname}
    number = 1
    aside = free
    while aside in known or _exists(host, aside):
        number += 1
        aside = f"{free}.{number}"
    noted.append({"hostname": host.hostname, "address": host.address, "datadir": datadir, "aside": aside})
    hook.coordinator().write_json(directory.file(_ASIDE), noted)
    result = host.run(["mv", "-T", "--", datadir, aside], check=False)
    if not result.ok:
        raise StepFailed(
            f"{host.hostname}:{datadir}",
            f"it is not gpexpand's, gpexpand -r would empty it, and it cannot be moved aside: {result.stderr.strip()}",
            f"bring what lies in it to safety as {host.user}, leave the directory empty, then clear this task",
        )
    return aside


def put_back(hook: GreenplumHook, directory: ExpansionDirectory, hostname: str) -> list[tuple[str, str]]:
    """Give what was moved aside on a host its old name again, wherever that is free.

    :return: (path, where it lies now) of each that was moved; the two differ where the old path is occupied
    """
    noted = _read_aside(hook, directory)
    outcome, left = [], []
    for entry in noted:
        if entry["hostname"] != hostname:
            left.append(entry)
            continue
        host = hook.host(hostname, entry["address"])
        datadir, aside = shlex.quote(entry["datadir"]), shlex.quote(entry["aside"])
        script = Script(
            f"[ -e {aside} ] || [ -L {aside} ] || {{ echo gone; exit 0; }}\n"
            f"[ -L {datadir} ] || rmdir -- {datadir} 2>/dev/null\n"
            f"if [ -e {datadir} ] || [ -L {datadir} ]; then echo occupied\n"
            f"else mv -T -- {aside} {datadir} && echo back; fi",
            f"put back {entry['datadir']}",
        )
        said = host.run(script).stdout.strip()
        if said == "back":
            outcome.append((entry["datadir"], entry["datadir"]))
        elif said == "occupied":
            outcome.append((entry["datadir"], entry["aside"]))
            left.append(entry)
    if noted:
        hook.coordinator().write_json(directory.file(_ASIDE), left)
    return outcome


def _read_aside(hook: GreenplumHook, directory: ExpansionDirectory) -> list[dict[str, str]]:
    try:
        noted: list[dict[str, str]] = hook.coordinator().read_json(directory.file(_ASIDE))
    except FileMissing:
        return []
    return noted


def _exists(host: RemoteHost, path: str) -> bool:
    quoted = shlex.quote(path)
    return host.run(Script(f"[ -e {quoted} ] || [ -L {quoted} ]", f"look for {path}"), check=False).ok


def remove_built(host: RemoteHost, datadirs: Iterable[str], empty_before: dict[str, str]) -> None:
    """Delete directories that gpexpand built, and make those anew that were there, empty, before.

    :param datadirs: judged to be gpexpand's, every one
    :param empty_before: path to permission bits
    """
    # --one-file-system: should something be mounted below, it is not gpexpand's.
    lines = [f"rm -rf --one-file-system -- {shlex.quote(path)}" for path in datadirs]
    for path, mode in empty_before.items():
        quoted = shlex.quote(path)
        lines.append(f"[ -e {quoted} ] || [ -L {quoted} ] || mkdir -m {int(mode or '700', 8):o} -- {quoted}")
    if lines:
        host.run(Script("\n".join([*lines, "true"]), "remove what gpexpand built"), timeout=1800)


def remove_file(host: RemoteHost, path: str) -> None:
    """Delete one file of gpexpand's, if it is there."""
    host.run(["rm", "-f", "--", path])


def read_template(hook: GreenplumHook) -> Template:
    """What new segments are copies of."""
    where = shlex.quote(hook.environment().coordinator_data_directory)
    script = Script(
        f"cd -- {where} && od -An -tu8 -N8 global/pg_control && ls -A", "look at the coordinator's directory"
    )
    system, *entries = hook.coordinator().run(script).stdout.splitlines()
    return Template(frozenset(entries), int(system))


def reachable(hook: GreenplumHook, instances: Sequence[NewInstance]) -> str:
    """Why the host of these instances cannot be reached; empty if it can."""
    try:
        open_host(hook, instances).run(["true"], timeout=30)
    except RemoteError as error:
        return error.cause
    return ""

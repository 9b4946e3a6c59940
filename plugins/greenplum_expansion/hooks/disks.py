"""Reading what the check of disk space judges: free space of every host, sizes of tables by segment."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from greenplum_expansion.checks.capacity import Filesystem, Growth, Load, Resident, TableShare
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import Script
from greenplum_expansion.request import NewHost

_DEFAULT_TABLESPACE = 1663
# Device, size, used, available, per cent, mount point: the first and the last may contain blanks.
_DF = re.compile(r"(?P<device>.*\S)\s+\d+\s+-?\d+\s+(?P<free>-?\d+)\s+\S+\s+(?P<mount>/.*)")

# A path that does not exist yet will be made on the filesystem of its nearest ancestor that does.
_SPACE = """
export LC_ALL=C
space() {
    up=$3
    while [ ! -e "$up" ] && [ "$up" != / ] && [ "$up" != . ]; do up=$(dirname -- "$up"); done
    printf 'space\\t%s\\t%s\\t%s\\n' "$1" "$2" "$(df -P -k -- "$up" 2>/dev/null | tail -n 1)"
}
tablespaces() {
    for link in "$2"/pg_tblspc/*; do
        [ -e "$link" ] && space "$1" "${link##*/}" "$link/."
    done
}"""


@dataclass(frozen=True)
class DiskFacts:
    """Filesystems as the check takes them.

    :param silent: hosts of the cluster that could not be looked at, each with what was said
    :param strangers: the same of new hosts
    """

    filesystems: tuple[Filesystem, ...]
    growth: Growth
    silent: Mapping[str, str]
    strangers: Mapping[str, str]


@dataclass(frozen=True)
class _Space:
    """Where a key lies on a host: ``(dbid, tablespace)`` of an instance, or a word of our own."""

    key: tuple[str, str]
    device: str
    mount: str
    free_bytes: int


@dataclass(frozen=True)
class Arrivals:
    """The new instances, and where the tablespaces of users will be on them.

    :param locations: for each new primary, by dbid, a directory for each tablespace; its mirror has the same
    """

    new: Sequence[NewInstance]
    tablespaces: Sequence[Tablespace] = ()
    locations: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def tablespaces_on(self, hostname: str) -> list[tuple[NewInstance, Tablespace, str]]:
        """Of each instance on a host each tablespace, with the directory above that of its dbid."""
        by_content = {i.content: self.locations.get(i.dbid, ()) for i in self.new if i.is_primary}
        return [
            (instance, tablespace, location)
            for instance in self.new
            if instance.hostname == hostname
            for tablespace, location in zip(self.tablespaces, by_content.get(instance.content, ()), strict=False)
        ]


def read_disks(
    hook: GreenplumHook, topology: Topology, arrivals: Arrivals, hosts: Sequence[NewHost], moves: int, home: str
) -> DiskFacts:
    """Sizes of tables from every segment, free space from every host: a query a database, one look at all hosts.

    :param arrivals: instances to be built
    :param hosts: new hosts, reached through the coordinator
    :param moves: tables that move together, so that many of each segment's largest are read
    :param home: directory on the coordinator in which gpexpand will run, and make its tar file
    :raises RemoteError: the coordinator cannot be asked
    """
    loads = _read_loads(hook, moves)
    new = arrivals.new
    members = {host: _member_script(topology, arrivals, host) for host in topology.hostnames}
    directory = topology.coordinator.datadir
    here = topology.coordinator.hostname
    members[here] = Script(members[here].text + _coordinator_lines(directory, home), "look at disks")
    answers = run_on_members(hook, members, timeout=120)
    said = {name: result.stdout for name, result in answers.items() if not result.exit_code}
    strangers: dict[str, str] = {}
    member_names = topology.hostnames
    for host in hosts:
        if host.hostname in member_names:
            continue
        script = Script(
            "\n".join([_SPACE, *_new_lines(arrivals, host.hostname), "exit 0"]), f"look at disks of {host.hostname}"
        )
        try:
            said[host.hostname] = hook.host(host.hostname, host.address, host_key=host.host_key).run(script).stdout
        except ExpansionError as error:
            strangers[host.hostname] = error.cause
    coordinator_bytes = _copied_bytes(said.get(here, ""))
    growth = Growth(
        segments_before=topology.segment_count,
        segments_after=topology.segment_count + sum(instance.is_primary for instance in new),
        table_bytes=sum(load.total_bytes for load in loads.values()),
        coordinator_bytes=coordinator_bytes,
        elsewhere_bytes=sum(_tablespace_bytes(loads, one) for one in arrivals.tablespaces),
    )
    filesystems = [
        filesystem
        for host, text in sorted(said.items())
        for filesystem in _filesystems(host, _parse(text), topology, arrivals, loads, growth)
    ]
    return DiskFacts(tuple(filesystems), growth, unreached(answers, sorted(members)), strangers)


def _read_loads(hook: GreenplumHook, moves: int) -> dict[tuple[int, int], Load]:
    """What each segment has in each tablespace, all databases together; keys are content and tablespace."""
    tables: dict[tuple[int, int], list[TableShare]] = defaultdict(list)
    totals: dict[tuple[int, int], int] = defaultdict(int)
    for dbname in hook.databases():
        counted = set()
        for row in hook.query("segment_loads", {"largest": moves}, dbname):
            key = int(row["content"]), int(row["tablespace"])
            tables[key].append(TableShare(f"{dbname}.{row['fq_name']}", int(row["size_bytes"])))
            if key not in counted:
                counted.add(key)
                totals[key] += int(row["total_bytes"])
    largest = {
        key: tuple(sorted(shares, key=lambda share: -share.size_bytes)[:moves]) for key, shares in tables.items()
    }
    return {key: Load(shares, totals[key]) for key, shares in largest.items()}


def _tablespace_bytes(loads: Mapping[tuple[int, int], Load], tablespace: Tablespace) -> int:
    """All tables of a tablespace, on all primaries."""
    return sum(load.total_bytes for (_, oid), load in loads.items() if oid == tablespace.oid)


def _member_script(topology: Topology, arrivals: Arrivals, hostname: str) -> Script:
    lines = [_SPACE]
    for instance in topology.on_host(hostname):
        if instance.content >= 0:
            path = shlex.quote(instance.datadir)
            lines += [f"space {instance.dbid} {_DEFAULT_TABLESPACE} {path}", f"tablespaces {instance.dbid} {path}"]
    return Script("\n".join([*lines, *_new_lines(arrivals, hostname), "true"]), "look at disks")


def _new_lines(arrivals: Arrivals, hostname: str) -> list[str]:
    lines = [f"space new {i.dbid} {shlex.quote(i.datadir)}" for i in arrivals.new if i.hostname == hostname]
    lines += [
        f"space tablespace {instance.dbid}:{tablespace.oid} {shlex.quote(location)}"
        for instance, tablespace, location in arrivals.tablespaces_on(hostname)
    ]
    primaries = [i for i in arrivals.new if i.is_primary]
    if primaries and lines:  # where the template is unpacked from, see AddSegmentsOperator
        target = posixpath.dirname(min(primaries, key=lambda i: i.content).datadir)
        lines.append(f"space tar - {shlex.quote(target)}")
    return lines


def _coordinator_lines(directory: str, home: str) -> str:
    data, parent = shlex.quote(directory), shlex.quote(posixpath.dirname(directory.rstrip("/")))
    return (
        f"\nspace template - {parent}\nspace tar - {shlex.quote(home)}\n"
        f"printf 'copied\\t%s\\n' \"$(du -sk --exclude=pg_log --exclude=log -- {data} 2>/dev/null | cut -f1)\"\ntrue"
    )


def _copied_bytes(text: str) -> int:
    found = re.search(r"^copied\t(\d+)$", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def _parse(text: str) -> list[_Space]:
    spaces = []
    for line in text.splitlines():
        word, *values = line.split("\t")
        found = _DF.fullmatch(values[2].strip()) if word == "space" and len(values) == 3 else None
        if found:
            device, mount = found["device"], found["mount"]
            spaces.append(_Space((values[0], values[1]), device, mount, max(0, int(found["free"]) * 1024)))
    return spaces


def _filesystems(
    host: str,
    spaces: Sequence[_Space],
    topology: Topology,
    arrivals: Arrivals,
    loads: Mapping[tuple[int, int], Load],
    growth: Growth,
) -> list[Filesystem]:
    """The filesystems of one host: mounts of one device share its free space; those without one are told by mount."""
    groups: dict[str, list[_Space]] = defaultdict(list)
    for space in spaces:
        groups[space.device if space.device.startswith("/") else space.mount].append(space)
    by_dbid = {str(instance.dbid): instance for instance in topology.instances}
    names = {str(instance.dbid): str(instance) for instance in arrivals.new}
    by_oid = {str(tablespace.oid): tablespace for tablespace in arrivals.tablespaces}
    built = []
    for group in groups.values():
        own: dict[str, list[Load]] = defaultdict(list)
        arriving, fixed, tablespaces = [], {}, {}
        for space in group:
            first, second = space.key
            if first == "new":
                arriving.append(names[second])
            elif first == "tablespace":
                dbid, oid = second.split(":")
                each = _tablespace_bytes(loads, by_oid[oid]) // max(1, growth.segments_after)
                tablespaces[f"{by_oid[oid].name} of {names[dbid]}"] = each
            elif first in ("template", "tar"):
                what = "gpexpand's template" if first == "template" else "its tar file"
                fixed[what] = growth.coordinator_bytes
            else:
                load = loads.get((by_dbid[first].content, int(second)))
                own[first] += [load] if load else []
        residents = tuple(Resident(str(by_dbid[dbid]), tuple(found)) for dbid, found in own.items())
        free = min(space.free_bytes for space in group)
        built.append(Filesystem(host, group[0].mount, free, residents, tuple(arriving), fixed, tablespaces))
    return built

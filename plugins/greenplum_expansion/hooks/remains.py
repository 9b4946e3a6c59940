"""Looking on every host for what gpexpand leaves behind."""

from __future__ import annotations

import posixpath
import shlex

from greenplum_expansion.checks.remains import Remains
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.members import run_on_members, unreached
from greenplum_expansion.hooks.remote import Script

_PROGRAMS = "gpexpand gpconfigurenewsegment pg_basebackup"


def read_remains(hook: GreenplumHook, topology: Topology, directory: str) -> tuple[list[Remains], dict[str, str]]:
    """What is left, host by host, and the hosts that did not answer.

    :param directory: the expansion's, where gpexpand worked on the coordinator
    """
    names = sorted(topology.hostnames)
    scripts = {name: _script(topology, name, directory) for name in names}
    results = run_on_members(hook, scripts)
    silent = unreached(results, names)
    found = []
    for name in names:
        if name in silent:
            continue
        kinds: dict[str, list[str]] = {"process": [], "file": [], "server": []}
        for line in results[name].stdout.splitlines():
            kind, _, what = line.partition(" ")
            if kind in kinds:
                kinds[kind].append(what.strip())
        known = {posixpath.normpath(i.datadir) for i in topology.on_host(name)}
        beside = {posixpath.dirname(path) for path in known}
        # A server elsewhere may belong to another cluster; one beside ours does not.
        strangers = [d for d in kinds["server"] if d not in known and posixpath.dirname(d) in beside]
        found.append(Remains(name, tuple(kinds["process"]), tuple(kinds["file"]), tuple(sorted(set(strangers)))))
    return found, silent


def _script(topology: Topology, host: str, directory: str) -> Script:
    datadirs = sorted({posixpath.normpath(i.datadir) for i in topology.on_host(host)})
    beside = sorted({posixpath.dirname(path) for path in datadirs} | {directory})
    # A new segment keeps the status file that the template has brought along; only a coordinator's keeps gpstart from
    # starting, and the next expansion from beginning.
    coordinators = " ".join(shlex.quote(i.datadir) for i in topology.on_host(host) if i.content == -1)
    parents = " ".join(map(shlex.quote, beside))
    text = f"""
for p in /proc/[0-9]*; do
    [ -O "$p" ] || continue
    words=$(tr '\\0' '\\n' 2>/dev/null <"$p/cmdline" | head -n 2 | sed 's,.*/,,') || continue
    for program in {_PROGRAMS}; do
        case $'\\n'$words$'\\n' in *$'\\n'$program$'\\n'*)
            printf 'process %s %s\\n' "${{p#/proc/}}" "$(tr '\\0' ' ' 2>/dev/null <"$p/cmdline" | cut -c 1-150)" ;;
        esac
    done
    case $'\\n'$words$'\\n' in *$'\\n'postgres$'\\n'*)
        where=$(tr '\\0' '\\n' 2>/dev/null <"$p/cmdline" | sed -n '/^-D$/{{n;p;q}}')
        [ -z "$where" ] || printf 'server %s\\n' "$(realpath -ms -- "$where" 2>/dev/null || echo "$where")" ;;
    esac
done
for d in "$HOME" {parents}; do
    for path in "$d"/gpexpand_schema.tar "$d"/gpexpand_[0-9]*_[0-9]*; do
        case ${{path##*/}} in gpexpand_inputfile*) continue ;; esac
        [ -e "$path" ] && printf 'file %s\\n' "$path"
    done
done
for d in {coordinators}; do
    for name in gpexpand.status gpexpand.gp_segment_configuration; do
        [ -e "$d/$name" ] && printf 'file %s\\n' "$d/$name"
    done
done
exit 0"""
    return Script(text, "look for what gpexpand left")

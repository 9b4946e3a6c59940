"""Gathers what the preparation stands on: from the new host, the coordinator and the existing segment hosts."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import RemoteHost, Script
from greenplum_expansion.preparation import probes
from greenplum_expansion.preparation.account import read_account
from greenplum_expansion.preparation.facts import FileState, HostFacts
from greenplum_expansion.preparation.situation import Account, Installation
from greenplum_expansion.preparation.software import read_installation

_TIMEOUT = 120.0  # seconds; a directory service or grubby can be slow
_END = "THE END OF THE QUESTIONS"
_AT_A_TIME = 16  # hosts asked together by the coordinator: sshd drops logins beyond MaxStartups at random


def look_script(files: Iterable[str], commands: Mapping[str, str]) -> Script:
    """One script for all questions; its answer is read by `read_look`.

    :param files: paths, with ``*`` as in a shell
    :param commands: shell by name; each runs in a shell of its own, its errors unheard
    """
    lines = [
        "export LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin",
        'content() { if [ -r "$1" ]; then printf "="; base64 -w0 < "$1"; else printf "?"; fi; }',
        'meta() { stat -L -c "%a %u:%g" -- "$1"; }',
        'file() { [ ! -f "$1" ] || printf "file\\t%s\\t%s\\t%s\\n" "$(meta "$1")" "$(content "$1")" "$1"; }',
        'said() { printf "said\\t%s\\t=%s\\n" "$1" "$(base64 -w0)"; }',
    ]
    lines += [f"for f in {pattern}; do file $f; done" for pattern in files]
    lines += [f"( {command}\n) 2>/dev/null </dev/null | said {name}" for name, command in commands.items()]
    return Script("\n".join([*lines, "true"]), "look at the host")


def read_look(hostname: str, answer: str, *, as_root: bool) -> HostFacts:
    """Facts from the answer to `look_script`; other lines (banners) are passed over."""
    files: dict[str, FileState] = {}
    said: dict[str, str] = {}
    for line in answer.splitlines():
        words = line.split("\t")
        if words[0] == "file" and len(words) == 4:
            mode, _, owner = words[1].partition(" ")
            text = _text(words[2][1:]) if words[2].startswith("=") else None
            files[words[3]] = FileState(text, int(mode, 8), owner)
        elif words[0] == "said" and len(words) == 3:
            said[words[1]] = _text(words[2][1:])
    return HostFacts(hostname, files, said, as_root)


def look_at(host: RemoteHost, commands: Mapping[str, str], files: Iterable[str] = probes.FILES) -> HostFacts:
    """One host, over its own login."""
    answer = host.run(look_script(files, commands), timeout=_TIMEOUT).stdout
    return read_look(host.hostname, answer, as_root=host.user == "root" or type(host) is not RemoteHost)


def look_at_members(
    hook: GreenplumHook, commands: Mapping[str, Mapping[str, str]], files: Iterable[str] = probes.FILES
) -> tuple[list[HostFacts], list[str]]:
    """Hosts of the cluster, as its user, over the trust that the cluster itself has: one login of ours for all.

    :param commands: probes of each host, by its name
    :return: facts of the hosts that answered, and the names of those that did not
    """
    patterns = list(files)
    lines = ["d=$(mktemp -d) || exit 1", "trap 'rm -rf -- \"$d\"' EXIT"]
    for number, (name, asked) in enumerate(sorted(commands.items())):
        login = f"ssh -o BatchMode=yes -o ConnectTimeout=10 -- {shlex.quote(name)} 'exec bash --noprofile --norc -s'"
        lines.append(f"{login} > $d/{number} 2>/dev/null <<'{_END}' &")
        lines += [f"{{\n{look_script(patterns, asked).text}\n}}; exit", _END]
        if (number + 1) % _AT_A_TIME == 0:
            lines.append("wait")
    lines.append("wait")
    lines += [f'printf "\\nhost\\t{number}\\n"; cat $d/{number}' for number in range(len(commands))]
    answer = hook.coordinator().run(Script("\n".join(lines), "look at the cluster's hosts"), timeout=600).stdout
    parts = dict(part.partition("\n")[::2] for part in answer.split("\nhost\t")[1:])
    facts, silent = [], []
    for number, name in enumerate(sorted(commands)):
        found = read_look(name, parts.get(str(number), ""), as_root=False)
        if found.said:
            facts.append(found)
        else:
            silent.append(name)
    return facts, silent


def read_coordinator(hook: GreenplumHook) -> tuple[HostFacts, Account, Installation]:
    """The coordinator: its facts, the cluster's user, and its Greenplum.

    :raises RemoteError: its user is not in the user database, or there is no Greenplum
    """
    environment = hook.environment()
    seen = look_at(hook.coordinator(), probes.of_coordinator(environment.user, environment.gphome))
    facts = replace(seen, hostname=environment.hostname)  # the connection may know it by another name
    account = read_account(facts.said.get("own_account", ""))
    if account is None:
        raise RemoteError(
            f"User {environment.user} on the coordinator",
            "getent passwd and getent group do not tell its ids",
            "see why (nsswitch.conf, sssd), then clear this task",
        )
    software = read_installation(facts, environment.gphome)
    if not software.version:
        raise RemoteError(
            f"Greenplum on the coordinator, {environment.gphome}",
            "bin/postgres --gp-version says nothing",
            "run it there by hand",
        )
    return facts, account, software


def resolve_names(hook: GreenplumHook, names: Iterable[str]) -> dict[str, str]:
    """IP address of each name, as the coordinator knows it; names it does not know are missing."""
    wanted = sorted(set(names))
    script = f"echo \"$(hostname -I | cut -d' ' -f1)\"\n{probes.resolves(wanted)}"
    own, *answers = hook.coordinator().run(Script(script, "resolve names"), timeout=_TIMEOUT).stdout.splitlines()
    found = {}
    for line in answers:
        name, *addresses = line.split()
        real = [address for address in addresses if not address.startswith("127.") and address != "::1"]
        if addresses and not real and own:  # the coordinator's name leads itself to a loopback (Debian's 127.0.1.1)
            real = [own]
        if real:
            found[name] = next((address for address in real if ":" not in address), real[0])
    return found


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")

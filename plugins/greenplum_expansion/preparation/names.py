"""What hosts are called, and how they find each other: /etc/hosts and the host's own name."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping

from greenplum_expansion.cluster.names import is_ip_address
from greenplum_expansion.preparation import blocks
from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import PreparationPart

HOSTS = "/etc/hosts"
HOSTNAME = "/etc/hostname"
CLOUD = "/etc/cloud/cloud.cfg"
OUR_CLOUD = "/etc/cloud/cloud.cfg.d/99-greenplum-expansion.cfg"


@part(PreparationPart.HOSTNAME, "The host calls itself what the cluster calls it")
def plan_hostname(situation: Situation) -> PartPlan:
    """The live name and `/etc/hostname` are set to the name in the request, unless they are that already (a domain
    behind it does not matter). Where cloud-init would set another name at boot, it is told to keep this one. A host
    that the request knows by its address only keeps its name.
    """
    draft = Draft()
    new, name = situation.new, situation.name
    if is_ip_address(name):
        return draft.plan()
    live = new.word("hostname")
    written = (new.text(HOSTNAME) or "").strip()
    if not _is_called(written, name):
        draft.file(HOSTNAME, new.text(HOSTNAME), f"{name}\n", "the name at the next boot")
    if not _is_called(live, name):
        draft.state(
            StateChange(
                subject="name of the host",
                old=live,
                new=name,
                why="gpstate, gpssh and the catalog go by it",
                probe="hostname",
                do=f"hostname -- {shlex.quote(name)}",
                undo=f"hostname -- {shlex.quote(live)}" if live else "",
            )
        )
    keeps = "preserve_hostname: true" in (new.text(CLOUD) or "")
    if new.text(CLOUD) is not None and not keeps and (draft.changes or new.text(OUR_CLOUD)):
        draft.file(OUR_CLOUD, new.text(OUR_CLOUD), "preserve_hostname: true\n", "cloud-init sets the name at boot")
    return draft.plan()


@part(PreparationPart.HOSTS_FILE, "Every host of the cluster finds every other by its names")
def plan_hosts(situation: Situation) -> PartPlan:
    """Names that already lead to the right address, by DNS or by lines that others wrote, are left alone. The rest
    goes into a marked block in `/etc/hosts`: on the new hosts all hosts of the cluster, on the old hosts the new ones.

    A host's own name at a loopback address (Debian's `127.0.1.1`) is taken off that line, as its servers would not be
    found by others. A name that leads elsewhere is for a person to decide.
    """
    return plan_hosts_file(situation.new, situation.addresses)


def plan_hosts_file(host: HostFacts, addresses: Mapping[str, str]) -> PartPlan:
    """The same for any host, old or new. Lines of our block with other names stay: an earlier expansion needed them.

    :param addresses: IP address of each name that must be found
    """
    draft = Draft()
    text = host.text(HOSTS)
    if text is None and HOSTS in host.files:
        draft.refuse(f"{host.hostname}: {HOSTS}", "it cannot be read", "make it readable for all, mode 644")
        return draft.plan()
    known = {name: set(found.split()) for name, found in host.pairs("resolves").items()}
    foreign = _off_loopback(blocks.without(text or ""), addresses)
    moved = foreign != blocks.without(text or "")
    in_block = set(names_in("\n".join(blocks.inside(text or ""))))
    comments, lines = _kept(blocks.inside(text or ""), addresses)
    for name, address in sorted(addresses.items()):
        found = known.get(name, set())
        by_others = names_in(foreign).get(name, set())
        if by_others - {address} and address not in by_others:
            draft.refuse(
                f"{host.hostname}: {HOSTS}",
                f"{name} is {', '.join(sorted(by_others))} there, but the cluster knows it as {address}",
                "correct that line by hand, or the address in the request",
            )
        elif name in in_block or not found or all(_is_loopback(one) for one in found):
            if address not in by_others:
                lines.setdefault(address, []).append(name)
        elif address not in found:
            draft.refuse(
                f"{host.hostname}: name {name}",
                f"it leads to {', '.join(sorted(found))}, but the cluster knows it as {address}",
                "correct DNS, or the address in the request",
            )
    entered = sorted(lines.items(), key=_by_number)
    ours = [*comments, *(f"{address}\t{' '.join(sorted(names))}" for address, names in entered)]
    if ours or moved or in_block:
        base = foreign if not in_block else _keep_block(text or "", foreign)
        draft.file(HOSTS, text, blocks.with_block(base, ours), "names that nothing else on this host knows")
    return draft.plan()


def names_in(text: str) -> dict[str, set[str]]:
    """Addresses of each name in the text of a hosts file."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        for name in words[1:]:
            found.setdefault(name, set()).add(words[0])
    return found


def _kept(block: list[str], addresses: Mapping[str, str]) -> tuple[list[str], dict[str, list[str]]]:
    """Of our block what is not asked about now: lines that name no address, and names by address."""
    comments: list[str] = []
    lines: dict[str, list[str]] = {}
    for line in block:
        words = line.partition("#")[0].split()
        others = [word for word in words[1:] if word not in addresses]
        if not words or not is_ip_address(words[0]):
            comments.append(line)
        elif others:
            lines.setdefault(words[0], []).extend(others)
    return comments, lines


def _off_loopback(text: str, addresses: Mapping[str, str]) -> str:
    """Without names of the cluster on lines of 127.0.0.1, 127.0.1.1 and ::1."""
    lines = []
    for line in text.splitlines(keepends=True):
        content, mark, comment = line.rstrip("\n").partition("#")
        words = content.split()
        kept = [word for word in words[1:] if word not in addresses or word == "localhost"]
        if not words or not _is_loopback(words[0]) or len(kept) == len(words) - 1:
            lines.append(line)
        elif kept:
            lines.append(f"{words[0]}\t{' '.join(kept)}{'  #' if mark else ''}{comment}\n")
    return "".join(lines)


def _keep_block(text: str, foreign: str) -> str:
    """The foreign text with our old block where it was, so that a new one takes its place."""
    if blocks.without(text) == foreign:
        return text
    return blocks.with_block(foreign, blocks.inside(text))


def _by_number(item: tuple[str, list[str]]) -> tuple[int, int]:
    address = ipaddress.ip_address(item[0])
    return address.version, int(address)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_called(name: str, wished: str) -> bool:
    return name == wished or name.startswith(f"{wished}.")

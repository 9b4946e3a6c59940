"""The firewall of a new host: a way through for the cluster, or off."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.situation import Situation
from greenplum_expansion.request import FirewallChoice, PreparationPart

OUR_IPSET = "/etc/firewalld/ipsets/greenplum{family}.xml"
SAVED_RULES = ("/etc/sysconfig/iptables", "/etc/iptables/rules.v4")
_SSH = 22
_COMMENT = "greenplum-expansion"
# Services that put rules in force, and what else holds them.
_SERVICES = ("firewalld", "ufw", "iptables", "ip6tables", "nftables", "netfilter-persistent")


@dataclass(frozen=True)
class Opening:
    """Ports to be open for the cluster's hosts: first and last, both included."""

    protocol: str
    first: int
    last: int

    def written(self, separator: str) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}{separator}{self.last}"


@part(PreparationPart.FIREWALL, "The firewall lets the cluster's hosts through")
def plan_firewall(situation: Situation) -> PartPlan:
    """For the addresses of the cluster's hosts only: SSH, the ports of the servers, and the range of ports from which
    the interconnect takes its own (`net.ipv4.ip_local_port_range`, UDP and TCP).

    firewalld gets a set of addresses and rich rules in the default zone, ufw rules of its own, iptables rules in front
    of the others, live and in the file that its service restores. A firewall made with nft by hand cannot be opened
    safely from outside: its rules are told. With *switch off* the service is stopped and disabled instead.
    """
    draft = Draft()
    choice = situation.firewall
    active = _active(situation)
    if choice is FirewallChoice.LEAVE or not active:
        return draft.plan()
    if choice is FirewallChoice.OFF:
        _switch_off(situation, active, draft)
    elif active == "firewalld":
        _open_firewalld(situation, draft)
    elif active == "ufw":
        _open_ufw(situation, draft)
    elif active == "iptables":
        _open_iptables(situation, draft)
    else:
        wanted = ", ".join(f"{one.protocol} {one.written('-')}" for one in openings(situation))
        draft.warn(
            f"{situation.name}: firewall",
            "rules made with nft drop what they do not know; a rule added from outside would not change that",
            f"let {', '.join(sorted(set(situation.addresses.values())))} through to {wanted} in /etc/nftables.conf, "
            f"or choose *{FirewallChoice.OFF}*",
        )
    return draft.plan()


def openings(situation: Situation) -> list[Opening]:
    """What the cluster's hosts must reach, ranges joined."""
    words = situation.new.pairs("sysctl").get("net.ipv4.ip_local_port_range", "").split()
    existing = [host.pairs("sysctl").get("net.ipv4.ip_local_port_range", "").split() for host in situation.existing]
    ranges = [(int(first), int(last)) for first, last in (r for r in (words, *existing) if len(r) == 2)]
    low = min((first for first, _ in ranges), default=10000)
    high = max((last for _, last in ranges), default=65535)
    tcp = _joined([(_SSH, _SSH), (low, high), *((port, port) for port in situation.ports)])
    return [Opening("tcp", *one) for one in tcp] + [Opening("udp", low, high)]


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def _active(situation: Situation) -> str:
    """Which firewall is in force: firewalld, ufw, iptables, nftables, or none."""
    new = situation.new
    if "firewalld" in new.units and new.units["firewalld"].is_active:
        return "firewalld"
    if re.search(r"^Status: active", new.said.get("ufw", ""), re.MULTILINE):
        return "ufw"
    if _closes(new.lines("iptables")):
        return "iptables"
    if re.search(r"hook input.*policy drop", new.said.get("nft", "")):
        return "nftables"
    return ""


def _closes(rules: Sequence[str]) -> bool:
    """Whether anything is refused in chain INPUT (of ``iptables -S``), or in a chain it leads to."""
    todo, seen = ["INPUT"], set()
    while todo:
        chain = todo.pop()
        seen.add(chain)
        for rule in rules:
            if rule == f"-P {chain} DROP":
                return True
            jump = re.search(r" -[jg] (\S+)", rule) if rule.startswith(f"-A {chain} ") else None
            if jump and jump.group(1) in ("DROP", "REJECT"):
                return True
            if jump and jump.group(1) not in seen:
                todo.append(jump.group(1))
    return False


def _sources(situation: Situation) -> dict[int, list[str]]:
    """Addresses of the other hosts, by version of the protocol."""
    found: dict[int, set[str]] = {}
    for address in situation.addresses.values():
        found.setdefault(ipaddress.ip_address(address).version, set()).add(address)
    return {version: sorted(addresses, key=ipaddress.ip_address) for version, addresses in sorted(found.items())}


def _open_firewalld(situation: Situation, draft: Draft) -> None:
    zone = situation.new.word("firewalld_zone") or "public"
    added = set(situation.new.lines("firewalld_rules"))
    for version, addresses in _sources(situation).items():
        family = "" if version == 4 else "6"
        path = OUR_IPSET.format(family=family)
        option = "" if version == 4 else '  <option name="family" value="inet6"/>\n'
        entries = "".join(f"  <entry>{address}</entry>\n" for address in addresses)
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<ipset type="hash:ip">\n{option}{entries}</ipset>\n'
        # The set has to be known before a rule can name it.
        then = "firewall-cmd -q --reload"
        draft.file(path, situation.new.text(path), text, "addresses of the cluster's hosts", then=then)
        for one in openings(situation):
            rule = (
                f'rule family="ipv{version}" source ipset="greenplum{family}" '
                f'port port="{one.written("-")}" protocol="{one.protocol}" accept'
            )
            quoted = shlex.quote(rule)
            place = f"firewall-cmd --permanent --zone={shlex.quote(zone)}"
            draft.state(
                StateChange(
                    subject=f"firewalld, zone {zone}: {rule}",
                    old="yes" if rule in added else "no",
                    new="yes",
                    why="the cluster's hosts reach its servers",
                    probe=f"{place} --query-rich-rule={quoted} || true",
                    do=f"{place} -q --add-rich-rule={quoted} && firewall-cmd -q --reload",
                    undo=f"{place} -q --remove-rich-rule={quoted}; firewall-cmd -q --reload",
                )
            )


def _open_ufw(situation: Situation, draft: Draft) -> None:
    added = situation.new.said.get("ufw_added", "")
    for addresses in _sources(situation).values():
        for address in addresses:
            for one in openings(situation):
                rule = f"allow from {address} to any port {one.written(':')} proto {one.protocol}"
                there = f"ufw {rule}" in added
                words = f"ufw show added | grep -qF {shlex.quote(rule)} && echo allowed || echo no"
                draft.state(
                    StateChange(
                        subject=f"ufw: {rule}",
                        old="allowed" if there else "no",
                        new="allowed",
                        why="the cluster's hosts reach its servers",
                        probe=words,
                        do=f"ufw {rule}",
                        undo=f"ufw delete {rule}",
                    )
                )


def _open_iptables(situation: Situation, draft: Draft) -> None:
    rules = [
        f"INPUT -s {address}/32 -p {one.protocol} -m {one.protocol} --dport {one.written(':')} "
        f"-m comment --comment {_COMMENT} -j ACCEPT"
        for address in _sources(situation).get(4, [])
        for one in openings(situation)
    ]
    live = set(situation.new.lines("iptables"))
    for rule in rules:
        draft.state(
            StateChange(
                subject=f"iptables: {rule}",
                old="yes" if f"-A {rule}" in live else "no",
                new="yes",
                why="the cluster's hosts reach its servers",
                probe=f"iptables -C {rule} 2>/dev/null && echo yes || echo no",
                do=f"iptables -C {rule} 2>/dev/null || iptables -I {rule}",
                undo=f"iptables -D {rule}",
            )
        )
    saved = next((path for path in SAVED_RULES if situation.new.text(path) is not None), None)
    if saved is None:
        if draft.changes:
            draft.warn(
                f"{situation.name}: firewall",
                "nothing was found that restores rules of iptables at boot",
                "see which program makes them there, and enter the cluster's hosts in it",
            )
        return
    text = situation.new.text(saved) or ""
    draft.file(saved, text, _with_rules(text, [f"-A {rule}" for rule in rules]), "rules at the next boot")


def _with_rules(text: str, rules: Sequence[str]) -> str:
    """The rules in front of the first of chain INPUT in table filter."""
    lines = text.splitlines(keepends=True)
    missing = [f"{rule}\n" for rule in rules if f"{rule}\n" not in lines]
    inside = False
    for number, line in enumerate(lines):
        inside = line.strip() == "*filter" or (inside and line.strip() != "COMMIT")
        if (line.strip() == "COMMIT" and "*filter\n" in lines[:number]) or (inside and line.startswith("-A INPUT")):
            return "".join([*lines[:number], *missing, *lines[number:]])
    return text


def _switch_off(situation: Situation, active: str, draft: Draft) -> None:
    if active == "ufw":
        draft.state(
            StateChange(
                subject="ufw",
                old="active",
                new="inactive",
                why="asked for",
                probe="ufw status | sed -n 's/^Status: //p'",
                do="ufw --force disable",
                undo="ufw --force enable",
            )
        )
        return
    for name in _SERVICES:
        unit = situation.new.units.get(name)
        if unit is None or not (unit.is_active or unit.starts_at_boot):
            continue
        old = f"{'enabled' if unit.starts_at_boot else 'disabled'} {'active' if unit.is_active else 'inactive'}"
        back = [f"systemctl {'enable' if unit.starts_at_boot else 'disable'} {name}.service"]
        if unit.is_active:
            back.append(f"systemctl start {name}.service")
        draft.state(
            StateChange(
                subject=f"service {name}",
                old=old,
                new="disabled inactive",
                why="switching the firewall off was asked for",
                probe=f"systemctl is-enabled {name}.service; systemctl is-active {name}.service; true",
                do=f"systemctl disable {name}.service && systemctl stop {name}.service",
                undo=" && ".join(back),
            )
        )
    if not draft.changes:
        draft.warn(
            f"{situation.name}: firewall",
            f"rules of {active} are in force, but no service that could be switched off is known",
            "see which program makes them there, and switch it off",
        )

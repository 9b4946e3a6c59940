"""The five steps to a request: which fields each asks for, what is wrong with a draft, and what it would come to.

The draft is what the browser keeps: field names of `ExpansionRequest` and their values. Each step is judged by those
sections of the request's model it asks for, so it can be right while later steps are still empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError

from greenplum_expansion.checks.finding import Finding, Severity
from greenplum_expansion.checks.layout import check_layout
from greenplum_expansion.checks.new_hosts import check_not_in_cluster
from greenplum_expansion.cluster.input_file import NewInstance, render
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.pages.clusters import HostLook
from greenplum_expansion.pages.forms import Control, controls, shown
from greenplum_expansion.planning.layout import Layout, lay_out
from greenplum_expansion.planning.placement import PlacementError, place
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.request import ExpansionRequest, LookRequest
from greenplum_expansion.request.hardware import HardwareSection
from greenplum_expansion.request.hosts import HostsSection
from greenplum_expansion.request.placing import request_hosts, wished_mirroring, wishes
from greenplum_expansion.request.preparation import PreparationSection
from greenplum_expansion.request.safety import ClusterSection, SafetySection
from greenplum_expansion.request.section import Section
from greenplum_expansion.request.sessions import SessionsSection
from greenplum_expansion.request.tables import TablesSection
from greenplum_expansion.request.windows import MovedBy, WindowsSection
from greenplum_expansion.schedule import foreseen

CONNECTION = "greenplum_conn_id"
HOSTS = "new_hosts"
_WINDOWS_SHOWN = 5
_HOSTS_SHOWN = 100
_APART = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class Step:
    """One page of the wizard.

    :param sections: parts of the request it is judged by
    :param fields: asked for at once; `more` only when somebody opens it
    """

    key: str
    title: str
    sections: tuple[type[Section], ...]
    fields: tuple[str, ...]
    more: tuple[str, ...] = ()


def _fields(*sections: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for section in sections for name in section.model_fields)


_HOST_FIELDS = (HOSTS, "more_primaries")
_PLACE_FIELDS = tuple(name for name in _fields(HostsSection) if name not in _HOST_FIELDS)
_WHEN = ("windows", "time_zone", "not_before", "last_end")
_HOW = ("important_tables", "order", "parallel_moves")
_EARLIER = (
    *(ClusterSection, SafetySection, SessionsSection, HostsSection, PreparationSection, HardwareSection),
    *(WindowsSection, TablesSection),
)
# Whatever sections the request has beside those is asked for at the end, so that none is forgotten.
_REST: tuple[type[Section], ...] = tuple(
    section for section in reversed(ExpansionRequest.__bases__) if section not in _EARLIER
)

STEPS = (
    Step(
        "meaning",
        "What will happen",
        (ClusterSection, SafetySection, SessionsSection),
        (CONNECTION,),
        _fields(SafetySection, SessionsSection),
    ),
    Step(
        "hosts",
        "New hosts",
        (HostsSection, PreparationSection, HardwareSection),
        _HOST_FIELDS,
        _fields(PreparationSection, HardwareSection),
    ),
    Step("places", "Paths and placement", (HostsSection,), _PLACE_FIELDS),
    Step(
        "tables",
        "Redistribution",
        (WindowsSection, TablesSection),
        (*_WHEN, *_HOW),
        tuple(name for name in _fields(WindowsSection, TablesSection) if name not in (*_WHEN, *_HOW)),
    ),
    Step("review", "Review", _REST, (), _fields(*_REST)),
)


@dataclass
class Judged:
    """What is wrong with a draft, as far as a step asks for it.

    :param fields: by name of a field
    :param others: what concerns several
    """

    fields: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.fields or self.others)


def known(draft: Any) -> dict[str, Any]:
    """What of a draft are fields of a request, as its form can show them: one of an older version may hold others."""
    return shown(ExpansionRequest, draft) if isinstance(draft, Mapping) else {}


def unknown(draft: Any) -> list[str]:
    """What of a draft the form cannot show: written in another version of the wizard, or by hand."""
    if not isinstance(draft, Mapping):
        return ["all of it"]
    kept = known(draft)
    return sorted(str(name).encode("utf-8", "replace").decode() for name in draft if name not in kept)


def judge(step: Step, draft: Mapping[str, Any]) -> Judged:
    """Hold the draft against the sections this step asks for, and all of it at the last one."""
    wrong = Judged()
    models: Sequence[type[BaseModel]] = step.sections if step is not STEPS[-1] else (ExpansionRequest,)
    for model in models:
        own = {name: value for name, value in draft.items() if name in model.model_fields}
        try:
            model.model_validate(own)
        except ValidationError as error:
            for detail in error.errors():
                message = detail["msg"].removeprefix("Value error, ")
                name = str(detail["loc"][0]) if detail["loc"] else ""
                if name in (*step.fields, *step.more):
                    wrong.fields.setdefault(name, message)
                elif name:
                    title = ExpansionRequest.model_fields[name].title or name
                    wrong.others.append(f"{title}: {message}")
                else:
                    wrong.others.append(message)
    return wrong


def first_wrong(draft: Mapping[str, Any], before: Step) -> Step | None:
    """The first step in front of `before` that is not right; None if all are."""
    return next((step for step in STEPS[: STEPS.index(before)] if judge(step, draft)), None)


def ask(step: Step, draft: Mapping[str, Any], wrong: Judged) -> tuple[list[Control], list[Control]]:
    """The controls of a step: those shown, and those behind "more choices"."""
    return (
        controls(ExpansionRequest, step.fields, draft, wrong.fields),
        controls(ExpansionRequest, step.more, draft, wrong.fields),
    )


def add_hosts(draft: dict[str, Any], typed: str, topology: Topology | None = None) -> list[str]:
    """Add what was typed, one or several, to the draft's hosts; returns what is wrong with it.

    Nothing is added of what is wrong, nor twice, nor what is in the cluster as it was last seen.
    """
    hosts = host_lines(draft)
    taken = {name for line in hosts for name in _names(line)}
    problems = []
    for text in filter(None, _APART.split(typed)):
        try:
            (host,) = request_hosts(HostsSection.model_validate({HOSTS: [text]}))
        except ValidationError as error:
            # Of a bare name that is wrong it would be said twice, as it is the address, too.
            problems.append(f"{text}: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
            continue
        twice = [
            name for name in (("hostname", host.hostname.lower()), ("address", host.address.lower())) if name in taken
        ]
        in_cluster = check_not_in_cluster(topology, [host]) if topology and not twice else []
        problems += [f"{text}: new host {what} {name} is given twice; name each host once" for what, name in twice[:1]]
        problems += [f"{text}: {finding.problem}" for finding in in_cluster]
        if not twice and not in_cluster:
            hosts.append(text)
            taken |= _names(text)
    draft[HOSTS] = hosts
    return problems


def _names(line: str) -> set[tuple[str, str]]:
    """By which a host is told from others."""
    hostname, separator, address = (part.strip().lower() for part in line.partition("="))
    return {("hostname", hostname), ("address", address if separator else hostname)}


def host_lines(draft: Mapping[str, Any]) -> list[str]:
    """The draft's hosts, each as it is typed."""
    (control,) = controls(ExpansionRequest, (HOSTS,), draft, {})
    return [line for line in control.value.splitlines() if line.strip()]


@dataclass(frozen=True)
class Member:
    """A host of the cluster as it is.

    :param parts: what it is there for, as "coordinator"
    :param down: instances on it that are
    """

    hostname: str
    addresses: tuple[str, ...]
    parts: tuple[str, ...]
    primaries: int
    mirrors: int
    down: int


def members(topology: Topology) -> list[Member]:
    """The hosts there are: coordinator and standby first, then those of segments as the catalog has them."""
    first = [topology.coordinator.hostname, *([topology.standby.hostname] if topology.standby else [])]
    return [_member(topology, hostname) for hostname in dict.fromkeys([*first, *topology.segment_hosts])]


def _member(topology: Topology, hostname: str) -> Member:
    own = topology.on_host(hostname)
    segments = [instance for instance in own if instance.content >= 0]
    primaries = sum(instance.preferred_role == "p" for instance in segments)
    parts = {
        "coordinator": topology.coordinator in own,
        "standby": topology.standby in own,
        "segments": bool(segments),
    }
    return Member(
        hostname=hostname,
        addresses=tuple(dict.fromkeys(instance.address for instance in own if instance.address != hostname)),
        parts=tuple(name for name, holds in parts.items() if holds),
        primaries=primaries,
        mirrors=len(segments) - primaries,
        down=sum(not instance.is_up for instance in own),
    )


def first_hosts(looks: Sequence[HostLook]) -> list[HostLook]:
    """As many as a page can show: of more than that, those with errors come first, then those with warnings."""
    if len(looks) <= _HOSTS_SHOWN:
        return list(looks)
    worst = (Severity.ERROR, Severity.WARNING)

    def rank(look: HostLook) -> int:
        found = {finding.severity for finding in look.findings}
        return next((place for place, severity in enumerate(worst) if severity in found), len(worst))

    return sorted(looks, key=rank)[:_HOSTS_SHOWN]


@dataclass(frozen=True)
class Picture:
    """What the request would make of the cluster as it was last looked at.

    :param layout: hosts before and after; None if they cannot be placed, for the `reason`
    :param new: what is added
    """

    layout: Layout | None
    input_file: str
    findings: tuple[Finding, ...]
    reason: str = ""
    new: tuple[NewInstance, ...] = ()


def picture(draft: Mapping[str, Any], topology: Topology) -> Picture:
    """Place the draft's hosts."""
    own = {name: value for name, value in draft.items() if name in HostsSection.model_fields}
    try:
        request = HostsSection.model_validate(own)
        if taken := check_not_in_cluster(topology, request_hosts(request)):
            return Picture(None, "", (), "; ".join(f"{one.subject}: {one.problem}" for one in taken))
        new = place(topology, request_hosts(request), wished_mirroring(request, topology), wishes(request))
    except ValidationError as error:
        reason = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
        return Picture(None, "", (), reason)
    except PlacementError as error:
        return Picture(None, "", (), str(error))
    layout = lay_out(topology, new)
    return Picture(layout, render(new), tuple(check_layout(layout)), new=new)


@dataclass(frozen=True)
class NextWindows:
    """The windows that come first, as the clock of `zone` shows them.

    :param scheduled: they are those of greenplum_redistribute
    """

    windows: tuple[Window, ...]
    zone: str
    scheduled: bool


def next_windows(draft: Mapping[str, Any], now: datetime | None = None) -> NextWindows | None:
    """The windows in which tables would move; None if the draft's are wrong."""
    own = {name: value for name, value in draft.items() if name in WindowsSection.model_fields}
    try:
        asked = WindowsSection.model_validate(own)
    except ValidationError:
        return None
    kept = foreseen(asked)
    windows = islice(kept.calendar().windows(now or datetime.now(UTC)), _WINDOWS_SHOWN)
    return NextWindows(tuple(windows), kept.time_zone, asked.moved_by is MovedBy.SCHEDULE)


def conf_of(draft: Mapping[str, Any]) -> dict[str, Any]:
    """The request as it is sent: what differs from the defaults, and which cluster.

    :raises ValidationError: the draft is wrong
    """
    request = ExpansionRequest.model_validate(dict(draft))
    conf: dict[str, Any] = request.model_dump(mode="json", exclude_defaults=True)
    hosts = [host if host.get("host_key") else _line(host) for host in conf.get(HOSTS, ())]
    return {CONNECTION: request.greenplum_conn_id, **conf, **({HOSTS: hosts} if hosts else {})}


def look_conf(draft: Mapping[str, Any], *, with_hosts: bool, with_tables: bool) -> dict[str, Any]:
    """What a look at the draft's cluster is asked: as an expansion that is prepared like that would find it.

    :raises ValidationError: the draft is wrong in what a look goes by
    """
    own = {name: value for name, value in draft.items() if name in LookRequest.model_fields}
    request = LookRequest.model_validate({**own, "with_tables": with_tables})
    conf: dict[str, Any] = request.model_dump(mode="json", exclude_defaults=True, exclude={HOSTS})
    hosts = host_lines(draft) if with_hosts else []  # as they were typed: so looks are found again
    return {CONNECTION: request.greenplum_conn_id, **conf, **({HOSTS: hosts} if hosts else {})}


def _line(host: Mapping[str, Any]) -> str:
    return str(host["hostname"]) if host["address"] == host["hostname"] else f"{host['hostname']}={host['address']}"

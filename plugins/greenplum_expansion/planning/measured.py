"""What the trials found: figures by host, medians, the slowest; and the table of them. Pure."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.cluster.gpcheckperf import Link, Reading, read_output
from greenplum_expansion.planning.trials import Group, Trial

TRIAL_MARK = "@@ trial "
END_MARK = "@@ ended "
LEFT_MARK = "@@ left "

_STANDS_OUT = 0.95  # of the next one's figure
TIMED_OUT = (124, 137)  # exit codes of timeout(1)


@dataclass(frozen=True)
class Metric:
    """One of the four figures, all MB/s and better when larger."""

    key: str
    title: str


DISK_WRITE = Metric("disk_write", "disk write")
DISK_READ = Metric("disk_read", "disk read")
MEMORY = Metric("memory", "memory")
NETWORK = Metric("network", "network")
METRICS = (DISK_WRITE, DISK_READ, MEMORY, NETWORK)


@dataclass(frozen=True)
class Outcome:
    """A trial and what came of it.

    :param exit_code: of timeout(1), so 124 when it was ended; None if the job was ended before
    """

    trial: Trial
    exit_code: int | None
    reading: Reading

    @property
    def timed_out(self) -> bool:
        return self.exit_code in TIMED_OUT


@dataclass(frozen=True)
class HostFigures:
    """MB/s of one host; None: not measured. Network: its slowest connection within its group."""

    hostname: str
    group: Group
    disk_write: float | None = None
    disk_read: float | None = None
    memory: float | None = None
    network: float | None = None

    def get(self, metric: Metric) -> float | None:
        value: float | None = getattr(self, metric.key)
        return value


@dataclass(frozen=True)
class Measured:
    """All that was measured.

    :param left_on: hosts on which files of gpcheckperf could not be removed after it had been interrupted
    """

    outcomes: tuple[Outcome, ...]
    left_on: tuple[str, ...] = ()

    @classmethod
    def from_log(cls, log: str) -> Measured:
        """Read the job's log: each trial between our marks, what gpcheckperf said in between."""
        outcomes: list[Outcome] = []
        left: list[str] = []
        trial: Trial | None = None
        said: list[str] = []
        for line in log.splitlines():
            if line.startswith(TRIAL_MARK):
                if trial is not None:
                    outcomes.append(Outcome(trial, None, read_output("\n".join(said))))
                trial, said = Trial.from_dict(json.loads(line.removeprefix(TRIAL_MARK))), []
            elif line.startswith(END_MARK) and trial is not None:
                code = line.removeprefix(END_MARK).strip()
                outcomes.append(Outcome(trial, int(code) if code.isdigit() else None, read_output("\n".join(said))))
                trial = None
            elif line.startswith(LEFT_MARK):
                left.append(line.removeprefix(LEFT_MARK).strip())
            else:
                said.append(line)
        if trial is not None:
            outcomes.append(Outcome(trial, None, read_output("\n".join(said))))
        return cls(tuple(outcomes), tuple(left))

    def hosts(self, group: Group) -> tuple[HostFigures, ...]:
        """New or existing hosts in the order they were given, each with what is known of it."""
        mine = [outcome for outcome in self.outcomes if outcome.trial.group is group]
        names = dict.fromkeys(host for outcome in mine for host in outcome.trial.hosts)
        if group is Group.NEW:  # a single new host is measured with an existing one only
            pairs = [outcome for outcome in self.outcomes if outcome.trial.group is Group.BETWEEN]
            names.update(dict.fromkeys(outcome.trial.hosts[0] for outcome in pairs))
        found = []
        for name in names:
            readings = [outcome.reading for outcome in mine]
            links = self.links(group) or (self.links(Group.BETWEEN) if group is Group.NEW else ())
            network = [link.mb_s for link in links if name in (link.source, link.target)]
            found.append(
                HostFigures(
                    hostname=name,
                    group=group,
                    disk_write=_first(reading.disk_write.get(name) for reading in readings),
                    disk_read=_first(reading.disk_read.get(name) for reading in readings),
                    memory=_first(reading.memory.get(name) for reading in readings),
                    network=min(network, default=None),
                )
            )
        return tuple(found)

    def links(self, group: Group) -> tuple[Link, ...]:
        """Connections measured within a group, each direction by itself."""
        return tuple(
            link for outcome in self.outcomes if outcome.trial.group is group for link in outcome.reading.links
        )

    def trial_of(self, group: Group) -> Trial | None:
        """The trial of disk and memory of a group."""
        trials = (outcome.trial for outcome in self.outcomes if outcome.trial.group is group)
        return next((trial for trial in trials if not trial.is_network), None)

    def reference(self, metric: Metric) -> float | None:
        """Median of the existing hosts; None if none was measured."""
        values = [value for host in self.hosts(Group.EXISTING) if (value := host.get(metric)) is not None]
        return statistics.median(values) if values else None

    def slowest(self, metric: Metric) -> HostFigures | None:
        """The slowest new host, when there are several and it stands out; two that differ by chance do not."""
        known = [(value, host) for host in self.hosts(Group.NEW) if (value := host.get(metric)) is not None]
        known.sort(key=lambda pair: pair[0])
        stands_out = len(known) > 1 and known[0][0] < _STANDS_OUT * known[1][0]
        return known[0][1] if stands_out else None

    def to_dict(self) -> dict[str, Any]:
        """For XCom, the report and pages: plain data, MB/s."""
        trial = self.trial_of(Group.NEW)
        slowest = {metric.key: host for metric in METRICS if (host := self.slowest(metric))}
        return {
            "measured": bool(self.outcomes),
            "file_bytes": trial.file_bytes if trial else 0,
            "read_from_memory": bool(trial and trial.cached),
            "hosts": [
                {"hostname": host.hostname, "group": group.value, **{m.key: host.get(m) for m in METRICS}}
                for group in (Group.NEW, Group.EXISTING)
                for host in self.hosts(group)
            ],
            "links": [
                {"source": link.source, "target": link.target, "group": group.value, "mb_s": link.mb_s}
                for group in Group
                for link in self.links(group)
            ],
            "existing_median": {metric.key: self.reference(metric) for metric in METRICS},
            "slowest": {key: host.hostname for key, host in slowest.items()},
        }


def not_measured(why: str) -> dict[str, Any]:
    """In place of `Measured.to_dict` where nothing was measured."""
    return {"measured": False, "why": why}


def _first(values: Any) -> float | None:
    return next((value for value in values if value is not None), None)

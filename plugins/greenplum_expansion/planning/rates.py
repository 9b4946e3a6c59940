"""Where rates come from before anything has moved: an earlier expansion, measured hardware, or a plain supposition.

Best is what this cluster has done before. Else a model of a move is fed with what gpcheckperf measured, or with what is
supposed of any host, and then says so: a move reads the table on the old hosts, writes it on all of them, once more for
each mirror, and sends the new segments their share; sessions share disks and network, and one process of a segment does
no more than it can (CPU).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from greenplum_expansion.planning.moves import Move, Rate, Rates, Storage

_MB = 1_000_000  # gpcheckperf's unit
_MIB = 1024 * 1024
# MiB a second that one process of a segment rewrites, CPU alone. The documentation calls append-optimized tables ten
# percent quicker and compressed ones up to eighty percent slower than heap.
_PROCESS = {Storage.HEAP: 40 * _MIB, Storage.APPEND_OPTIMIZED: 45 * _MIB, Storage.COMPRESSED: 12 * _MIB}
_INDEX = 0.5  # of the rate of rows: sorted and written once more
_SUPPOSED = {"disk_write": 300.0, "disk_read": 300.0, "network": 1000.0}  # MB/s of a host nobody has measured
_MEASURED_SPREAD = 0.45  # a range of 1.8 to either side: a disk's speed is not yet that of a move
_SUPPOSED_SPREAD = 1.0  # 3.6 to either side
_EARLIER = 3.0  # moves that an earlier expansion counts for, at most: the cluster has grown since, and so has its load
_EARLIER_SPREAD = 0.2


class Source(StrEnum):
    """Where a rate comes from."""

    HISTORY = "history"
    HARDWARE = "hardware"
    SUPPOSED = "not measured"


@dataclass(frozen=True, slots=True)
class FinishedMove:
    """A move that is over: what moved, and how long that took (seconds)."""

    storage: Storage
    bytes: int
    index_bytes: int
    seconds: float


@dataclass(frozen=True)
class Shape:
    """Of a cluster that grows, as far as it decides how fast tables move.

    :param segments_before, segments_after: primaries
    :param old_hosts, new_hosts: with segments
    :param sessions: tables that move at a time, and share the hosts
    """

    segments_before: int
    segments_after: int
    old_hosts: int
    new_hosts: int
    mirrored: bool
    sessions: int


@dataclass(frozen=True)
class Believed:
    """What is believed of this cluster before tables move.

    :param sources: of each storage class's rate
    :param because: sentences for a person
    """

    rates: Rates
    sources: Mapping[Storage, Source]
    index_source: Source
    because: tuple[str, ...]


def believe(shape: Shape, history: Sequence[FinishedMove], hardware: Mapping[str, Any] | None) -> Believed:
    """The best that is known, by storage class.

    :param history: moves of earlier expansions of this cluster, in the order in which they ended
    :param hardware: figures of this run (``Measured.to_dict``); None or ``measured: False`` if there are none
    """
    figures = _figures(hardware)
    model = _model(shape, figures or _SUPPOSED, _MEASURED_SPREAD if figures else _SUPPOSED_SPREAD)
    fallback = Source.HARDWARE if figures else Source.SUPPOSED
    learned = learn_all(model, history)
    known = {
        storage
        for storage, rate in learned.tables.items()
        if rate.observations >= 1 and any(move.storage is storage for move in history)
    }
    tables = {
        storage: _earlier(learned.tables[storage]) if storage in known else model.tables[storage] for storage in Storage
    }
    are_indexes_known = learned.indexes.observations >= 1
    indexes = _earlier(learned.indexes) if are_indexes_known else model.indexes
    sources = {storage: Source.HISTORY if storage in known else fallback for storage in Storage}
    rates = Rates(tables, indexes, learned.overhead)
    index_source = Source.HISTORY if are_indexes_known else fallback
    return Believed(rates, sources, index_source, tuple(_because(sources, len(history), figures)))


def learn_all(rates: Rates, finished: Iterable[FinishedMove]) -> Rates:
    """After all these moves, in this order."""
    for one in finished:
        rates = rates.learn(Move("", 0, "", one.bytes, one.index_bytes, one.storage), one.seconds)
    return rates


def _earlier(rate: Rate) -> Rate:
    return replace(rate, spread=max(rate.spread, _EARLIER_SPREAD), observations=min(rate.observations, _EARLIER))


def _figures(hardware: Mapping[str, Any] | None) -> dict[str, float] | None:
    """MB/s of the slowest host for each thing; None if no disk was measured.

    What was read came from memory if the file was no larger, so reading then counts as fast as writing.
    """
    if not hardware or not hardware.get("measured"):
        return None
    found: dict[str, float] = {}
    for name in _SUPPOSED:
        values = [float(host[name]) for host in hardware.get("hosts", ()) if host.get(name)]
        if values:
            found[name] = min(values)
    if "disk_write" not in found:
        return None
    if hardware.get("read_from_memory") or "disk_read" not in found:
        found["disk_read"] = found["disk_write"]
    return {**_SUPPOSED, **found}


def _model(shape: Shape, host: Mapping[str, float], spread: float) -> Rates:
    """Rates of one session.

    :param host: MB/s of one host: disk_write, disk_read, network
    """
    copies = 2 if shape.mirrored else 1
    before, after = max(1, shape.segments_before), max(1, shape.segments_after)
    old, new = max(1, shape.old_hosts), max(1, shape.new_hosts)
    stays, goes = before / max(before, after), 1 - before / max(before, after)
    # Seconds that each byte of a table keeps the busiest host at work.
    on_old = (1 / host["disk_read"] + stays * copies / host["disk_write"]) / old
    on_new = goes * copies / host["disk_write"] / new
    sent = max(goes / old, goes * copies / new) / host["network"]
    shared = _MB / max(on_old, on_new, sent) / max(1, shape.sessions)
    tables = {storage: Rate(min(shared, before * each), spread) for storage, each in _PROCESS.items()}
    indexes = Rate(tables[Storage.HEAP].bytes_per_second * _INDEX, spread)
    return Rates(tables, indexes)


def _because(sources: Mapping[Storage, Source], moves: int, figures: Mapping[str, float] | None) -> Iterable[str]:
    by_source = {source: [s.value for s in Storage if sources[s] is source] for source in Source}
    if names := by_source[Source.HISTORY]:
        yield f"Rates of {_and(names)} tables: from {moves} moves of earlier expansions of this cluster."
    if (names := by_source[Source.HARDWARE]) and figures:
        disk = f"{figures['disk_write']:.0f} MB/s of disk on the slowest host"
        yield f"Rates of {_and(names)} tables: from the hardware as measured in this run, {disk}."
    if names := by_source[Source.SUPPOSED]:
        yield (
            f"Rates of {_and(names)} tables: not measured. {_SUPPOSED['disk_write']:.0f} MB/s of disk a host are "
            "supposed; the real time may be a third of it, or more than three times as long."
        )


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

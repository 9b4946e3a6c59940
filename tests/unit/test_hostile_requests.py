"""Whatever is written into a field of any request: it is refused, or it is text that nothing executes."""

from __future__ import annotations

import enum
import importlib
import os
import pkgutil
import re
import subprocess
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from greenplum_expansion import request as requests
from greenplum_expansion.backup.archives import BackupTools, archives
from greenplum_expansion.backup.script import BackupJob, script
from greenplum_expansion.backup.selection import BackupTable, select
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.patterns import Pattern
from greenplum_expansion.cluster.tablespaces import Tablespace, render
from greenplum_expansion.errors import InvalidRequest
from greenplum_expansion.hooks.known_hosts import HostKey
from greenplum_expansion.planning.placement import PlacementError
from greenplum_expansion.planning.tablespaces import locate
from greenplum_expansion.request import ExpansionRequest, parse_request
from tests.unit.clusters import cluster

HOSTILE = (
    *("a b", "it's", 'say "x"', "$(touch witness)", "`touch witness`", "; touch witness", "& touch witness"),
    *("| touch witness", "a\nb", "a\n; touch witness\n", "\ttab", "é", "顧客", "\u202e", "*", "-rf", "--help"),
    *("../../etc", "$HOME", "a\\b"),
)
# So that a value looks right but for what is hidden in it; {} is where.
AROUND = (
    *(
        "{}",
        "/data/{}",
        "sdw3{}",
        "sdw3={}",
        "{}=10.0.0.1",
        "public.{}",
        "{}.t",
        "public.t & public.{}",
        "public.t, public.{}",
        "t={}",
    ),
    *("f=/data/{}", "{}=/data/f", "a@{}", "{}@b.example", "a@b.example{}", "mon-fri 20:00-06:00 {}", "2026-12-24{}"),
    *("2026-12-24T10:00:00{}", "Europe/{}", "ssh-ed25519 {}"),
)
# What no shell takes for anything but a part of a word, and no program for an option.
_A_WORD = re.compile(r"(?!-)[A-Za-z0-9._/=,@:+ \[\]-]*\Z")
FREE = {
    "greenplum_conn_id": "looked up in Airflow, never told to a host",
    "mail_conn_id": "looked up in Airflow",
    "webhook_conn_id": "looked up in Airflow",
    "protected_roles": "compared with roles in Python",
    "backup_objects": "patterns, compared with names in Python; the names go through shlex.quote",
    "important_tables": "patterns, compared with names in Python",
    "only_tables": "patterns, compared with names in Python",
    "join_groups": "names, compared in Python",
    "tablespace_locations": "the name is compared in Python; of the directory see below",
    "mail_to": "handed to Airflow's mail backend",
    "new_hosts.host_key": "parsed before it is believed",
}
"""Fields that may hold any text, and why that executes nothing."""


def request_models() -> list[type[BaseModel]]:
    """Every request that a DAG takes."""
    found: dict[str, type[BaseModel]] = {}
    for module in pkgutil.iter_modules(requests.__path__, f"{requests.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and issubclass(value, BaseModel) and name.endswith("Request"):
                found[name] = value
    return [found[name] for name in sorted(found)]


def takes_text(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return False
    return annotation is str or any(map(takes_text, typing.get_args(annotation)))


def text_fields() -> Iterator[Any]:
    for model in request_models():
        for name, info in model.model_fields.items():
            if name != "new_hosts" and takes_text(info.annotation):
                yield pytest.param(model, name, (name,), id=f"{model.__name__}.{name}")
        if "new_hosts" in model.model_fields:
            for part in ("", "hostname", "address", "host_key"):
                yield pytest.param(model, "new_hosts", ("new_hosts", part), id=f"{model.__name__}.new_hosts {part}")


def accepted(model: type[BaseModel], name: str, part: str) -> Iterator[tuple[str, Any]]:
    """Each text that is taken, with what the field became; anything but InvalidRequest comes through."""
    for around in AROUND:
        for hostile in HOSTILE:
            text = around.replace("{}", hostile)
            value: Any = {"hostname": "sdw3", "address": "10.0.0.13", part: text} if part else text
            is_list = typing.get_origin(model.model_fields[name].annotation) is tuple
            conf = {"new_hosts": ["sdw9"]} if "new_hosts" in model.model_fields else {}
            try:
                request = parse_request(model, {**conf, name: [value] if is_list else value})
            except InvalidRequest:
                continue
            yield text, getattr(request, name)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        yield from (text for _, inner in value for text in texts_in(inner))
    elif isinstance(value, tuple | list):
        yield from (text for inner in value for text in texts_in(inner))


@pytest.mark.parametrize(("model", "name", "path"), list(text_fields()))
def test_a_field_refuses_what_is_no_word_to_a_shell_unless_it_is_known_to_reach_none(
    model: type[BaseModel], name: str, path: tuple[str, ...]
) -> None:
    part = path[1] if len(path) > 1 else ""
    if ".".join(filter(None, path)) in FREE:
        return
    for text, became in accepted(model, name, part):
        for word in texts_in(became):
            assert _A_WORD.match(word), f"{text!r} was taken and became {became!r}"


def test_no_field_is_called_free_that_is_not() -> None:
    """Else one that becomes strict, or goes, would leave its excuse behind for the next of that name."""
    freed = set()
    for parameter in text_fields():
        model, name, path = parameter.values
        key = ".".join(filter(None, path))
        if key in FREE and any(not _A_WORD.match(text) for text, _ in accepted(model, name, (*path, "")[1])):
            freed.add(key)
    assert freed == set(FREE)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_host_key_is_parsed_before_it_is_believed(hostile: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        HostKey.parse(f"ssh-ed25519 {hostile}")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_tablespace_of_any_name_cannot_write_lines_of_its_own_into_gpexpands_file(hostile: str) -> None:
    before = cluster()
    new = (NewInstance("sdw3", "sdw3", 6000, "/data/primary/gpseg4", 20, 4, "p"),)
    tablespace = Tablespace(f"f{hostile}", 16400, "/data/ts")
    locations = locate(before, new, [tablespace], {tablespace.name: "/data/other"})
    assert len(render([tablespace], locations).splitlines()) == 3
    if any(sign in hostile for sign in " '\"$`;&|\n\t\\"):
        with pytest.raises(PlacementError):
            locate(before, new, [tablespace], {tablespace.name: f"/data/{hostile}"})


def test_a_backup_of_hostile_names_asked_for_by_hostile_patterns_executes_none_of_them(tmp_path: Path) -> None:
    names = [name for name in HOSTILE if name.isprintable()]
    tables = [BackupTable(name, name, name, 1) for name in names]
    asked = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names]
    request = parse_request(ExpansionRequest, {"new_hosts": ["sdw9"], "backup_objects": asked})
    tools = BackupTools("", False, "pg_dump 9.4", True)
    selection = select([Pattern.parse(text) for text in request.backup_objects], names, tables)
    job = BackupJob(
        expansion_id="e1", choice="everything", selected=request.backup_objects, release="6.24.3", segments=4,
        coordinator="mdw", directory=str(tmp_path / "b" / "e1"), gpbackup_directory=str(tmp_path / "b" / "e1.gpbackup"),
        archives=archives(selection, tools), tools=tools, hosts=(), rows=True, jobs=2, dump_jobs=2,
    )  # fmt: skip
    assert len(job.archives) >= len(names) - 2
    (tmp_path / "bin").mkdir()
    for tool, body in {
        "pg_dump": 'for a; do case $a in --file=*) mkdir "${a#--file=}";; esac; done',
        "pg_restore": "echo '1; 0 0 TABLE DATA public t gpadmin'",
        "pg_dumpall": "echo '-- Greenplum Database cluster dump complete'",
    }.items():
        (tmp_path / "bin" / tool).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script(job)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "bin"]

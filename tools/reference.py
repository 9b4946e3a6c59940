"""Write docs/reference/ from the code: every check and every part of the preparation, with the test that proves it.

python tools/reference.py            # write
python tools/reference.py --check    # exit 1, naming the pages, if they are not as the code would write them
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":  # run by hand; tests have the path already
    sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

from greenplum_expansion import checks  # noqa: E402
from greenplum_expansion.checks.catalogue import Check, catalogue  # noqa: E402
from greenplum_expansion.cluster.state import ExpansionState, Phase, StuckBy  # noqa: E402
from greenplum_expansion.errors import ActionRefused  # noqa: E402
from greenplum_expansion.planning.decisions import Presence, RollbackAction, decide_roll_back  # noqa: E402
from greenplum_expansion.preparation.parts import parts  # noqa: E402
from greenplum_expansion.request import (  # noqa: E402
    ExpansionRequest,
    LookRequest,
    RedistributeRequest,
    RollbackRequest,
    SteerRequest,
)

PAGES = ROOT / "docs" / "reference"
_WITH_A_CLUSTER = ("tests/faults/", "tests/greenplum/")
_MADE = "<!-- Written by tools/reference.py from the code; edit that. -->\n\n"


def pages() -> dict[str, str]:
    """Text of each page by file name."""
    proofs = proving_tests(ROOT / "tests")
    return {
        "checks.md": _checks(proofs),
        "preparation.md": _preparation(proofs),
        "request.md": _requests(),
        "rollback.md": _rollback(proofs),
    }


@functools.cache
def proving_tests(directory: Path) -> dict[str, list[str]]:
    """For each name in ``@pytest.mark.proves(…)`` the tests that carry it, as ``file::test``."""
    found: dict[str, list[str]] = {}
    for path in sorted(directory.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _proven(node.decorator_list):
                    found.setdefault(name, []).append(f"{path.relative_to(directory.parent)}::{node.name}")
    return found


def _proven(nodes: Iterable[ast.expr]) -> Iterator[str]:
    """Names given to ``proves``, also in the marks of parameters (``pytest.param(…, marks=pytest.mark.proves(…))``)."""
    for decorator in nodes:
        for node in ast.walk(decorator):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "proves":
                yield from (part.value for arg in node.args for part in ast.walk(arg) if isinstance(part, ast.Constant))


def all_checks() -> list[Check]:
    """The catalogue, with every module of checks imported."""
    for module in pkgutil.iter_modules(checks.__path__, f"{checks.__name__}."):
        importlib.import_module(module.name)
    return list(catalogue())


def _checks(proofs: Mapping[str, list[str]]) -> str:
    lines = [
        "# Checks",
        "",
        "All of them run before anything is touched, and all findings are shown together, each with its remedy.",
        "Errors end the run; warnings are shown at the approval. A finding names its check by the id below.",
        "",
    ]
    by_module: dict[str, list[Check]] = {}
    for check in all_checks():
        by_module.setdefault(check.module, []).append(check)
    for module, found in sorted(by_module.items()):
        heading = (inspect.getdoc(importlib.import_module(module)) or module).partition("\n")[0].rstrip(".")
        lines += [f"## {heading}", ""]
        for check in found:
            lines += [
                f"### `{check.identifier}`: {check.title}",
                "",
                check.explanation,
                "",
                _proof(check.identifier, proofs),
                "",
            ]
    return _page(lines)


def _preparation(proofs: Mapping[str, list[str]]) -> str:
    lines = [
        "# Preparation of new hosts, part by part",
        "",
        "Each part compares a new host with the existing ones and changes what differs; on a host that is ready it",
        "does nothing. What a file held before is saved on its host, so that `greenplum_rollback` can put it back.",
        "Which parts are wanted is chosen in the request (`preparation_parts`); with *Only look* their diffs are shown",
        "and nothing is done.",
        "",
    ]
    for part in parts():
        lines += [
            f"## {part.choice.value}: {part.title}",
            "",
            part.explanation,
            "",
            _proof(part.identifier, proofs),
            "",
        ]
    return _page(lines)


def injects_the_fault(test: str) -> bool:
    """Whether a test, as ``file::test``, lets a cluster have the fault; others hand made-up facts to the code."""
    return test.startswith(_WITH_A_CLUSTER)


def _proof(name: str, proofs: Mapping[str, list[str]]) -> str:
    tests = proofs.get(name, [])
    said = [
        f"{how}: {', '.join(f'`{test}`' for test in found)}."
        for how, found in (
            ("Proved with the fault injected", [test for test in tests if injects_the_fault(test)]),
            ("Proved by facts made up", [test for test in tests if not injects_the_fault(test)]),
        )
        if found
    ]
    return " ".join(said) or "Not proved by a test yet."


def _rollback(proofs: Mapping[str, list[str]]) -> str:
    """Every situation greenplum_rollback can meet, decided by the code that decides in production."""
    lines = [
        "# What greenplum_rollback does",
        "",
        "Decided by the state of the cluster ([how it is told](states.md)), and by how many of the planned segments",
        "are in `gp_segment_configuration`.",
        "",
        "| state | planned segments in the catalog | what is done |",
        "|---|---|---|",
        *(f"| {state} | {present} | {done} |" for state, present, done in _situations()),
        "",
    ]
    for action in RollbackAction:
        lines += [f"## {action.value}", "", action.explanation, "", _proof(f"rollback:{action.value}", proofs), ""]
    lines += [
        "## refused",
        "",
        "Nothing is done; the error says why, and what a person does. What was begun by hand, with an input file of",
        "somebody's own, is left to that person: `gpexpand -r` deletes what is named in it.",
        "",
        _proof("rollback:refused", proofs),
        "",
        "## The cluster is down",
        "",
        "It is started, with `gpstart -a -R` while an expansion is half done, then looked at again; in the end it is",
        "restarted for everybody.",
        "",
        _proof("rollback:cluster down", proofs),
    ]
    return _page(lines)


def _situations() -> Iterator[tuple[str, str, str]]:
    for phase in Phase:
        for stuck_by in StuckBy if phase is Phase.STUCK else (None,):
            state = ExpansionState(phase, "", "", stuck_by=stuck_by)
            name = phase.value + (f" ({stuck_by.value})" if stuck_by else "")
            healthy, missing = _by_presence(state, False), _by_presence(state, True)
            yield from ((name, present, done) for done, present in healthy.items())
            if missing != healthy:
                yield from ((name, f"{present}, new mirrors missing", done) for done, present in missing.items())


def _by_presence(state: ExpansionState, mirrors_missing: bool) -> dict[str, str]:
    """What is done, and for which presence of the planned segments."""
    found: dict[str, list[str]] = {}
    for presence in Presence:
        try:
            done = decide_roll_back("", state, presence, mirrors_missing).action.value
        except ActionRefused:
            done = "refused"
        found.setdefault(f"[{done}](#{done.replace(' ', '-')})", []).append(presence.value)
    return {done: "any" if len(found) == 1 else " or ".join(present) for done, present in found.items()}


def _requests() -> str:
    lines = [
        "# What can be asked for",
        "",
        "The fields of the trigger form, by the names that the REST API and `airflow dags trigger --conf` take.",
        "",
    ]
    for model, dag_id in (
        (ExpansionRequest, "greenplum_expand"),
        (RedistributeRequest, "greenplum_redistribute"),
        (SteerRequest, "greenplum_steer"),
        (LookRequest, "greenplum_look"),
        (RollbackRequest, "greenplum_rollback"),
    ):
        lines += [f"## `{dag_id}`", ""]
        section = ""
        for name, info in model.model_fields.items():
            extra = info.json_schema_extra
            assert isinstance(extra, dict), "every field names its section"
            if extra["section"] != section:
                section = str(extra["section"])
                lines += [f"### {section}", "", "| field | in the form | default | |", "|---|---|---|---|"]
            default = "(needed)" if info.is_required() else f"`{_shown(info.default)}`"
            lines.append(f"| `{name}` | {info.title} | {default} | {' '.join((info.description or '').split())} |")
            if _last_of_section(model.model_fields, name):
                lines.append("")
    return _page(lines)


def _last_of_section(fields: Mapping[str, object], name: str) -> bool:
    names = list(fields)
    following = names[names.index(name) + 1 :]
    return not following or _section(fields[following[0]]) != _section(fields[name])


def _section(info: object) -> object:
    extra = getattr(info, "json_schema_extra", None)
    return extra["section"] if isinstance(extra, dict) else None


def _shown(default: object) -> str:
    """As it is written in JSON, but for quotes."""
    return json.dumps(default, default=list, ensure_ascii=False).replace('"', "")


def _page(lines: Iterable[str]) -> str:
    return _MADE + "\n".join(lines).rstrip("\n") + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    check_only = parser.parse_args().check
    differing = [name for name, text in pages().items() if _read(PAGES / name) != text]
    for name in differing:
        print(f"{name} {'is not as the code would write it: run make docs' if check_only else 'written'}")
        if not check_only:
            (PAGES / name).write_text(pages()[name])
    return 1 if check_only and differing else 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main())

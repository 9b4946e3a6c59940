"""How many files and processes the cluster's user may have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan
from greenplum_expansion.preparation.facts import HostFacts, agreement
from greenplum_expansion.preparation.situation import Account, Situation
from greenplum_expansion.request import PreparationPart

OUR_FILE = "/etc/security/limits.d/99-greenplum-expansion.conf"
LIMITS_CONF = "/etc/security/limits.conf"
_DIRECTORY = "/etc/security/limits.d"
# Red Hat 7 and later, Red Hat 6: the distribution's own, which keeps everybody but root low.
NPROC_FILES = (f"{_DIRECTORY}/20-nproc.conf", f"{_DIRECTORY}/90-nproc.conf")
RULES = {"nofile": 524288, "nproc": 131072}  # Greenplum 6, installation guide
_UNLIMITED = 2**63
_HEADER = "# As on the existing hosts of the cluster. Written by greenplum-expansion.\n"


@dataclass(frozen=True)
class Line:
    """``domain type item value``; a type of ``-`` is soft and hard."""

    domain: str
    kind: str
    item: str
    value: int


@part(PreparationPart.LIMITS, "The cluster's user may have as many files and processes as on the existing hosts")
def plan_limits(situation: Situation) -> PartPlan:
    """The limits that files in `/etc/security` give the cluster's user on the existing hosts are the target; where they
    say nothing, or differ, Greenplum's installation guide is (524288 files, 131072 processes). Higher ones are kept.

    Written for the user by name into a file of our own in `/etc/security/limits.d`: that wins over lines for `*`,
    whichever file they stand in. A distribution's `20-nproc.conf` or `90-nproc.conf` is raised, too. More files than
    `fs.nr_open` allows would shut the user out, so that is the most that is written.
    """
    draft = Draft()
    account = situation.account
    wished = _targets(situation, draft)
    have = effective(situation.new, account)
    if any(have.get(key, 0) < value for key, value in wished.items()):
        best = {key: max(value, have.get(key, 0)) for key, value in wished.items()}
        text = _HEADER + "".join(
            f"{account.user}  {kind}  {item}  {_written(value)}\n" for (kind, item), value in best.items()
        )
        draft.file(OUR_FILE, situation.new.text(OUR_FILE), text, "felt at the next login")
    for path in NPROC_FILES:
        text_now = situation.new.text(path)
        if text_now is not None:
            raised = _raise_nproc(text_now, wished)
            draft.file(path, text_now, raised, "keeps the number of processes low for everybody")
    return draft.plan()


def _targets(situation: Situation, draft: Draft) -> dict[tuple[str, str], int]:
    existing = [(host.hostname, effective(host, situation.account)) for host in situation.existing]
    most_files = situation.new.word("nr_open")
    wished = {}
    for item, rule in RULES.items():
        for kind in ("soft", "hard"):
            agreed = agreement((name, _text(values.get((kind, item)))) for name, values in existing)
            value = int(agreed.value) if agreed.value else rule
            if agreed.differing:
                problem = f"the existing hosts differ ({agreed.differing}); the new host gets {rule}"
                draft.warn(f"limit {kind} {item}", problem, "make it equal on all hosts")
            if item == "nofile" and most_files.isdigit() and value > int(most_files):
                problem = f"{value} files are wished for, but its fs.nr_open is {most_files}, which is what it gets"
                draft.warn(
                    f"{situation.name}: limit {kind} {item}", problem, "raise fs.nr_open there and run this again"
                )
                value = int(most_files)
            wished[kind, item] = value
    return wished


def effective(host: HostFacts, account: Account) -> dict[tuple[str, str], int]:
    """``(soft|hard, item)`` as pam_limits gives it to the user; absent where no line applies.

    A line for the user wins over one for a group, that over ``*``; of equal ones the later read wins.
    """
    texts = [(LIMITS_CONF, host.text(LIMITS_CONF) or ""), *host.texts_in(_DIRECTORY, ".conf")]
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for _, text in texts:
        for line in parse(text.splitlines()):
            rank = _rank(line.domain, account)
            if rank is None:
                continue
            for kind in ("soft", "hard") if line.kind == "-" else (line.kind,):
                if rank <= found.get((kind, line.item), (rank, 0))[0]:
                    found[kind, line.item] = (rank, line.value)
    return {key: value for key, (_, value) in found.items()}


def parse(lines: Iterable[str]) -> list[Line]:
    """Lines about files and processes; what cannot be understood is left out, as pam_limits does."""
    found = []
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) != 4 or words[1] not in ("soft", "hard", "-") or words[2] not in RULES:
            continue
        if words[3] in ("unlimited", "infinity", "-1"):
            found.append(Line(words[0], words[1], words[2], _UNLIMITED))
        elif words[3].isdigit():
            found.append(Line(words[0], words[1], words[2], int(words[3])))
    return found


def _rank(domain: str, account: Account) -> int | None:
    if domain in (account.user, str(account.uid)):
        return 0
    if domain in (f"@{account.group}", f"@{account.gid}"):
        return 1
    return 2 if domain == "*" else None


def _raise_nproc(text: str, wished: dict[tuple[str, str], int]) -> str:
    """Lines for everybody that are lower than what is wished for, raised; all else as it is."""

    def raised(match: re.Match[str]) -> str:
        kind = "hard" if match["kind"] == "hard" else "soft"
        value = wished[kind, "nproc"]
        low = match["value"].isdigit() and int(match["value"]) < value
        return f"{match['before']}{_written(value)}" if low else match[0]

    pattern = r"^(?P<before>\s*\*\s+(?P<kind>soft|hard|-)\s+nproc\s+)(?P<value>\S+)"
    return re.sub(pattern, raised, text, flags=re.MULTILINE)


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _written(value: int) -> str:
    return "unlimited" if value >= _UNLIMITED else str(value)

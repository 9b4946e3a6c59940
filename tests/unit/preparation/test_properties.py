"""What holds for every file and every host: nothing of others is lost, and what was done needs no doing again."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from greenplum_expansion.hooks.preparation_facts import look_script, read_look
from greenplum_expansion.preparation import blocks, probes
from greenplum_expansion.preparation.change import FileChange, StateChange
from greenplum_expansion.preparation.kernel import (
    NAMES,
    OUR_FILE,
    SYSCTL_CONF,
    assignments,
    plan_kernel,
    values_at_boot,
)
from greenplum_expansion.preparation.limits import plan_limits
from greenplum_expansion.preparation.manifest import Entry, Manifest, Progress, entry_for
from greenplum_expansion.preparation.names import plan_hosts_file
from tests.unit.preparation import hosts
from tests.unit.preparation.hosts import changed, host, situation, text_of

LINES = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=30
    ).filter(lambda line: "greenplum-expansion" not in line),
    max_size=8,
)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


@given(TEXTS, LINES, st.booleans())
def test_a_block_can_be_set_changed_and_taken_out_without_touching_the_rest(
    text: str, lines: list[str], first: bool
) -> None:
    whole = text if text.endswith("\n") or not text else f"{text}\n"
    once = blocks.with_block(text, lines, first=first)
    assert blocks.inside(once) == lines
    assert blocks.without(once) in (text, whole)
    assert blocks.with_block(once, lines, first=first) == once
    assert blocks.with_block(once, []) in (text, whole)


NUMBERS = st.integers(0, 10**6).map(str)
SYSCTLS = st.dictionaries(st.sampled_from([name for name in NAMES if "dirty" not in name]), NUMBERS)
FILES = st.dictionaries(
    st.sampled_from(
        ["/etc/sysctl.conf", "/etc/sysctl.d/10-a.conf", "/etc/sysctl.d/zz.conf", "/usr/lib/sysctl.d/50-b.conf"]
    ),
    SYSCTLS.map(lambda values: "".join(f"{name} = {value}\n" for name, value in values.items())),
)


@given(SYSCTLS, FILES)
def test_kernel_parameters_once_set_stay_set_and_are_right_at_the_next_boot(
    live: dict[str, str], files: dict[str, str]
) -> None:
    new = host("sdw3", files, sysctl=text_of(live), memory=hosts.MEMORY_128G)
    plan = plan_kernel(situation(new))
    after = dict(live)
    texts = {change.path: change.new for change in plan.changes if isinstance(change, FileChange)}
    for change in plan.changes:
        if isinstance(change, StateChange):
            name = change.subject.removeprefix("kernel parameter ")
            assert change.old == live[name]
            after[name] = change.new
    prepared = changed(new, texts, sysctl=text_of(after))
    assert plan_kernel(situation(prepared)).changes == ()
    boot = values_at_boot(prepared)
    for name, value in assignments(texts.get(OUR_FILE, "")):
        assert boot[name][0] == value or int(boot[name][0]) > int(value)  # of another file, and better
    if SYSCTL_CONF in texts:
        assert len(texts[SYSCTL_CONF].splitlines()) == len(files[SYSCTL_CONF].splitlines())


LIMIT = st.tuples(
    st.sampled_from(["*", "gpadmin", "@gpadmin", "root", "530"]),
    st.sampled_from(["soft", "hard", "-"]),
    st.sampled_from(["nofile", "nproc", "core"]),
    st.sampled_from(["0", "1024", "65536", "9999999", "unlimited", "x"]),
).map("  ".join)


@given(st.lists(LIMIT, max_size=6), st.lists(LIMIT, max_size=4), st.lists(LIMIT, max_size=4))
def test_limits_once_written_suffice(conf: list[str], drop_in: list[str], nproc: list[str]) -> None:
    paths = ("/etc/security/limits.conf", "/etc/security/limits.d/50-x.conf", "/etc/security/limits.d/20-nproc.conf")
    files = {
        path: "".join(f"{line}\n" for line in lines) for path, lines in zip(paths, (conf, drop_in, nproc), strict=True)
    }
    new = host("sdw3", files, nr_open="1048576")
    texts = {
        change.path: change.new for change in plan_limits(situation(new)).changes if isinstance(change, FileChange)
    }
    assert plan_limits(situation(changed(new, texts))).changes == ()


ADDRESS = st.sampled_from(["127.0.0.1", "127.0.1.1", "::1", "10.0.0.1", "10.0.0.13", "10.9.9.9"])
NAME = st.sampled_from(["localhost", "sdw3", "sdw3.example.com", "mdw", "printer"])
HOSTS = st.lists(st.tuples(ADDRESS, st.lists(NAME, min_size=1, max_size=3)), max_size=5).map(
    lambda lines: "".join(f"{address}\t{' '.join(names)}\n" for address, names in lines)
)


@given(HOSTS)
def test_names_of_others_stay_and_ours_are_entered_once(text: str) -> None:
    addresses = {"mdw": "10.0.0.1", "sdw3": "10.0.0.13"}

    def resolve(hosts_text: str) -> str:
        found: dict[str, list[str]] = {}
        for line in hosts_text.splitlines():
            words = line.partition("#")[0].split()
            for name in words[1:]:
                found.setdefault(name, []).append(words[0])
        return "".join(f"{name} {' '.join(found.get(name, []))}\n" for name in addresses)

    new = host("sdw3", {"/etc/hosts": text}, resolves=resolve(text))
    plan = plan_hosts_file(new, addresses)
    now = plan.changes[0].new if plan.changes else text
    assert "printer" in now or "printer" not in text
    again = plan_hosts_file(changed(new, {"/etc/hosts": now}, resolves=resolve(now)), addresses)
    assert again.changes == ()
    if not plan.findings:
        for name, address in addresses.items():
            assert address in resolve(now).split(f"{name} ")[1].split("\n")[0].split()


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(Progress))
def test_a_manifest_survives_its_file(old: str, new: str, progress: Progress) -> None:
    change = StateChange("group gpadmin", old, new, "why", "probe", "do", "undo", part="account")
    entry = entry_for(change, 3, "boot")
    manifest = Manifest("sdw3", "id").with_entry(entry)
    assert Manifest.from_dict(manifest.to_dict()) == manifest
    moved = manifest.with_entry(Entry.from_dict({**manifest.to_dict()["entries"][0], "progress": progress}))
    assert len(moved.entries) == 1
    assert (moved.find("group gpadmin") is None) == (progress is Progress.UNDONE)


@settings(max_examples=15, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_names_from_a_request_are_words_to_the_shell_and_nothing_else(text: str) -> None:
    """Nothing in them is executed, whatever they hold; files and answers come back byte for byte."""
    commands = {"said": f"printf %s {probes.shlex.quote(text)}", "names": probes.resolves([text])}
    script = look_script(["/etc/hostname", "/nowhere/*.conf"], commands)
    done = subprocess.run(["bash", "-s"], input=script.text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    facts = read_look("x", "a banner\n" + done.stdout.decode(), as_root=False)
    assert facts.said["said"] == text

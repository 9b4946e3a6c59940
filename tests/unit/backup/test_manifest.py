"""Every file stands in the manifest once, with size and hash; lists that disagree are no backup."""

import json

import pytest

from greenplum_expansion.backup.manifest import BackupFile, Manifest, read_lists, sizes_by_host

A, B = "a" * 64, "b" * 64


def test_hashes_and_sizes_are_joined():
    files = read_lists("mdw", f"{B}  ./data/01/2.dat.gz\n{A}  ./globals.sql\n", "5\tglobals.sql\n7\tdata/01/2.dat.gz\n")
    assert files == [BackupFile("mdw", "data/01/2.dat.gz", 7, B), BackupFile("mdw", "globals.sql", 5, A)]
    assert sizes_by_host(files) == {"mdw": 12}


@pytest.mark.parametrize(
    ("sums", "sizes", "because"),
    [
        (f"{A}  ./x\n", "", "not listed with a size"),
        ("", "5\tx\n", "x was not hashed"),
        (f"{A}  ./x\n{A}  ./x\n", "5\tx\n", "not listed"),
        ("cut off", "5\tx\n", "not listed"),
    ],
)
def test_lists_that_disagree_are_refused(sums, sizes, because):
    with pytest.raises(ValueError, match=because):
        read_lists("mdw", sums, sizes)


def test_a_manifest_survives_its_file():
    made = Manifest(
        expansion_id="e", version="6.24.3", segments=4, choice="everything", directory="/b/e", gpbackup_directory="",
        tool_versions={"pg_dump": "9.4"}, archives=({"label": "01_demo"},), selected=(), finished="2026", seconds=61,
        files=3, size_bytes=2048, size_by_host={"mdw": 2048}, list_sha256=A, restorable=("a", "b"),
    )  # fmt: skip
    assert Manifest.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert made.sentence.startswith("2.0 KiB in 3 files in ")

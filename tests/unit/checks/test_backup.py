"""What is wrong with the backup asked for is told before anything is written, with a computed remedy."""

from dataclasses import replace

from greenplum_expansion.checks.backup import (
    Place,
    check_backup_choice,
    check_backup_destination,
    check_backup_selection,
    check_backup_space,
)
from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.request.backup import BackupChoice
from tests.unit.clusters import recorded

GIB = 1024**3
PLACE = Place("mdw", "/backup/e1", "/backup/e1", "/backup", 500 * GIB, 1000 * GIB, True)


def destination(**change) -> str:
    return "\n".join(map(str, check_backup_destination([replace(PLACE, **change)], recorded())))


def space(need, **change) -> str:
    return "\n".join(map(str, check_backup_space([replace(PLACE, **change)], {"mdw": need}, GIB)))


def test_a_good_place_with_enough_room_is_not_worth_a_word():
    assert destination() == ""
    assert space(490 * GIB) == ""


def test_a_place_in_a_data_directory_is_refused_also_behind_a_link():
    text = destination(resolved="/data/master/gpseg-1/backups/e1")
    assert text.startswith("ERROR Backup destination mdw:/backup/e1: it lies in the data directory of the coordinator")
    assert destination(resolved="/data/master/gpseg-10/e1") == ""


def test_a_data_directory_of_another_host_does_not_matter():
    assert destination(resolved="/data/primary/gpseg0/x") == ""
    assert "data directory of the primary" in destination(host="sdw1", resolved="/data/primary/gpseg0/x")


def test_what_cannot_be_written_or_is_taken_is_told():
    assert "cannot be made or written by the cluster's user" in destination(writable=False)
    assert "/backup/e1 exists and is no finished backup. Remedy: move it away" in destination(
        occupied_by="/backup/e1 exists and is no finished backup"
    )


def test_too_little_room_names_what_to_free_and_what_else_to_choose():
    assert space(600 * GIB) == (
        "ERROR Backup destination mdw:/backup/e1: 600.0 GiB needed, 490.0 GiB of 500.0 GiB free on /backup can be "
        "used. Remedy: free 110.0 GiB on /backup, name a destination with 600.0 GiB, choose 'schema and settings' if "
        "a fresh backup of your own exists, or name fewer databases, schemas or tables."
    )


def test_room_for_the_schema_alone_is_not_mended_by_choosing_it():
    text = space(GIB, free_bytes=0)
    assert "schema and settings" not in text


def test_leaving_out_rows_is_a_warning_that_the_approval_shows():
    for choice in (BackupChoice.NONE, BackupChoice.SCHEMA):
        (finding,) = check_backup_choice(choice, ())
        assert (finding.severity, finding.check) == (Severity.WARNING, "backup-choice")
    assert check_backup_choice(BackupChoice.EVERYTHING, ()) == []
    (finding,) = check_backup_choice(BackupChoice.EVERYTHING, ("demo.sales",))
    assert "only rows of demo.sales are backed up" in finding.problem


def test_a_pattern_that_matches_nothing_is_an_error():
    (finding,) = check_backup_selection(["demo.slaes"])
    assert str(finding).startswith("ERROR Backup of demo.slaes: no database, schema or table of that name holds rows.")

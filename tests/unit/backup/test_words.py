"""What a backup is good for is said of the backup that was taken, not of backups in general."""

from greenplum_expansion.backup.archives import Tool
from greenplum_expansion.backup.words import restorable
from greenplum_expansion.request.backup import BackupChoice


def said(choice=BackupChoice.EVERYTHING, tools=(Tool.PG_DUMP,), *, resizes=False, selected=False) -> str:
    return "\n".join(restorable(choice, tools, gprestore_resizes=resizes, segments=4, selected=selected))


def test_no_backup_takes_an_expansion_back():
    for choice in BackupChoice:
        assert said(choice).startswith("No backup takes an expansion back")


def test_pg_dump_restores_on_any_number_of_segments():
    assert "on any number of segments: createdb, then pg_restore" in said()
    assert "gprestore" not in said()


def test_gpbackup_s_archives_belong_to_the_old_number_of_segments():
    text = said(tools=(Tool.GPBACKUP,))
    assert "belongs to 4 segments: plain gprestore refuses it on the grown cluster" in text
    assert "does not know --resize-cluster" in text
    assert "can do it with --resize-cluster" in said(tools=(Tool.GPBACKUP,), resizes=True)


def test_what_is_not_in_it_is_told():
    assert "It holds no rows" in said(BackupChoice.SCHEMA, ())
    assert "Nothing can be restored" in said(BackupChoice.NONE, ())
    assert "Only the rows that were asked for" in said(selected=True)
    assert "Only the rows" not in said()

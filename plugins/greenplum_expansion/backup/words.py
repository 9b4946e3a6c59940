"""What such a backup can and cannot restore once the cluster has grown: sentences for approval and report."""

from __future__ import annotations

from collections.abc import Collection

from greenplum_expansion.backup.archives import Tool
from greenplum_expansion.request.backup import BackupChoice


def restorable(
    choice: BackupChoice, tools: Collection[Tool], *, gprestore_resizes: bool, segments: int, selected: bool
) -> tuple[str, ...]:
    """Plain sentences, most important first.

    :param tools: which wrote the archives
    :param gprestore_resizes: the gprestore at hand knows ``--resize-cluster``
    :param segments: primaries when it was taken
    :param selected: not all rows were asked for
    """
    no_way_back = (
        "No backup takes an expansion back: once the new segments are in the catalog, the old cluster comes back only "
        "as a new one, built with gpinitsystem, into which a backup is restored."
    )
    said = [no_way_back]
    if choice is BackupChoice.NONE:
        said.append(
            "Nothing can be restored from the catalogs' snapshot; it shows how the cluster was: segments, "
            "distribution of every table, settings, configuration files."
        )
        return tuple(said)
    said.append(
        "globals.sql and schema.sql (psql -f) make roles, resource queues and groups, and every database's schema "
        "anew, on any number of segments. globals.sql contains the hashes of passwords."
    )
    if choice is BackupChoice.SCHEMA:
        said.append("It holds no rows: a table lost during redistribution comes back from a backup of your own only.")
        return tuple(said)
    if Tool.PG_DUMP in tools:
        said.append(
            "What pg_dump wrote is restored on any number of segments: createdb, then pg_restore --jobs N -d DATABASE "
            "DIRECTORY; a single table with --table. All rows pass through the coordinator, so large tables take long. "
            "An archive of single tables holds no schemas: make those first."
        )
    if Tool.GPBACKUP in tools:
        said.append(
            f"What gpbackup wrote belongs to {segments} segments: plain gprestore refuses it on the grown cluster. "
            + (
                "The gprestore found here can do it with --resize-cluster (1.30.5 and older: with --jobs 1 when the "
                "number of segments shrinks)."
                if gprestore_resizes
                else "The gprestore found here does not know --resize-cluster: install a newer one before you need it."
            )
        )
    if selected:
        said.append("Only the rows that were asked for are in it.")
    said.append("What was written to the database after the backup began is not in it.")
    said.append("Take a new full backup after the expansion; this one is yours to keep or delete.")
    return tuple(said)

"""pg_dump, pg_dumpall and pg_restore: PostgreSQL's own cannot read tables that are parents over foreign partitions.

What is written is real: every row, and statements in Greenplum's syntax that make the objects anew on any number of
segments. The archive's format is this package's own (archive.py). What it cannot put into statements ends it with an
error, rather than being left out.
"""

-- mark_renamed.sql: gives one table in gpexpand's list its present name
-- Run in:   database postgres. Parameters: dbname (text), oid (bigint), fq_name (text, quoted)
-- Why:      gpexpand moves tables by the name they had when preparation listed them, and fails on one renamed since
UPDATE gpexpand.status_detail
SET fq_name = %(fq_name)s
WHERE dbname = %(dbname)s AND table_oid::bigint = %(oid)s

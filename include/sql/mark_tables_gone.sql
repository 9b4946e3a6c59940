-- mark_tables_gone.sql: records in gpexpand's list that tables of one database were dropped
-- Run in:   database postgres. Parameters: dbname (text), oids (array of bigint)
UPDATE gpexpand.status_detail
SET status = 'NO LONGER EXISTS', expansion_started = NULL, expansion_finished = localtimestamp
WHERE dbname = %(dbname)s
  AND table_oid = ANY (%(oids)s::oid[])
  AND status <> 'COMPLETED'

-- mark_completed.sql: records in gpexpand's list that tables of one database have been moved
-- Run in:   database postgres. Parameters: dbname (text), oids (array of bigint)
-- Note:     gpexpand keeps the coordinator's local time, without a zone; so does this
UPDATE gpexpand.status_detail
SET status = 'COMPLETED',
    expansion_started = coalesce(expansion_started, localtimestamp),
    expansion_finished = localtimestamp
WHERE dbname = %(dbname)s
  AND table_oid = ANY (%(oids)s::oid[])
  AND status <> 'COMPLETED'

-- mark_with_parent.sql: lets gpexpand pass by tables that move with the table they inherit from
-- Run in:   database postgres. Parameters: dbname (text), oids (array of bigint)
-- Why:      gpexpand takes rows that are NOT STARTED and no others; see tables_moving_with_parents.sql
UPDATE gpexpand.status_detail
SET status = 'WITH PARENT'
WHERE dbname = %(dbname)s AND table_oid = ANY (%(oids)s::oid[]) AND status = 'NOT STARTED'

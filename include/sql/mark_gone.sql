-- mark_gone.sql: records in gpexpand's list that a database is gone, with all its tables
-- Run in:   database postgres. Parameters: dbname (text)
-- Why:      gpexpand notices a dropped table by itself, but fails on each table of a dropped database for ever
UPDATE gpexpand.status_detail
SET status = 'NO LONGER EXISTS', expansion_finished = localtimestamp
WHERE dbname = %(dbname)s AND status <> 'COMPLETED'

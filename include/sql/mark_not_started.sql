-- mark_not_started.sql: gives tables that were to move with a parent a turn of their own again
-- Run in:   database postgres. Parameters: none
-- Returns:  one row a table that got it: dbname text, fq_name text
UPDATE gpexpand.status_detail
SET status = 'NOT STARTED'
WHERE status = 'WITH PARENT'
RETURNING dbname, fq_name

-- end_movers.sql: ends the sessions in which tables are, or were, moved for one expansion
-- Run in:   any database, as superuser. Parameters: application (text)
-- Returns:  one row a session that is still there: pid int, dbname text, query text
-- Why:      a move goes on in the server when its worker was killed; what it has not committed is undone
SELECT pid, datname::text AS dbname, query, pg_catalog.pg_terminate_backend(pid) AS told
FROM pg_catalog.pg_stat_activity
WHERE application_name = %(application)s AND pid <> pg_catalog.pg_backend_pid()

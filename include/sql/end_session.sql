-- end_session.sql: end a session, if it is still in a transaction
-- Run in:   any database, as superuser. Parameters: pid (int), role (text)
-- Returns:  done boolean; no row if that session is gone, idle, or belongs to somebody else by now
SELECT pg_catalog.pg_terminate_backend(pid) AS done
FROM pg_catalog.pg_stat_activity
WHERE pid = %(pid)s AND usename = %(role)s AND xact_start IS NOT NULL

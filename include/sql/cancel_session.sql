-- cancel_session.sql: cancel what a session runs, if it is still in a transaction
-- Run in:   any database, as superuser. Parameters: pid (int), connected (timestamptz: when that session began, as sessions.sql tells)
-- Returns:  done boolean; no row if that session is gone, or in no transaction any more
SELECT pg_catalog.pg_cancel_backend(pid) AS done
FROM pg_catalog.pg_stat_activity
WHERE pid = %(pid)s AND backend_start = %(connected)s AND xact_start IS NOT NULL

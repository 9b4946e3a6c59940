-- sessions_moving_tables.sql: which sessions move a table at this moment?
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  pid int, dbname text, query text, seconds float (since the statement began)
-- Why:      a move goes on in the server when its client was killed
SELECT pid,
       datname::text AS dbname,
       query,
       extract(epoch FROM clock_timestamp() - query_start)::float AS seconds
FROM pg_catalog.pg_stat_activity
WHERE pid <> pg_backend_pid()
  AND state = 'active'
  AND (query ~* '^\s*ALTER\s.*\sEXPAND\s+TABLE' OR query ~* '^\s*ALTER\s.*REORGANIZE')
ORDER BY query_start

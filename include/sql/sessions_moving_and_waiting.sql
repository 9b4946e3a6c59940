-- sessions_moving_and_waiting.sql: which sessions move a table now, since when, and whom do they wait for?
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  pid int, dbname text, query text, seconds float (since the statement began), waits_for text (sessions that
--           hold what it waits for, by process id, role and application; null: it does not wait)
-- Blind to: waits on segments; the coordinator takes each lock first, so those are short
-- Note:     of others no statement is told, as it may hold what not everybody may read
SELECT a.pid,
       a.datname::text AS dbname,
       a.query,
       extract(epoch FROM clock_timestamp() - a.query_start)::float AS seconds,
       (SELECT string_agg(DISTINCT 'session ' || other.pid || ' of ' || other.usename
                          || coalesce(' (' || nullif(other.application_name, '') || ')', ''), ', ')
        FROM pg_catalog.pg_locks wanted
        JOIN pg_catalog.pg_locks held
            ON held.granted AND held.pid <> wanted.pid AND held.locktype = wanted.locktype
           AND held.database IS NOT DISTINCT FROM wanted.database
           AND held.relation IS NOT DISTINCT FROM wanted.relation
           AND held.transactionid IS NOT DISTINCT FROM wanted.transactionid
        JOIN pg_catalog.pg_stat_activity other ON other.pid = held.pid
        WHERE wanted.pid = a.pid AND NOT wanted.granted) AS waits_for
FROM pg_catalog.pg_stat_activity a
WHERE a.pid <> pg_backend_pid()
  AND a.state = 'active'
  AND (a.query ~* '^\s*ALTER\s.*\sEXPAND\s+TABLE' OR a.query ~* '^\s*ALTER\s.*REORGANIZE')
ORDER BY a.query_start

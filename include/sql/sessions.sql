-- sessions.sql: who is connected, and who keeps an expansion waiting?
-- Run in:   any database, as superuser (others see no queries). Parameters: none
-- Returns:  pid int, role text, is_superuser bool, dbname text, application_name text, client text (null: local),
--           state text, transaction_seconds float (null outside of a transaction), query text, changes_catalog bool
--           (its transaction holds the lock that gp_expand_lock_catalog() waits for: gpexpand.c, 0xdead and 0xdd),
--           connected timestamptz
-- Flavors:  Greenplum 6 and 7, Cloudberry; backend_type, which 6 lacks, is read from the row's JSON
-- Blind to: replication, background workers; sessions that are only on segments (utility mode)
SELECT a.pid,
       a.usename::text AS role,
       coalesce(r.rolsuper, false) AS is_superuser,
       a.datname::text AS dbname,
       a.application_name,
       a.client_addr::text AS client,
       a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float AS transaction_seconds,
       a.query,
       l.pid IS NOT NULL AS changes_catalog,
       a.backend_start AS connected
FROM pg_catalog.pg_stat_activity a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
LEFT JOIN (SELECT DISTINCT pid
           FROM pg_catalog.pg_locks
           WHERE locktype = 'userlock' AND database = 57005 AND classid = 57005 AND objsubid = 221
             AND mode = 'AccessShareLock') l ON l.pid = a.pid
WHERE a.pid <> pg_backend_pid()
  AND a.datname IS NOT NULL
  AND coalesce(row_to_json(a) ->> 'backend_type', 'client backend') = 'client backend'
ORDER BY a.xact_start NULLS LAST, a.pid

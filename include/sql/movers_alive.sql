-- movers_alive.sql: does a worker move tables itself at this moment?
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  one row a worker: pid int (of the session in which it looks every two seconds how to go on), client text
-- Why:      its moves may be between two statements; one that died loses this session at once, one that hangs asks no more
SELECT pid, coalesce(client_addr::text, 'the coordinator') AS client
FROM pg_catalog.pg_stat_activity
WHERE application_name = 'greenplum_expansion watch'
  AND query_start > clock_timestamp() - interval '30 seconds'
  AND pid <> pg_catalog.pg_backend_pid()

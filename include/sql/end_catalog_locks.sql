-- end_catalog_locks.sql: end the sessions that hold or await gpexpand's lock on the catalog
-- Run in:   any database, as superuser, when no gpexpand is at work. Parameters: none
-- Returns:  pid int of each session that was ended, ended boolean
-- Why:      a session that waits for the lock does not notice that its gpexpand was killed
-- Note:     the pattern does not match itself, and who is ended is decided before anybody is
-- Flavors:  Greenplum 6 and 7, Cloudberry
SELECT pid, pg_terminate_backend(pid) AS ended
FROM (
    SELECT pid
    FROM pg_catalog.pg_stat_activity
    WHERE pid <> pg_backend_pid()
      AND state <> 'idle'
      AND query ~* 'gp_expand_(lock_catalo[g]|bump_versio[n])'
    OFFSET 0
) s

-- snapshot_identity.gp7.sql: which cluster is this?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  one row: version text, started timestamptz as text, dbid int, content int
-- Flavors:  Greenplum 7, Cloudberry (gp_id has no content there)
-- Cost:     none to speak of
SELECT version() AS version,
       pg_catalog.pg_postmaster_start_time()::text AS started,
       c.dbid::int AS dbid,
       c.content::int AS content
FROM pg_catalog.gp_segment_configuration c
WHERE c.content = -1 AND c.role = 'p'

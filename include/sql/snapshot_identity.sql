-- snapshot_identity.sql: which cluster is this?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  one row: version text, started timestamptz as text, gpname text, numsegments int (as gp_id says, which
--           gpinitsystem writes and nothing keeps), dbid int, content int
-- Flavors:  Greenplum 6
-- Cost:     none to speak of
SELECT version() AS version,
       pg_catalog.pg_postmaster_start_time()::text AS started,
       g.gpname::text AS gpname,
       g.numsegments::int AS numsegments,
       g.dbid::int AS dbid,
       g.content::int AS content
FROM pg_catalog.gp_id g

-- tablespace_locations.sql: where does this tablespace lie on the coordinator and on each primary?
-- Run in:   any database, as any role. Parameters: oid
-- Returns:  content int (-1 is the coordinator), location text as CREATE TABLESPACE named it, without the dbid below it
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Cost:     asks every primary
SELECT gp_segment_id AS content, tblspc_loc AS location
FROM pg_catalog.gp_tablespace_location(%(oid)s::bigint::oid)
ORDER BY content

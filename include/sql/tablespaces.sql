-- tablespaces.sql: which tablespaces have users made, and where do they lie on each primary and on the coordinator?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  name text, oid bigint, content int (-1 is the coordinator), location text without the dbid below it;
--           no row = no user tablespace, so gpexpand needs no .ts file
-- Flavors:  Greenplum 6 and 7, Cloudberry. Greenplum 5 has filespaces instead
SELECT t.spcname::text AS name, t.oid::bigint AS oid, l.gp_segment_id AS content, l.tblspc_loc AS location
FROM pg_catalog.pg_tablespace t
CROSS JOIN LATERAL pg_catalog.gp_tablespace_location(t.oid) l
WHERE t.spcname NOT IN ('pg_default', 'pg_global')
ORDER BY oid, content

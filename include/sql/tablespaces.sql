-- tablespaces.sql: which tablespaces have users made?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  name text, oid bigint; no row = no user tablespace, so gpexpand needs no .ts file
-- Flavors:  Greenplum 6 and 7, Cloudberry. Greenplum 5 has filespaces beside them
-- Cost:     reads catalogs only
SELECT spcname::text AS name, oid::bigint AS oid
FROM pg_catalog.pg_tablespace
WHERE spcname NOT IN ('pg_default', 'pg_global')
ORDER BY oid

-- user_tablespaces.sql: which tablespaces did users make?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  name text, oid bigint
-- Flavors:  all
-- Cost:     reads catalogs only
SELECT spcname::text AS name, oid::bigint AS oid
FROM pg_catalog.pg_tablespace
WHERE spcname NOT IN ('pg_default', 'pg_global')
ORDER BY spcname

-- databases_closed.sql: which databases allow no connections, template0 aside?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  name text
-- Flavors:  all
-- Cost:     reads catalogs only
SELECT datname::text AS name
FROM pg_catalog.pg_database
WHERE NOT datallowconn AND datname <> 'template0'
ORDER BY datname

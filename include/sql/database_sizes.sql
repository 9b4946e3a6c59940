-- database_sizes.sql: how large is each database?
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  dbname text, size_bytes bigint (all primaries together)
-- Cost:     each segment walks its files
SELECT datname::text AS dbname, pg_catalog.pg_database_size(oid) AS size_bytes
FROM pg_catalog.pg_database
WHERE datallowconn
ORDER BY datname

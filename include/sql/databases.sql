-- databases.sql: which databases hold tables that an expansion has to move?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  name text, encoding text; template1 and postgres too (gpexpand expands their tables), template0 not
-- Flavors:  all
-- Blind to: databases that allow no connections; nothing in them can be moved
-- Cost:     reads catalogs only
SELECT datname::text AS name,
       pg_catalog.pg_encoding_to_char(encoding)::text AS encoding
FROM pg_catalog.pg_database
WHERE datallowconn AND datname <> 'template0'
ORDER BY datname

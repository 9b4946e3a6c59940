-- unlogged_tables.sql: which tables lose their rows when a segment fails over?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  fq_name text (quoted)
-- Flavors:  all
-- Cost:     reads catalogs only
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'm', 'p') AND n.nspname !~ '^pg_'
ORDER BY 1

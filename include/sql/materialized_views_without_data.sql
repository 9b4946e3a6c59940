-- materialized_views_without_data.sql: which materialized views hold no data yet?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  fq_name text (quoted)
-- Why:      Greenplum 6 cannot expand them: "materialized view … has not been populated"
-- Cost:     reads catalogs only
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND NOT c.relispopulated
ORDER BY 1

-- survey_heap_bloat.sql: which heap tables are larger than their rows need, by what ANALYZE found?
-- Run in:   every database that allows connections, as superuser. Parameters: most (int, tables told)
-- Returns:  schema_name text, table_name text, pages bigint, expected_pages bigint, diagnosis text, tables bigint (all of
--           them, told or not); the most wasteful first
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: tables never analysed; catalogs
-- Cost:     reads catalogs only
SELECT bdinspname::text AS schema_name, bdirelname::text AS table_name, bdirelpages::bigint AS pages,
       bdiexppages::bigint AS expected_pages, bdidiag::text AS diagnosis, count(*) OVER () AS tables
FROM gp_toolkit.gp_bloat_diag
WHERE bdinspname !~ '^pg_' AND bdinspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand', 'expansion_history')
ORDER BY bdirelpages - bdiexppages DESC, 1, 2
LIMIT %(most)s

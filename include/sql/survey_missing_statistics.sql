-- survey_missing_statistics.sql: which tables were never analysed, or not all of their columns?
-- Run in:   every database that allows connections, as superuser. Parameters: most (int, tables told)
-- Returns:  schema_name text, table_name text, columns bigint, analysed_columns bigint, tables bigint (all of them, told
--           or not)
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: statistics that are there but old; empty tables are named, too
-- Cost:     reads catalogs only
SELECT smischema::text AS schema_name, smitable::text AS table_name, smicols::bigint AS columns,
       smirecs::bigint AS analysed_columns, count(*) OVER () AS tables
FROM gp_toolkit.gp_stats_missing
WHERE smischema !~ '^pg_' AND smischema NOT IN ('information_schema', 'gp_toolkit', 'gpexpand', 'expansion_history')
ORDER BY 1, 2
LIMIT %(most)s

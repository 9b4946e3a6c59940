-- survey_indexes.sql: how many indexes are there, by access method?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  method text, indexes bigint, of_unique bigint, invalid bigint (an interrupted CREATE INDEX left them)
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: system schemas, temporary tables
-- Cost:     reads catalogs only
SELECT am.amname::text AS method, count(*) AS indexes,
       sum(CASE WHEN i.indisunique THEN 1 ELSE 0 END)::bigint AS of_unique,
       sum(CASE WHEN i.indisvalid THEN 0 ELSE 1 END)::bigint AS invalid
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = c.relam
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand', 'expansion_history')
GROUP BY am.amname
ORDER BY 1

-- survey_objects.sql: how many objects of which kind does each schema hold?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  schema_name text; kind text: heap, append-optimised rows, append-optimised columns, external, foreign, view,
--           materialized view, sequence, index, function; partition text: root, branch, leaf, or empty; objects bigint
-- Flavors:  Greenplum 6 (relstorage, pg_partition)
-- Blind to: temporary objects, system schemas, gpexpand's own schema
-- Cost:     reads catalogs only
SELECT n.nspname::text AS schema_name, o.kind, o.partition, o.objects
FROM (SELECT c.relnamespace,
             CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                            WHEN 'i' THEN 'index' WHEN 'f' THEN 'foreign'
                  ELSE CASE c.relstorage WHEN 'a' THEN 'append-optimised rows' WHEN 'c' THEN 'append-optimised columns'
                                         WHEN 'x' THEN 'external' ELSE 'heap' END
             END AS kind,
             CASE WHEN c.relkind <> 'r' THEN '' WHEN root.parrelid IS NOT NULL THEN 'root'
                  WHEN part.parchildrelid IS NULL THEN '' WHEN c.relhassubclass THEN 'branch' ELSE 'leaf'
             END AS partition,
             count(*) AS objects
      FROM pg_catalog.pg_class c
      LEFT JOIN (SELECT DISTINCT parrelid FROM pg_catalog.pg_partition) root ON root.parrelid = c.oid
      LEFT JOIN (SELECT DISTINCT parchildrelid FROM pg_catalog.pg_partition_rule) part ON part.parchildrelid = c.oid
      WHERE c.relkind IN ('r', 'v', 'm', 'S', 'i', 'f') AND c.relpersistence <> 't'
      GROUP BY 1, 2, 3
      UNION ALL
      SELECT p.pronamespace, 'function', '', count(*)
      FROM pg_catalog.pg_proc p
      GROUP BY 1, 2, 3) o
JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand', 'expansion_history')
ORDER BY 1, 2, 3

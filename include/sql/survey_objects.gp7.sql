-- survey_objects.gp7.sql: how many objects of which kind does each schema hold?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  as survey_objects.sql
-- Flavors:  Greenplum 7, Cloudberry (access methods, declarative partitions; external tables are foreign ones)
-- Blind to: temporary objects, system schemas, gpexpand's own schema
-- Cost:     reads catalogs only
SELECT n.nspname::text AS schema_name, o.kind, o.partition, o.objects
FROM (SELECT c.relnamespace,
             CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                            WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
                            WHEN 'f' THEN CASE WHEN s.srvname = 'gp_exttable_server' THEN 'external' ELSE 'foreign' END
                  ELSE CASE am.amname WHEN 'ao_row' THEN 'append-optimised rows'
                                      WHEN 'ao_column' THEN 'append-optimised columns' ELSE 'heap' END
             END AS kind,
             CASE WHEN c.relkind NOT IN ('r', 'p', 'f') THEN '' WHEN c.relkind = 'p' AND NOT c.relispartition THEN 'root'
                  WHEN NOT c.relispartition THEN '' WHEN c.relkind = 'p' THEN 'branch' ELSE 'leaf'
             END AS partition,
             count(*) AS objects
      FROM pg_catalog.pg_class c
      LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
      LEFT JOIN pg_catalog.pg_foreign_table f ON f.ftrelid = c.oid
      LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'i', 'I', 'f') AND c.relpersistence <> 't'
      GROUP BY 1, 2, 3
      UNION ALL
      SELECT p.pronamespace, 'function', '', count(*)
      FROM pg_catalog.pg_proc p
      GROUP BY 1, 2, 3) o
JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand', 'expansion_history')
ORDER BY 1, 2, 3

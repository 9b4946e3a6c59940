-- relations_without_file.sql: of which relations does a segment not have the file?
-- Run in:   every database that allows connections, as superuser. Parameters: none
-- Returns:  oid bigint, fq_name text (quoted), content int
-- Flavors:  Greenplum 6
-- Blind to: relations in tablespaces of users, databases in one, the second and further files of a relation, mirrors.
--           One made or dropped meanwhile may be named: ask twice
-- Cost:     lists the database's directory on every segment; compared there
SELECT c.oid::bigint AS oid,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       c.gp_segment_id AS content
FROM gp_dist_random('pg_class') c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (SELECT d.gp_segment_id AS content, pg_ls_dir('base/' || d.oid) AS name
           FROM gp_dist_random('pg_database') d
           WHERE d.datname = current_database()) f
       ON f.content = c.gp_segment_id AND f.name = c.relfilenode::text
WHERE c.relkind IN ('r', 'm', 'i', 't', 'S')
  AND c.relstorage NOT IN ('x', 'f', 'v')
  AND c.relpersistence <> 't'
  AND c.relfilenode <> 0
  AND c.reltablespace = 0
  AND f.name IS NULL
  AND (SELECT dattablespace FROM pg_catalog.pg_database WHERE datname = current_database()) = 1663
ORDER BY fq_name, content

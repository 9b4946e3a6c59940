-- segment_loads.sql: how much has each segment, and which are its largest tables?
-- Run in:   every database that allows connections, as superuser. Parameters: largest (int, tables told a segment)
-- Returns:  content int, tablespace bigint (oid), fq_name text (quoted), size_bytes bigint (with indexes and TOAST),
--           total_bytes bigint (of all tables of that segment in that tablespace); the largest of each segment and
--           tablespace first
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: temporary tables, catalogs
-- Cost:     every segment looks at the size of its files, all at the same time
SELECT s.content,
       s.tablespace,
       quote_ident(n.nspname) || '.' || quote_ident(s.relname) AS fq_name,
       s.size_bytes::bigint AS size_bytes,
       s.total_bytes::bigint AS total_bytes
FROM (SELECT content, relname, relnamespace, tablespace, size_bytes,
             sum(size_bytes) OVER (PARTITION BY content, tablespace) AS total_bytes,
             row_number() OVER (PARTITION BY content, tablespace ORDER BY size_bytes DESC) AS place
      FROM (SELECT gp_segment_id AS content,
                   relname,
                   relnamespace,
                   CASE WHEN reltablespace <> 0 THEN reltablespace
                        ELSE (SELECT dattablespace FROM pg_catalog.pg_database WHERE datname = current_database())
                   END::bigint AS tablespace,
                   pg_total_relation_size(oid) AS size_bytes
            FROM gp_dist_random('pg_class')
            WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND oid >= 16384
            OFFSET 0) each_table
     ) s
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE s.place <= %(largest)s
ORDER BY s.content, s.tablespace, s.size_bytes DESC

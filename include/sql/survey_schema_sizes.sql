-- survey_schema_sizes.sql: how large are the schemas?
-- Run in:   every database that allows connections, as superuser. Parameters: slices, slice (int: of so many parts of all
--           tables this one, from 0)
-- Returns:  schema_name text, row_bytes bigint, other_bytes bigint (indexes, TOAST, lists of append-optimised tables); on
--           all primaries together
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: temporary tables, catalogs, gpexpand's own schema
-- Cost:     every segment looks at the size of its files, all at the same time, and keeps each table in its relation
--           cache until the session ends: so a large catalog is asked in slices, each in a session of its own
-- Note:     OFFSET 0 keeps the sizes on the segments that have the files (relation_sizes.sql)
SELECT n.nspname::text AS schema_name, s.row_bytes::bigint AS row_bytes, (s.all_bytes - s.row_bytes)::bigint AS other_bytes
FROM (SELECT e.relnamespace, sum(e.row_bytes) AS row_bytes, sum(e.all_bytes) AS all_bytes
      FROM (SELECT relnamespace, pg_relation_size(oid) AS row_bytes, pg_total_relation_size(oid) AS all_bytes
            FROM gp_dist_random('pg_class')
            WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND oid >= 16384
              AND oid::bigint %% %(slices)s = %(slice)s
            OFFSET 0) e
      GROUP BY e.relnamespace) s
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand', 'expansion_history')
ORDER BY s.all_bytes DESC, 1

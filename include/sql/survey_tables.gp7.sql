-- survey_tables.gp7.sql: which tables are the largest, which lie least evenly, which append-optimised ones are the largest?
-- Run in:   every database that allows connections, as superuser. Parameters: largest, uneven, append_optimised (int,
--           tables told of each), least_bytes (bigint, smaller tables are never called uneven: they have few blocks),
--           slices, slice (int: of so many parts of all tables this one, from 0)
-- Returns:  oid bigint, schema_name text, table_name text, append_optimised boolean, row_bytes bigint (all primaries),
--           other_bytes bigint (indexes, TOAST), segments int, skew numeric (fullest segment over average, 1 is even;
--           null for replicated and small tables), by_size, by_skew, by_kind bigint (its place in each of the lists)
-- Flavors:  Greenplum 7, Cloudberry (access methods)
-- Blind to: temporary tables, catalogs; skew of rows that differ in width
-- Cost:     every segment looks at the size of its files, all at the same time, and keeps each table in its relation
--           cache until the session ends: so a large catalog is asked in slices, each in a session of its own.
--           gp_toolkit.gp_skew_coefficients would count the rows of every table
SELECT t.oid, n.nspname::text AS schema_name, t.relname::text AS table_name, t.append_optimised,
       t.row_bytes::bigint AS row_bytes, t.other_bytes::bigint AS other_bytes, t.numsegments AS segments, t.skew,
       t.by_size, t.by_skew, t.by_kind
FROM (SELECT s.*,
             row_number() OVER (ORDER BY s.all_bytes DESC, s.oid) AS by_size,
             row_number() OVER (ORDER BY s.skew DESC NULLS LAST, s.oid) AS by_skew,
             row_number() OVER (PARTITION BY s.append_optimised ORDER BY s.row_bytes DESC, s.oid) AS by_kind
      FROM (SELECT f.oid, c.relname, c.relnamespace, am.amname IN ('ao_row', 'ao_column') AS append_optimised,
                   f.row_bytes, f.all_bytes, f.all_bytes - f.row_bytes AS other_bytes, p.numsegments,
                   CASE WHEN p.policytype = 'p' AND f.row_bytes >= %(least_bytes)s
                        THEN round(f.fullest * p.numsegments / f.row_bytes, 2)
                   END AS skew
            FROM (SELECT e.oid, sum(e.row_bytes) AS row_bytes, sum(e.all_bytes) AS all_bytes,
                         max(e.row_bytes)::numeric AS fullest
                  FROM (SELECT oid::bigint AS oid, pg_relation_size(oid) AS row_bytes,
                               pg_total_relation_size(oid) AS all_bytes
                        FROM gp_dist_random('pg_class')
                        WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND oid >= 16384
                          AND oid::bigint %% %(slices)s = %(slice)s
                        OFFSET 0) e
                  GROUP BY e.oid) f
            JOIN pg_catalog.pg_class c ON c.oid = f.oid::oid
            JOIN pg_catalog.pg_am am ON am.oid = c.relam
            JOIN pg_catalog.gp_distribution_policy p ON p.localoid = f.oid::oid) s
     ) t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gp_toolkit', 'gpexpand', 'expansion_history')
  AND (t.by_size <= %(largest)s OR t.by_skew <= %(uneven)s AND t.skew IS NOT NULL
       OR t.append_optimised AND t.by_kind <= %(append_optimised)s)
ORDER BY t.by_size

-- table_sizes.sql: how large are these tables and their indexes, on all segments together?
-- Run in:   the tables' database, as superuser. Parameters: oids (array of bigint)
-- Returns:  oid bigint, bytes bigint (main forks, as gpexpand measures), index_bytes bigint
-- Blind to: TOAST
-- Cost:     as relation_sizes.sql: ask for a slice of the tables in a session of its own
-- Note:     OFFSET 0 keeps the sizes on the segments that have the files, as in relation_sizes.sql
SELECT oid, sum(bytes)::bigint AS bytes, sum(index_bytes)::bigint AS index_bytes
FROM (SELECT oid::bigint AS oid,
             pg_catalog.pg_relation_size(oid) AS bytes,
             pg_catalog.pg_indexes_size(oid) AS index_bytes
      FROM gp_dist_random('pg_class')
      WHERE oid = ANY (%(oids)s::oid[])
      OFFSET 0) s
GROUP BY oid

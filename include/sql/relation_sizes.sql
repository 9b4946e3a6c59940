-- relation_sizes.sql: how large are the rows of these tables, on all segments together?
-- Run in:   the tables' database, as superuser. Parameters: oids (array of bigint)
-- Returns:  oid bigint, bytes bigint (main forks)
-- Why:      gpexpand lists no sizes if preparation ran with --simple-progress
-- Cost:     every segment looks at its files and keeps each table in its relation cache until the session ends: so ask for a
--           slice of them in a session of its own
-- Note:     OFFSET 0 keeps the sizes on the segments that have the files: else Greenplum 7 asks one segment for all of
--           them, or for a single table the coordinator, and fails
SELECT oid, sum(bytes)::bigint AS bytes
FROM (SELECT oid::bigint AS oid, pg_catalog.pg_relation_size(oid) AS bytes
      FROM gp_dist_random('pg_class')
      WHERE oid = ANY (%(oids)s::oid[])
      OFFSET 0) s
GROUP BY oid

-- survey_append_optimised.sql: how many rows of these append-optimised tables are deleted but still stored?
-- Run in:   the database of the tables, as superuser. Parameters: oids (list of int)
-- Returns:  oid bigint, hidden bigint, stored bigint (rows, deleted ones included), percent_hidden numeric
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Cost:     reads the visibility map of each table on each segment, one table after the other: ask for some only
SELECT x.oid::bigint AS oid,
       sum((x.info).hidden_tupcount)::bigint AS hidden,
       sum((x.info).total_tupcount)::bigint AS stored,
       round(100.0 * sum((x.info).hidden_tupcount) / greatest(sum((x.info).total_tupcount), 1), 1) AS percent_hidden
FROM (SELECT o.oid, gp_toolkit.__gp_aovisimap_compaction_info(o.oid) AS info
      FROM unnest(%(oids)s::oid[]) AS o(oid)
      OFFSET 0) x
GROUP BY x.oid
ORDER BY 4 DESC, 1

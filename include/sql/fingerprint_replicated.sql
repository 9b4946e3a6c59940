-- fingerprint_replicated.sql: what does each copy of one replicated table hold?
-- Run in:   the table's database. Placeholder: {table_text}, its quoted name as a literal
-- Returns:  as fingerprint_distributed.sql; one row a segment that holds any
-- Why:      a replicated table has no gp_segment_id, and an ordinary query reads one copy only
SELECT content, count(*) AS rows, sum(hash) AS checksum
FROM (SELECT gp_execution_segment() AS content,
             ('x' || substr(md5((t.*)::text), 1, 16))::bit(64)::bigint::numeric AS hash
      FROM gp_dist_random({table_text}) t) AS copies
GROUP BY content

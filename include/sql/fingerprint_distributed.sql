-- fingerprint_distributed.sql: what does one distributed table hold, and where?
-- Run in:   the table's database. Placeholder: {table}, a quoted identifier
-- Returns:  content int, rows bigint, checksum numeric (sum of a 64-bit hash of each row's text: independent of order);
--           one row a segment that holds any
-- Cost:     reads every row; computed on the segments
SELECT gp_segment_id AS content,
       count(*) AS rows,
       sum(('x' || substr(md5((t.*)::text), 1, 16))::bit(64)::bigint::numeric) AS checksum
FROM ONLY {table} t
GROUP BY gp_segment_id

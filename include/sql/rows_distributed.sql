-- rows_distributed.sql: how many rows of one distributed table lie where?
-- Run in:   the table's database. Placeholder: {table}, a quoted identifier
-- Returns:  content int, rows bigint; one row a segment that holds any
SELECT gp_segment_id AS content, count(*) AS rows
FROM ONLY {table} t
GROUP BY gp_segment_id

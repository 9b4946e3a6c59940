-- rows_replicated.sql: how many rows does each copy of one replicated table hold?
-- Run in:   the table's database. Placeholder: {table_text}, its quoted name as a literal
-- Returns:  content int, rows bigint; one row a segment that holds any
SELECT content, count(*) AS rows
FROM (SELECT gp_execution_segment() AS content FROM gp_dist_random({table_text})) AS copies
GROUP BY content

-- count_placement.sql: how many of the rows lay on another segment than their hash says?
-- Run in:   the transaction of fill_placement. Placeholder: {placement}, a quoted identifier
-- Returns:  content int (where they lie in their table), rows bigint, misplaced bigint
SELECT p.found AS content, count(*) AS rows,
       count(CASE WHEN p.gp_segment_id <> p.found THEN 1 END) AS misplaced
FROM {placement} p
GROUP BY p.found

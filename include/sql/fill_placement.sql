-- fill_placement.sql: sends the keys of a table's rows to where their hash puts them
-- Run in:   the table's database, in one transaction with count_placement. Placeholders: {placement} (quoted
--           identifier), {columns} (the key), {table_text} (the quoted name as a literal), {share} (of the rows, 0 to 1)
-- Why:      of a plain `FROM table` Greenplum believes that each row lies where it belongs, and sends nothing;
--           gp_dist_random makes it hash every row (seen on 6.24.3 and 7.0.0: a Redistribute Motion under the Insert)
-- Cost:     reads every row, writes the keys of that share of them
INSERT INTO {placement}
SELECT {columns}, t.gp_segment_id FROM gp_dist_random({table_text}) t
WHERE {share} >= 1 OR random() < {share}

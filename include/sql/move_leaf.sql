-- move_leaf.sql: rewrites one leaf partition over all segments, distributed as its root
-- Run in:   the table's database, as superuser or owner. Placeholders: {table}, a quoted identifier; {distributed_by}, as
--           pg_get_table_distributedby(root) says it
-- Locks:    the leaf, exclusively, until the transaction ends
-- Source:   gpexpand 6.24.3, the statement it sends
ALTER TABLE {table} SET WITH (REORGANIZE=true) {distributed_by}

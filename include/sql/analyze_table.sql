-- analyze_table.sql: gathers the statistics of one table
-- Run in:   the table's database, as superuser or owner. Placeholder: {table}, a quoted identifier
ANALYZE {table}

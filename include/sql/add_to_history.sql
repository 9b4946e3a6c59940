-- add_to_history.sql: notes a state of the whole expansion in the history
-- Run in:   database postgres. Parameters: expansion_id (text), status (text)
INSERT INTO expansion_history.expand_status_summary (expansion_id, status) VALUES (%(expansion_id)s, %(status)s)

-- All entries, in order.
-- Columns: position, recorded_at, event, table_name, row_key, content, previous, hash.
SELECT e.position, e.recorded_at, e.event, e.table_name, e.row_key, e.content,
       e.previous, e.hash
  FROM dbops_entry AS e
 ORDER BY e.position

-- Add an entry. Parameters: position, recorded_at (timestamptz), event, table_name,
-- row_key, content, previous, hash (text).
INSERT INTO dbops_entry
       (position, recorded_at, event, table_name, row_key, content, previous, hash)
VALUES (%(position)s, %(recorded_at)s, %(event)s, %(table_name)s, %(row_key)s,
        %(content)s, %(previous)s, %(hash)s)

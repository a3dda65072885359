-- Write down how a statement ended. Parameters: id (uuid), state (text).
UPDATE dbops_statement SET state = %(state)s WHERE id = %(id)s

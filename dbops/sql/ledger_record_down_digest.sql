-- Write down what the way back said when the migration was applied.
-- Parameters: id (uuid), down_digest (text).
UPDATE dbops_step SET down_digest = %(down_digest)s WHERE id = %(id)s

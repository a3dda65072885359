-- Write down what the way back said when it was rehearsed. Parameters: id (uuid),
-- down_digest (text).
UPDATE dbops_rehearsal SET down_digest = %(down_digest)s WHERE id = %(id)s

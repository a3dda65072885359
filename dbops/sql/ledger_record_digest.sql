-- Write down what a migration said when it was applied. Parameters: id (uuid),
-- digest (text).
UPDATE dbops_step SET digest = %(digest)s WHERE id = %(id)s

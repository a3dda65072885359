-- Write down what a turn is to do. Parameters: token (bigint), plan (text).
UPDATE dbops_turn SET plan = %(plan)s WHERE token = %(token)s

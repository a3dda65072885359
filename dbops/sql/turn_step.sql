-- Write down what a turn is at. Parameters: token (bigint), step (text).
UPDATE dbops_turn SET step = %(step)s WHERE token = %(token)s

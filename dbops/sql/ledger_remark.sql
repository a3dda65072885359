-- Write down what is to be known of a deployment however it ends. Parameters:
-- id (uuid), message (text).
UPDATE dbops_deployment SET message = %(message)s WHERE id = %(id)s

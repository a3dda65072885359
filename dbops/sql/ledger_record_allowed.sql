-- Write down which guards a person let pass. Parameters: id (uuid), allowed (text, JSON).
UPDATE dbops_deployment SET allowed = %(allowed)s WHERE id = %(id)s

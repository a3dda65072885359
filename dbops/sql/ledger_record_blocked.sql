-- Write down whom a step has kept waiting. Parameters: id (uuid), sessions (the most at
-- one moment), longest_s (seconds).
UPDATE dbops_step
   SET blocked_sessions = %(sessions)s, blocked_s = %(longest_s)s
 WHERE id = %(id)s

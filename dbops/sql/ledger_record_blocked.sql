-- Write down whom a step has kept waiting. Parameters: id (uuid), blocked_sessions
-- (the most at one moment), blocked_s (the longest that one of them waited, seconds).
UPDATE dbops_step
   SET blocked_sessions = %(blocked_sessions)s,
       blocked_s = %(blocked_s)s
 WHERE id = %(id)s

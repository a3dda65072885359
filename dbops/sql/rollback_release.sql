-- The release that last left the schema so, one row or none. Parameter: fingerprint.
-- Columns: git_revision.
SELECT d.git_revision
  FROM dbops_deployment AS d
 WHERE d.kind IN ('deploy', 'baseline')
   AND d.state = 'done'
   AND d.git_revision <> ''
   AND d.fingerprint_after = %(fingerprint)s
 ORDER BY d.started_at DESC, d.id DESC
 LIMIT 1

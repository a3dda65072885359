-- The schemas as they were when they were adopted. Columns: catalog.
SELECT c.catalog
  FROM dbops_deployment AS d
  JOIN dbops_catalog AS c ON c.fingerprint = d.fingerprint_after
 WHERE d.kind = 'baseline' AND d.state = 'done'

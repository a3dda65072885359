-- The schema that a fingerprint stands for. Columns: catalog.
-- Parameters: fingerprint (text).
SELECT catalog FROM dbops_catalog WHERE fingerprint = %(fingerprint)s

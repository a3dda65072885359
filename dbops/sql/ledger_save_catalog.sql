-- Keep the schema that a fingerprint stands for, once.
-- Parameters: fingerprint, catalog (text).
INSERT INTO dbops_catalog (fingerprint, catalog)
VALUES (%(fingerprint)s, %(catalog)s)
ON CONFLICT (fingerprint) DO NOTHING

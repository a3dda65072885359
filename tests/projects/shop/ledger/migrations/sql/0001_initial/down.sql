-- ledger.0001_initial: the way back, made by makemigrations
-- dbops: generated c1882c28bbbbfd0d

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Create model Entry
DROP TABLE "Ledger"."entry" CASCADE;

-- Undo: Raw SQL operation
DROP SCHEMA "Ledger";

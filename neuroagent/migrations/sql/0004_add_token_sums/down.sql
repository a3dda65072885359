-- neuroagent.0004_add_token_sums: the way back, made by makemigrations
-- dbops: generated 496ddfb06f222803

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Create model TokenSum
DROP TABLE "token_sums" CASCADE;

-- Undo: Create model SummedDay
DROP TABLE "token_days" CASCADE;

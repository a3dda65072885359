-- neuroagent.0004_add_token_sums: what Django runs, made by makemigrations for review
-- dbops: generated ebcb086d058254a9

-- Create model SummedDay
CREATE TABLE "token_days" ("day" date NOT NULL PRIMARY KEY, "summed_at" timestamp with time zone NOT NULL);

-- Create model TokenSum
CREATE TABLE "token_sums" ("quarter" timestamp with time zone NOT NULL, "user_id" uuid NOT NULL, "model" varchar NOT NULL, "task" task NOT NULL, "input_noncached" bigint NOT NULL, "input_cached" bigint NOT NULL, "completion" bigint NOT NULL, PRIMARY KEY ("quarter", "user_id", "model", "task"));

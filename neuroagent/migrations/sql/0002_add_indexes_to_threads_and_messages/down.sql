-- neuroagent.0002_add_indexes_to_threads_and_messages: the way back, made by makemigrations
-- dbops: generated 21dc13d059476cae

-- dbops: no-transaction
-- Played on a scratch database: gives back the schema exactly.

-- Undo: Concurrently create index ix_threads_newest_first on field(s) -update_date, -thread_id of model thread
DROP INDEX CONCURRENTLY IF EXISTS "ix_threads_newest_first";

-- Undo: Concurrently create index ix_messages_newest_first on field(s) -creation_date, -message_id of model message
DROP INDEX CONCURRENTLY IF EXISTS "ix_messages_newest_first";

-- Undo: Concurrently create index ix_messages_thread_id_created on field(s) thread, creation_date of model message
DROP INDEX CONCURRENTLY IF EXISTS "ix_messages_thread_id_created";

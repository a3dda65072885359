-- neuroagent.0002_add_indexes_to_threads_and_messages: what Django runs, made by makemigrations for review
-- dbops: generated 5c403b5200348cba

-- dbops: no-transaction

-- Concurrently create index ix_messages_thread_id_created on field(s) thread, creation_date of model message
CREATE INDEX CONCURRENTLY "ix_messages_thread_id_created" ON "messages" ("thread_id", "creation_date");

-- Concurrently create index ix_messages_newest_first on field(s) -creation_date, -message_id of model message
CREATE INDEX CONCURRENTLY "ix_messages_newest_first" ON "messages" ("creation_date" DESC, "message_id" DESC);

-- Concurrently create index ix_threads_newest_first on field(s) -update_date, -thread_id of model thread
CREATE INDEX CONCURRENTLY "ix_threads_newest_first" ON "threads" ("update_date" DESC, "thread_id" DESC);

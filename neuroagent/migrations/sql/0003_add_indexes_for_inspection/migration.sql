-- neuroagent.0003_add_indexes_for_inspection: what Django runs, made by makemigrations for review
-- dbops: generated ae6c5d3865a8a3eb

-- dbops: no-transaction

-- Concurrently create index ix_tool_calls_message on field(s) message of model toolcall
CREATE INDEX CONCURRENTLY "ix_tool_calls_message" ON "tool_calls" ("message_id");

-- Concurrently create index ix_tool_calls_name on field(s) name, tool_call_id of model toolcall
CREATE INDEX CONCURRENTLY "ix_tool_calls_name" ON "tool_calls" ("name", "tool_call_id");

-- Concurrently create index ix_tool_selection_message on field(s) message of model toolselection
CREATE INDEX CONCURRENTLY "ix_tool_selection_message" ON "tool_selection" ("message_id");

-- Concurrently create index ix_token_consumption_message on field(s) message of model tokenconsumption
CREATE INDEX CONCURRENTLY "ix_token_consumption_message" ON "token_consumption" ("message_id");

-- Concurrently create index ix_token_consumption_model on field(s) model, message of model tokenconsumption
CREATE INDEX CONCURRENTLY "ix_token_consumption_model" ON "token_consumption" ("model", "message_id");

-- Concurrently create index ix_complexity_message on field(s) message of model complexityestimation
CREATE INDEX CONCURRENTLY "ix_complexity_message" ON "complexity_estimation" ("message_id");

-- Concurrently create index ix_messages_incomplete on field(s) -creation_date, -message_id of model message
CREATE INDEX CONCURRENTLY "ix_messages_incomplete" ON "messages" ("creation_date" DESC, "message_id" DESC) WHERE NOT "is_complete";

-- Concurrently create index ix_threads_user_newest on field(s) user_id, -update_date, -thread_id of model thread
CREATE INDEX CONCURRENTLY "ix_threads_user_newest" ON "threads" ("user_id", "update_date" DESC, "thread_id" DESC);

-- Concurrently create index ix_threads_project_newest on field(s) project_id, -update_date, -thread_id of model thread
CREATE INDEX CONCURRENTLY "ix_threads_project_newest" ON "threads" ("project_id", "update_date" DESC, "thread_id" DESC);

-- Concurrently create index ix_threads_vlab_newest on field(s) vlab_id, -update_date, -thread_id of model thread
CREATE INDEX CONCURRENTLY "ix_threads_vlab_newest" ON "threads" ("vlab_id", "update_date" DESC, "thread_id" DESC);

-- neuroagent.0003_add_indexes_for_inspection: the way back, made by makemigrations
-- dbops: generated edb62c390d8bbd34

-- dbops: no-transaction
-- Played on a scratch database: gives back the schema exactly.

-- Undo: Concurrently create index ix_threads_vlab_newest on field(s) vlab_id, -update_date, -thread_id of model thread
DROP INDEX CONCURRENTLY IF EXISTS "ix_threads_vlab_newest";

-- Undo: Concurrently create index ix_threads_project_newest on field(s) project_id, -update_date, -thread_id of model thread
DROP INDEX CONCURRENTLY IF EXISTS "ix_threads_project_newest";

-- Undo: Concurrently create index ix_threads_user_newest on field(s) user_id, -update_date, -thread_id of model thread
DROP INDEX CONCURRENTLY IF EXISTS "ix_threads_user_newest";

-- Undo: Concurrently create index ix_messages_incomplete on field(s) -creation_date, -message_id of model message
DROP INDEX CONCURRENTLY IF EXISTS "ix_messages_incomplete";

-- Undo: Concurrently create index ix_complexity_message on field(s) message of model complexityestimation
DROP INDEX CONCURRENTLY IF EXISTS "ix_complexity_message";

-- Undo: Concurrently create index ix_token_consumption_model on field(s) model, message of model tokenconsumption
DROP INDEX CONCURRENTLY IF EXISTS "ix_token_consumption_model";

-- Undo: Concurrently create index ix_token_consumption_message on field(s) message of model tokenconsumption
DROP INDEX CONCURRENTLY IF EXISTS "ix_token_consumption_message";

-- Undo: Concurrently create index ix_tool_selection_message on field(s) message of model toolselection
DROP INDEX CONCURRENTLY IF EXISTS "ix_tool_selection_message";

-- Undo: Concurrently create index ix_tool_calls_name on field(s) name, tool_call_id of model toolcall
DROP INDEX CONCURRENTLY IF EXISTS "ix_tool_calls_name";

-- Undo: Concurrently create index ix_tool_calls_message on field(s) message of model toolcall
DROP INDEX CONCURRENTLY IF EXISTS "ix_tool_calls_message";

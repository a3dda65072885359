-- neuroagent.0001_initial: the way back, made by makemigrations
-- dbops: generated 31871d29be96ea76

-- Played on a scratch database: gives back the schema exactly.

-- Undo: Raw SQL operation
DROP TRIGGER messages_search_vector_trigger ON messages;

-- Undo: Raw SQL operation
DROP FUNCTION update_messages_search_vector();

-- Undo: Raw SQL operation
ALTER TABLE complexity_estimation DROP CONSTRAINT complexity_estimation_message_id_fkey;

ALTER TABLE token_consumption DROP CONSTRAINT token_consumption_message_id_fkey;

ALTER TABLE tool_selection DROP CONSTRAINT tool_selection_message_id_fkey;

ALTER TABLE tool_calls DROP CONSTRAINT tool_calls_message_id_fkey;

ALTER TABLE messages DROP CONSTRAINT messages_thread_id_fkey;

-- Undo: Create model ComplexityEstimation
DROP TABLE "complexity_estimation" CASCADE;

-- Undo: Create model TokenConsumption
DROP TABLE "token_consumption" CASCADE;

-- Undo: Create model ToolSelection
DROP TABLE "tool_selection" CASCADE;

-- Undo: Create model ToolCall
DROP TABLE "tool_calls" CASCADE;

-- Undo: Create model Message
DROP TABLE "messages" CASCADE;

-- Undo: Create model Thread
DROP TABLE "threads" CASCADE;

-- Undo: Raw SQL operation
DROP TYPE reasoninglevels;

DROP TYPE tokentype;

DROP TYPE task;

DROP TYPE entity;

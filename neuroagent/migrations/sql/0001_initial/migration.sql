-- neuroagent.0001_initial: what Django runs, made by makemigrations for review
-- dbops: generated 97e1ca503ecb5ba2

-- Raw SQL operation
CREATE TYPE entity AS ENUM ('USER', 'AI_TOOL', 'TOOL', 'AI_MESSAGE');

CREATE TYPE task AS ENUM ('CHAT_COMPLETION', 'TOOL_SELECTION', 'CALL_WITHIN_TOOL');

CREATE TYPE tokentype AS ENUM ('INPUT_NONCACHED', 'INPUT_CACHED', 'COMPLETION');

CREATE TYPE reasoninglevels AS ENUM ('NONE', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH');

-- Create model Thread
CREATE TABLE "threads" ("thread_id" uuid NOT NULL PRIMARY KEY, "vlab_id" uuid NULL, "project_id" uuid NULL, "title" varchar NOT NULL, "creation_date" timestamp with time zone NOT NULL, "update_date" timestamp with time zone NOT NULL, "user_id" uuid NOT NULL);

-- Create model Message
CREATE TABLE "messages" ("message_id" uuid NOT NULL PRIMARY KEY, "creation_date" timestamp with time zone NOT NULL, "content" varchar NOT NULL, "thread_id" uuid NOT NULL, "entity" entity NOT NULL, "is_complete" boolean NOT NULL, "search_vector" tsvector NULL);

-- Create model ToolCall
CREATE TABLE "tool_calls" ("tool_call_id" character varying NOT NULL PRIMARY KEY, "name" varchar NOT NULL, "arguments" varchar NOT NULL, "validated" boolean NULL, "message_id" uuid NOT NULL);

-- Create model ToolSelection
CREATE TABLE "tool_selection" ("id" uuid NOT NULL PRIMARY KEY, "message_id" uuid NOT NULL, "tool_name" varchar NOT NULL);

-- Create model TokenConsumption
CREATE TABLE "token_consumption" ("id" uuid NOT NULL PRIMARY KEY, "message_id" uuid NOT NULL, "type" tokentype NOT NULL, "task" task NOT NULL, "count" integer NOT NULL, "model" varchar NOT NULL);

-- Create model ComplexityEstimation
CREATE TABLE "complexity_estimation" ("id" uuid NOT NULL PRIMARY KEY, "complexity" integer NULL, "model" varchar NOT NULL, "reasoning" reasoninglevels NULL, "message_id" uuid NOT NULL);

-- Raw SQL operation
ALTER TABLE messages ADD CONSTRAINT messages_thread_id_fkey FOREIGN KEY (thread_id) REFERENCES threads (thread_id);

ALTER TABLE tool_calls ADD CONSTRAINT tool_calls_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages (message_id);

ALTER TABLE tool_selection ADD CONSTRAINT tool_selection_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages (message_id);

ALTER TABLE token_consumption ADD CONSTRAINT token_consumption_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages (message_id);

ALTER TABLE complexity_estimation ADD CONSTRAINT complexity_estimation_message_id_fkey FOREIGN KEY (message_id) REFERENCES messages (message_id);

-- Raw SQL operation
CREATE FUNCTION update_messages_search_vector() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.entity IN ('USER', 'AI_MESSAGE') THEN
        NEW.search_vector := to_tsvector(
            'english', coalesce(NEW.content::jsonb ->> 'content', '')
        );
    ELSE
        NEW.search_vector := to_tsvector('english', '');
    END IF;
    RETURN NEW;
END
$$;

-- Raw SQL operation
CREATE TRIGGER messages_search_vector_trigger
BEFORE INSERT OR UPDATE ON messages
FOR EACH ROW EXECUTE FUNCTION update_messages_search_vector();

-- Left by Django for the end
CREATE INDEX "ix_messages_search_vector" ON "messages" USING gin ("search_vector");

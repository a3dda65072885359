-- The chat backend's database in production, at Alembic revision 6d8986f38d7b.
-- Written by hand from what the catalog shows; columns that came and went have left
-- holes in the numbering of messages and tool_selection.

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TYPE entity AS ENUM ('USER', 'AI_TOOL', 'TOOL', 'AI_MESSAGE');

CREATE TABLE threads (
    thread_id UUID NOT NULL,
    vlab_id UUID,
    project_id UUID,
    title VARCHAR NOT NULL,
    creation_date TIMESTAMP WITH TIME ZONE NOT NULL,
    update_date TIMESTAMP WITH TIME ZONE NOT NULL,
    user_id UUID NOT NULL,
    PRIMARY KEY (thread_id)
);

CREATE TABLE messages (
    message_id UUID NOT NULL,
    "order" INTEGER NOT NULL,
    creation_date TIMESTAMP WITH TIME ZONE NOT NULL,
    content VARCHAR NOT NULL,
    thread_id UUID NOT NULL,
    entity entity NOT NULL,
    is_complete BOOLEAN NOT NULL,
    PRIMARY KEY (message_id),
    FOREIGN KEY (thread_id) REFERENCES threads (thread_id)
);

CREATE TABLE tool_calls (
    tool_call_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    arguments VARCHAR NOT NULL,
    validated BOOLEAN,
    message_id UUID NOT NULL,
    PRIMARY KEY (tool_call_id),
    FOREIGN KEY (message_id) REFERENCES messages (message_id)
);

ALTER TABLE messages DROP COLUMN "order";

ALTER TABLE messages ADD COLUMN model VARCHAR;

CREATE TABLE tool_selection (
    id UUID NOT NULL,
    selected_tools VARCHAR[],
    message_id UUID NOT NULL,
    tool_name VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (message_id) REFERENCES messages (message_id)
);

ALTER TABLE tool_selection DROP COLUMN selected_tools;

CREATE TYPE task AS ENUM ('CHAT_COMPLETION', 'TOOL_SELECTION', 'CALL_WITHIN_TOOL');

CREATE TYPE tokentype AS ENUM ('INPUT_NONCACHED', 'INPUT_CACHED', 'COMPLETION');

CREATE TABLE token_consumption (
    id UUID NOT NULL,
    message_id UUID NOT NULL,
    type tokentype NOT NULL,
    task task NOT NULL,
    count INTEGER NOT NULL,
    model VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (message_id) REFERENCES messages (message_id)
);

-- A label that came later sorts by a fraction, not by a whole number.
CREATE TYPE reasoninglevels AS ENUM ('NONE', 'LOW', 'MEDIUM', 'HIGH');

ALTER TYPE reasoninglevels ADD VALUE 'MINIMAL' BEFORE 'LOW';

CREATE TABLE complexity_estimation (
    id UUID NOT NULL,
    complexity INTEGER,
    model VARCHAR NOT NULL,
    reasoning reasoninglevels,
    message_id UUID NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (message_id) REFERENCES messages (message_id)
);

ALTER TABLE messages DROP COLUMN model;

ALTER TABLE messages ADD COLUMN search_vector TSVECTOR;

CREATE INDEX ix_messages_search_vector ON messages USING gin (search_vector);

CREATE OR REPLACE FUNCTION update_messages_search_vector() RETURNS TRIGGER AS $$
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
$$ LANGUAGE plpgsql;

CREATE TRIGGER messages_search_vector_trigger
    BEFORE INSERT OR UPDATE ON messages
    FOR EACH ROW EXECUTE FUNCTION update_messages_search_vector();

INSERT INTO alembic_version (version_num) VALUES ('6d8986f38d7b');

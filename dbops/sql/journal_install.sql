-- Several statements, for a superuser (or whoever may create event triggers): from now on
-- each DDL statement leaves a row in dbops_journal.ddl. Temporary objects leave none, and
-- neither does what dbops runs itself. A journal that cannot be written holds up nobody.
-- May be run again: entries are kept, and the newest 10,000 stay.
-- PostgreSQL 15 and later;
-- https://www.postgresql.org/docs/current/event-trigger-definition.html
CREATE SCHEMA IF NOT EXISTS dbops_journal;
CREATE TABLE IF NOT EXISTS dbops_journal.ddl (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    role text NOT NULL,
    application_name text NOT NULL,
    client text NOT NULL,
    command text NOT NULL,
    object_type text NOT NULL,
    identity text NOT NULL,
    statement text NOT NULL
);
REVOKE ALL ON SCHEMA dbops_journal FROM PUBLIC;
CREATE OR REPLACE FUNCTION dbops_journal.note() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $note$
DECLARE
    application text := current_setting('application_name', true);
    newest bigint;
BEGIN
    IF application LIKE 'dbops%' THEN
        RETURN;
    END IF;
    BEGIN
        IF TG_EVENT = 'sql_drop' THEN
            INSERT INTO dbops_journal.ddl
                (at, role, application_name, client, command, object_type, identity, statement)
            SELECT now(), session_user, coalesce(application, ''),
                coalesce(host(inet_client_addr()), 'local'), TG_TAG, o.object_type,
                coalesce(o.object_identity, ''),
                CASE WHEN TG_TAG LIKE '%USER MAPPING' OR TG_TAG LIKE '%SUBSCRIPTION'
                    OR TG_TAG LIKE '%SERVER' THEN '' ELSE left(current_query(), 4000) END
            FROM pg_event_trigger_dropped_objects() AS o
            WHERE (o.original OR o.normal) AND NOT o.is_temporary;
        ELSE
            INSERT INTO dbops_journal.ddl
                (at, role, application_name, client, command, object_type, identity, statement)
            SELECT now(), session_user, coalesce(application, ''),
                coalesce(host(inet_client_addr()), 'local'), TG_TAG, o.object_type,
                coalesce(o.object_identity, ''),
                CASE WHEN TG_TAG LIKE '%USER MAPPING' OR TG_TAG LIKE '%SUBSCRIPTION'
                    OR TG_TAG LIKE '%SERVER' THEN '' ELSE left(current_query(), 4000) END
            FROM pg_event_trigger_ddl_commands() AS o
            WHERE o.schema_name IS DISTINCT FROM 'pg_temp' AND NOT o.in_extension;
        END IF;
        SELECT max(id) INTO newest FROM dbops_journal.ddl;
        DELETE FROM dbops_journal.ddl WHERE id <= newest - 10000;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'dbops_journal: %', SQLERRM;
    END;
END
$note$;
DROP EVENT TRIGGER IF EXISTS dbops_journal_end;
CREATE EVENT TRIGGER dbops_journal_end ON ddl_command_end
    EXECUTE FUNCTION dbops_journal.note();
DROP EVENT TRIGGER IF EXISTS dbops_journal_drop;
CREATE EVENT TRIGGER dbops_journal_drop ON sql_drop
    EXECUTE FUNCTION dbops_journal.note();

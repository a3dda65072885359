-- The locale of the connected database, as CREATE DATABASE wants it.
-- Columns: encoding, collation, character_type, provider (c, i, b), locale.
-- PostgreSQL 15 and 16 call the last one daticulocale.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-database.html
SELECT pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
       d.datcollate::text AS collation,
       d.datctype::text AS character_type,
       d.datlocprovider::text AS provider,
       coalesce(
           pg_catalog.to_jsonb(d) ->> 'datlocale',
           pg_catalog.to_jsonb(d) ->> 'daticulocale'
       ) AS locale
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = pg_catalog.current_database()

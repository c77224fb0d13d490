-- A role that may read the catalog, and nothing else: for the service (`bin/serve`). Run it once, as
-- the owner of the tables, and again whenever a migration has added some: psql -f docs/reader.sql
--
-- It is no migration: roles belong to the server and not to a database, so that a migration for one
-- database could neither make them nor take them back for all. Give it a password of its own
-- (\password catalog_reader), which no file should hold, and put it into the service's DATABASE_URL;
-- migrations go on with the owner's.

DO $$
BEGIN
    CREATE ROLE catalog_reader LOGIN;
EXCEPTION
    WHEN duplicate_object THEN NULL;  -- it is there
END $$;

GRANT USAGE ON SCHEMA public TO catalog_reader;
GRANT SELECT ON "Authors", "Books" TO catalog_reader;

-- Second to that: it cannot use what others grant to everybody, such as writing large objects.
ALTER ROLE catalog_reader SET default_transaction_read_only = on;

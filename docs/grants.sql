-- A role that may read the catalog and nothing else, for `bin/serve`. Run this as the owner of the
-- tables, who may create roles (and again, with its name below, for a table that the service reads
-- from then on):
--
--     bin/psql -f docs/grants.sql
--     bin/psql -c '\password catalog_reader'
--
-- (Neon takes no password that psql has hashed: there, ALTER ROLE catalog_reader PASSWORD '…'.)
--
-- Then DATABASE_URL of the service names this role; migrations go on with the owner's. It is no
-- migration itself: a role belongs to the server, and a migration to one of its databases.
--
-- Before Postgres 15 everybody may create tables in the schema public, this role included. If nobody
-- relies on that: REVOKE CREATE ON SCHEMA public FROM PUBLIC;

DO $$
BEGIN
    CREATE ROLE catalog_reader LOGIN;
EXCEPTION
    WHEN duplicate_object THEN NULL;
END $$;

GRANT USAGE ON SCHEMA public TO catalog_reader;
GRANT SELECT ON "Authors", "Books" TO catalog_reader;

-- The ledger, for the service to say whether migrations are pending.
DO $$
BEGIN
    GRANT SELECT ON schema_migrations TO catalog_reader;
EXCEPTION
    WHEN undefined_table THEN NULL;
END $$;

-- The service's transactions are read-only anyway; so are those of whoever else connects as it.
ALTER ROLE catalog_reader SET default_transaction_read_only = on;

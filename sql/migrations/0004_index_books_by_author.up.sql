-- migrate: no-transaction
-- An author's books, in the order they are served, without reading the whole table; built
-- concurrently, so that books can be written meanwhile, which no transaction allows.

CREATE INDEX CONCURRENTLY "Books_authorId_id_idx" ON "Books" ("authorId", id);

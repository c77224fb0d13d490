-- migrate: no-transaction
-- Search finds authors by words of their names without reading the whole table. The expression is the one in
-- catalog/api/queries.py, where it says why; built concurrently, as rows are written meanwhile.

CREATE INDEX CONCURRENTLY "Authors_name_words_idx" ON "Authors"
    USING gin (to_tsvector('simple', translate(name, '-+./:@<&_~', repeat(' ', 10))));

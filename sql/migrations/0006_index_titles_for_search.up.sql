-- migrate: no-transaction
-- Search finds books by words of their titles without reading the whole table. The expression is the one in
-- catalog/api/queries.py, where it says why; built concurrently, as rows are written meanwhile.

CREATE INDEX CONCURRENTLY "Books_title_words_idx" ON "Books"
    USING gin (to_tsvector('simple', translate(title, '-+./:@<&_~', repeat(' ', 10))));

-- migrate: no-transaction
-- Search finds books by words of their titles without reading the whole table; built
-- concurrently, so that rows can be written meanwhile. The expression is the one that
-- catalog/api/queries.py looks for, and explains.

CREATE INDEX CONCURRENTLY "Books_title_words_idx" ON "Books"
    USING gin (
        to_tsvector(
            'simple',
            regexp_replace(
                title,
                '[-+./:@<&_~\u00A0\u00A1\u00AB\u00B7\u00BB\u00BF\u2000-\u206F\u3000-\u303F]+', ' ', 'g'
            )
        )
    );

-- migrate: no-transaction
-- Search finds authors by words of their names without reading the whole table; built
-- concurrently, so that rows can be written meanwhile. The expression is the one that
-- catalog/api/queries.py looks for, and explains.

CREATE INDEX CONCURRENTLY "Authors_name_words_idx" ON "Authors"
    USING gin (
        to_tsvector(
            'simple',
            regexp_replace(
                name,
                '[-+./:@<&_~\u00A0\u00A1\u00AB\u00B7\u00BB\u00BF\u2000-\u206F\u3000-\u303F]+', ' ', 'g'
            )
        )
    );

-- Rows for docs/safe-migrations.md, the same every time. No table is vacuumed behind our back, so
-- that they stay as large as the document says.

ALTER TABLE "Authors" SET (autovacuum_enabled = off);
ALTER TABLE "Books" SET (autovacuum_enabled = off);

INSERT INTO "Authors" (name, bio)
SELECT 'Author ' || number, 'Wrote some ten books.'
  FROM generate_series(1, 20000) AS number;

INSERT INTO "Books" (title, "authorId")
SELECT 'Book ' || number, 1 + number % 20000
  FROM generate_series(1, 200000) AS number;

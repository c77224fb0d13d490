-- The guide's sample data. Running it again, also twice at once, adds nothing and changes nothing.
\set ON_ERROR_STOP on

BEGIN;

-- Two runs at once would both find the tables empty; readers are not held up.
LOCK TABLE "Authors", "Books" IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO "Authors" (name, bio, "createdAt", "updatedAt")
SELECT sample.name, sample.bio, now(), now()
  FROM (VALUES
           (1, 'J.K. Rowling', 'The creator of the Harry Potter series'),
           (2, 'J.R.R. Tolkien', 'The creator of Middle-earth and author of The Lord of the Rings.'),
           (3, 'George R.R. Martin',
               'The author of the epic fantasy series A Song of Ice and Fire.')
       ) AS sample (position, name, bio)
 WHERE NOT EXISTS (SELECT FROM "Authors" AS author WHERE author.name = sample.name)
 ORDER BY sample.position;

INSERT INTO "Books" (title, "authorId", "createdAt", "updatedAt")
SELECT sample.title, author.id, now(), now()
  FROM (VALUES
           (1, 'J.K. Rowling', 'Harry Potter and the Philosopher''s Stone'),
           (2, 'J.K. Rowling', 'Harry Potter and the Chamber of Secrets'),
           (3, 'J.R.R. Tolkien', 'The Hobbit'),
           (4, 'J.R.R. Tolkien', 'The Fellowship of the Ring'),
           (5, 'J.R.R. Tolkien', 'The Two Towers'),
           (6, 'J.R.R. Tolkien', 'The Return of the King'),
           (7, 'George R.R. Martin', 'A Game of Thrones'),
           (8, 'George R.R. Martin', 'A Clash of Kings')
       ) AS sample (position, author, title)
  JOIN LATERAL (
           -- The first of that name, should there be several.
           SELECT min(id) AS id FROM "Authors" WHERE name = sample.author
       ) AS author ON author.id IS NOT NULL
 WHERE NOT EXISTS (
           SELECT
             FROM "Books" AS book
             JOIN "Authors" AS theirs ON theirs.id = book."authorId"
            WHERE book.title = sample.title AND theirs.name = sample.author
       )
 ORDER BY sample.position;

COMMIT;

-- The guide's models promise titles, authors and timestamps that its migrations do not require.

ALTER TABLE "Authors"
    ALTER "createdAt" SET DEFAULT now(),
    ALTER "updatedAt" SET DEFAULT now();

ALTER TABLE "Books"
    ALTER "createdAt" SET DEFAULT now(),
    ALTER "updatedAt" SET DEFAULT now();

DO $$
BEGIN
    ALTER TABLE "Books"
        ALTER title SET NOT NULL,
        ALTER "authorId" SET NOT NULL;
EXCEPTION
    WHEN not_null_violation THEN
        RAISE EXCEPTION USING
            ERRCODE = 'not_null_violation',
            MESSAGE = 'some books have no title or no author',
            HINT = 'Complete or delete the rows that this finds, then try again: '
                   'SELECT * FROM "Books" WHERE title IS NULL OR "authorId" IS NULL;';
END
$$;

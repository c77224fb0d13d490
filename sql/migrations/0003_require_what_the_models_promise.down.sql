-- Back to what the guide's migrations require.

ALTER TABLE "Books"
    ALTER "authorId" DROP NOT NULL,
    ALTER title DROP NOT NULL,
    ALTER "updatedAt" DROP DEFAULT,
    ALTER "createdAt" DROP DEFAULT;

ALTER TABLE "Authors"
    ALTER "updatedAt" DROP DEFAULT,
    ALTER "createdAt" DROP DEFAULT;

-- Takes the books away, with every row.

DROP TABLE "Books";

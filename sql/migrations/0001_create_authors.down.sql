-- Takes the authors away, with every row.

DROP TABLE "Authors";

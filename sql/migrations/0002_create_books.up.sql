-- Books, as the Sequelize guide creates them; its columns are in this order, "authorId" at the end.

CREATE TABLE "Books" (
    id           serial PRIMARY KEY,
    title        varchar(255),
    "createdAt"  timestamptz NOT NULL,
    "updatedAt"  timestamptz NOT NULL,
    "authorId"   integer REFERENCES "Authors" (id) ON DELETE CASCADE
);

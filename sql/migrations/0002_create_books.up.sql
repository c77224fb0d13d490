-- Books and whose they are; in the guide "authorId" came last, in a migration of its own.

CREATE TABLE "Books" (
    id           serial PRIMARY KEY,
    title        varchar(255),
    "createdAt"  timestamptz NOT NULL,
    "updatedAt"  timestamptz NOT NULL,
    "authorId"   integer REFERENCES "Authors" (id) ON DELETE CASCADE
);

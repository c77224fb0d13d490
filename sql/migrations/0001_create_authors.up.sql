-- Authors, as the Sequelize guide creates them: a database made there can be taken over here.

CREATE TABLE "Authors" (
    id           serial PRIMARY KEY,
    name         varchar(255),
    bio          varchar(255),
    "createdAt"  timestamptz NOT NULL,
    "updatedAt"  timestamptz NOT NULL
);

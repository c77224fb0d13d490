// The same service on Fastify and pg, as their documentation recommends: schemas for what is
// sent, a pool of the usual size, named statements, which Postgres prepares once a connection.
const fastify = require("fastify")();
const { Pool } = require("pg");

// PGHOST, PGUSER and PGDATABASE say where. The turns of the others take longer than the ten seconds
// after which it would close what is idle.
const pool = new Pool({ idleTimeoutMillis: 60_000 });

const time = { type: "string", format: "date-time" };

const authors = {
  type: "array",
  items: {
    type: "object",
    properties: {
      id: { type: "integer" },
      name: { type: "string", nullable: true },
      bio: { type: "string", nullable: true },
      createdAt: time,
      updatedAt: time,
    },
  },
};

const books = {
  type: "array",
  items: {
    type: "object",
    properties: {
      id: { type: "integer" },
      title: { type: "string" },
      authorId: { type: "integer" },
      createdAt: time,
      updatedAt: time,
    },
  },
};

fastify.get("/authors", { schema: { response: { 200: authors } } }, async () => {
  const { rows } = await pool.query({
    name: "authors",
    text: 'SELECT id, name, bio, "createdAt", "updatedAt" FROM "Authors" ORDER BY id',
  });
  return rows;
});

const ofAuthor = { type: "object", properties: { authorId: { type: "integer" } } };

fastify.get(
  "/books/:authorId",
  { schema: { params: ofAuthor, response: { 200: books } } },
  async (request) => {
    const { rows } = await pool.query({
      name: "books",
      text:
        'SELECT id, title, "authorId", "createdAt", "updatedAt" FROM "Books" ' +
        'WHERE "authorId" = $1 ORDER BY id',
      values: [request.params.authorId],
    });
    return rows;
  },
);

fastify.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });

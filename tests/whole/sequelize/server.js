// The guide's service, on PORT or a free one, which it prints; and, beyond the guide, a way to write.
const express = require("express");

const { Author, Book } = require("./models");

const app = express();

app.get("/", (request, response) => {
  response.send("Hello World! This is a book catalog.");
});

app.get("/authors", async (request, response) => {
  response.json(await Author.findAll());
});

app.get("/books/:authorId", async (request, response) => {
  const authorId = parseInt(request.params.authorId);
  response.json(await Book.findAll({ where: { authorId } }));
});

app.post("/authors", express.json(), async (request, response) => {
  const { books, ...author } = request.body;
  const { id } = await Author.create(author);
  for (const title of books) await Book.create({ title, authorId: id });
  response.json(id);
});

const port = process.env.PORT ?? 0; // any that is free
const server = app.listen(port, "127.0.0.1", () => console.log(server.address().port));
